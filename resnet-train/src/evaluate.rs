//! How good a network is on images that it was not trained on.

use burn::tensor::backend::Backend;
use resnet_core::ResNet;
use resnet_data::{BadImage, Loader, Scores};
use resnet_image::BatchError;

use crate::tensors;

/// Runs every image of the loader through the network; `each` gets the number of an image and its logits.
///
/// Images that cannot be read are left out, and handed to `bad`.
///
/// # Errors
///
/// If images differ in size.
///
/// # Panics
///
/// If the network has not one class for each of the dataset.
pub fn evaluate<B: Backend>(
    model: &ResNet<B>,
    loader: &Loader,
    device: &B::Device,
    mut each: impl FnMut(usize, &[f32]),
    mut bad: impl FnMut(&BadImage),
) -> Result<Scores, BatchError> {
    let classes = loader.dataset().classes().len();
    let mut scores = Scores::new(classes);
    for batch in loader.epoch(0, 0) {
        batch.bad.iter().for_each(&mut bad);
        if batch.images.is_empty() {
            continue;
        }
        let (images, _) = tensors::<B>(&batch, loader.recipe(), device)?;
        let logits: Vec<f32> = model.forward(images).into_data().iter().collect();
        for (&number, logits) in batch.numbers.iter().zip(logits.chunks(classes)) {
            if let [class] = loader.dataset().samples()[number].labels() {
                scores.add(logits, *class);
            }
            each(number, logits);
        }
    }
    Ok(scores)
}
