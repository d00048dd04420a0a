//! Evaluation of a network on a dataset.

use std::error::Error;

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use resnet_core::{ByteSize, ConfigError, ResNet, ResNetConfig};
use resnet_image::{BatchError, ChannelMismatch, normalized};

use crate::{BadImage, Batch, DataLoader, LoaderError, Sample, Scores};

/// The error of an evaluation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluateError {
    /// The network and the preprocessing differ in the number of channels.
    #[error(transparent)]
    Channels(#[from] ChannelMismatch),
    /// The images do not form a batch.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The data loader cannot start.
    #[error(transparent)]
    DataLoader(#[from] LoaderError),
    /// The network does not accept images of this size.
    #[error(transparent)]
    Size(#[from] ConfigError),
    /// The feature maps of a batch would take too much memory.
    #[error(
        "{batch} images of {width}x{height} pixels take about {} in the network, expected at most {}; use smaller \
         images, a smaller batch, or raise the memory limit",
        ByteSize(*.needed), ByteSize(*.limit)
    )]
    TooLarge {
        /// The number of images in the batch.
        batch: usize,
        /// The width of an image.
        width: u32,
        /// The height of an image.
        height: u32,
        /// The estimated memory of the network, in bytes.
        needed: u64,
        /// The memory limit, in bytes.
        limit: u64,
    },
    /// The network cannot process a batch.
    #[error(transparent)]
    Network(#[from] Box<dyn Error + Send + Sync>),
    /// The output of the network contains inf or NaN.
    #[error("`{image}`: expected finite logits, found inf or NaN")]
    NonFinite {
        /// The image.
        image: String,
    },
}

/// Runs every image of the loader through the network and scores its logits. Calls `each` with the
/// index of each image and its logits.
///
/// Leaves out unreadable images and passes them to `bad`. `memory_limit` limits the estimated
/// memory of a batch's feature maps, in bytes.
///
/// A single logit stands for two classes: its sigmoid is the probability of the second class.
///
/// # Errors
///
/// Returns an error if the output of the network is not finite. Also returns an error if the images
/// have other channels than the network, differ in size, take too much memory, or have a size that
/// the network does not accept.
///
/// # Panics
///
/// Panics if the network and the dataset differ in the number of classes.
pub fn evaluate<B: Backend>(
    model: &ResNet<B>,
    loader: &DataLoader,
    device: &B::Device,
    memory_limit: u64,
    each: impl FnMut(usize, &[f32]),
    bad: impl FnMut(&BadImage),
) -> Result<Scores, EvaluateError> {
    let forward = |images| on_device(device, |images| model.forward(images), images);
    evaluate_with(model.config(), loader, memory_limit, forward, each, bad)
}

/// Scores the logits of any network of `config`, like [`evaluate`]. `forward` computes them from
/// normalized images, `[batch, channels, height, width]`, one row per image.
///
/// # Errors
///
/// Returns the errors of [`evaluate`] and of `forward`.
///
/// # Panics
///
/// Panics if the network and the dataset differ in the number of classes.
pub fn evaluate_with(
    config: &ResNetConfig,
    loader: &DataLoader,
    memory_limit: u64,
    forward: impl FnMut(TensorData) -> Result<Vec<f32>, Box<dyn Error + Send + Sync>>,
    mut each: impl FnMut(usize, &[f32]),
    bad: impl FnMut(&BadImage),
) -> Result<Scores, EvaluateError> {
    let classes = loader.dataset().classes().len();
    let several = loader.dataset().is_multi_label();
    let mut scores = Scores::new(classes);
    let score = |number: usize, sample: &Sample, logits: &[f32]| {
        // The sigmoid of a single logit is the softmax of 0 and that logit.
        let pair;
        let logits = match *logits {
            [logit] if classes == 2 => {
                pair = [0.0, logit];
                &pair
            }
            _ => logits,
        };
        match sample.labels() {
            [class] if !several => scores.add(logits, *class),
            classes => scores.add_several(logits, classes),
        };
        each(number, logits);
    };
    for_each_row(config, loader, memory_limit, forward, score, bad)?;
    Ok(scores)
}

/// Runs a network on a device of Burn.
fn on_device<B: Backend>(
    device: &B::Device,
    forward: impl Fn(Tensor<B, 4>) -> Tensor<B, 2>,
    images: TensorData,
) -> Result<Vec<f32>, Box<dyn Error + Send + Sync>> {
    let output = forward(Tensor::from_data(images, device));
    Ok(output.into_data().iter().collect())
}

/// Runs every image of the loader through `forward`, which is the network of `config` or a part of
/// it. Calls `each` with the index of each image, its sample, and its row of the output.
///
/// Leaves out unreadable images and passes them to `bad`. `memory_limit` limits the estimated
/// memory of a batch's feature maps, in bytes.
///
/// # Shapes
///
/// - `forward`: `[batch, channels, height, width]` to `[batch, values]`
///
/// # Errors
///
/// Returns an error if the output is not finite. Also returns an error if the images have other
/// channels than the network, differ in size, take too much memory, or have a size that the network
/// does not accept.
pub fn for_each_output<B: Backend>(
    config: &ResNetConfig,
    loader: &DataLoader,
    device: &B::Device,
    memory_limit: u64,
    forward: impl Fn(Tensor<B, 4>) -> Tensor<B, 2>,
    each: impl FnMut(usize, &Sample, &[f32]),
    bad: impl FnMut(&BadImage),
) -> Result<(), EvaluateError> {
    let forward = |images| on_device(device, &forward, images);
    for_each_row(config, loader, memory_limit, forward, each, bad)
}

fn for_each_row(
    config: &ResNetConfig,
    loader: &DataLoader,
    memory_limit: u64,
    mut forward: impl FnMut(TensorData) -> Result<Vec<f32>, Box<dyn Error + Send + Sync>>,
    mut each: impl FnMut(usize, &Sample, &[f32]),
    mut bad: impl FnMut(&BadImage),
) -> Result<(), EvaluateError> {
    let preprocessing = loader.preprocessing();
    preprocessing.check_channels(config.in_channels)?;
    for batch in loader.epoch(0)? {
        batch.bad.iter().for_each(&mut bad);
        if batch.images.is_empty() {
            continue;
        }
        check_batch(config, &batch, memory_limit)?;
        let images = normalized(&batch.images, preprocessing.mean, preprocessing.std)?;
        let output = forward(images)?;
        let values = (output.len() / batch.images.len()).max(1);
        for (&number, row) in batch.indices.iter().zip(output.chunks(values)) {
            let sample = &loader.dataset().samples()[number];
            if !row.iter().all(|value| value.is_finite()) {
                let image = sample.name().into_owned();
                return Err(EvaluateError::NonFinite { image });
            }
            each(number, sample, row);
        }
    }
    Ok(())
}

/// Checks that the network accepts the images of a nonempty batch, and that they fit in the memory.
fn check_batch(config: &ResNetConfig, batch: &Batch, limit: u64) -> Result<(), EvaluateError> {
    let (width, height) = batch.images[0].dimensions();
    let size = [height as usize, width as usize];
    config.check_input(size)?;
    let needed = config.inference_bytes(batch.images.len(), size);
    if needed > limit {
        return Err(EvaluateError::TooLarge {
            batch: batch.images.len(),
            width,
            height,
            needed,
            limit,
        });
    }
    Ok(())
}
