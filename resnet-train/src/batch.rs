//! From bytes to tensors.

use burn::tensor::{Tensor, TensorData, backend::Backend};
use rayon::prelude::*;
use resnet_data::Batch;
use resnet_image::{BatchError, Preprocessing, normalised};

/// The images and the targets of a batch: normalised, blanked and blended where the batch asks for it.
///
/// # Shapes
/// - images: `[batch, channels, height, width]`, as many channels as means
/// - targets: `[batch, classes]`
///
/// # Errors
///
/// If the batch is empty, its images differ in size, or the preprocessing cannot normalise.
pub fn tensors<B: Backend>(
    batch: &Batch,
    preprocessing: &Preprocessing,
    device: &B::Device,
) -> Result<(Tensor<B, 4>, Tensor<B, 2>), BatchError> {
    let mut images = normalised(&batch.images, preprocessing.mean, preprocessing.std)?;
    let [count, channels, height, width] = images.shape.dims();
    if let Ok(values) = images.as_mut_slice::<f32>() {
        let size = channels * height * width;
        for (values, rectangle) in values.chunks_exact_mut(size).zip(&batch.erased) {
            if let Some(rectangle) = rectangle {
                blank(values, width, height, rectangle.map(|side| side as usize));
            }
        }
        if let Some(share) = batch.blend {
            blend(values, size, share);
        }
    }
    let classes = batch.targets.first().map_or(0, Vec::len);
    let targets = TensorData::new(batch.targets.concat(), [count, classes]);
    Ok((
        Tensor::from_data(images, device),
        Tensor::from_data(targets, device),
    ))
}

fn blank(values: &mut [f32], width: usize, height: usize, [x, y, w, h]: [usize; 4]) {
    for plane in values.chunks_exact_mut(width * height) {
        for row in plane.chunks_exact_mut(width).skip(y).take(h) {
            row[x..x + w].fill(0.0);
        }
    }
}

/// Every image with the one before it, the first with the last.
fn blend(values: &mut [f32], size: usize, share: f32) {
    let old = values.to_vec();
    let count = values.len() / size;
    values
        .par_chunks_exact_mut(size)
        .enumerate()
        .for_each(|(i, image)| {
            let before = (i + count - 1) % count * size;
            for (value, other) in image.iter_mut().zip(&old[before..before + size]) {
                *value = share * *value + (1.0 - share) * other;
            }
        });
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};
    use resnet_cpu::Cpu;

    fn batch() -> Batch {
        let image = |grey: u8| RgbImage::from_pixel(3, 2, Rgb([grey; 3]));
        Batch {
            images: vec![image(0).into(), image(255).into()],
            indices: vec![0, 1],
            targets: vec![vec![1.0, 0.0], vec![0.0, 1.0]],
            erased: vec![None, Some([1, 0, 2, 1])],
            ..Batch::default()
        }
    }

    /// Black is -1 and white 1.
    fn preprocessing() -> Preprocessing {
        Preprocessing {
            mean: [0.5; 3].into(),
            std: [0.5; 3].into(),
            ..Preprocessing::cifar()
        }
    }

    #[test]
    fn blanks_are_zero_after_normalisation() {
        let (images, targets) =
            tensors::<Cpu>(&batch(), &preprocessing(), &Default::default()).unwrap();
        let values = images.into_data().to_vec::<f32>().unwrap();
        assert_eq!(values[..18], [-1.0; 18]);
        for plane in values[18..].chunks(6) {
            assert_eq!(plane, [1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        }
        assert_eq!(
            targets.into_data().to_vec::<f32>().unwrap(),
            [1.0, 0.0, 0.0, 1.0]
        );
    }

    #[test]
    fn blended_images_keep_their_share() {
        let batch = Batch {
            erased: vec![None; 2],
            blend: Some(0.75),
            ..batch()
        };
        let (images, _) = tensors::<Cpu>(&batch, &preprocessing(), &Default::default()).unwrap();
        let values = images.into_data().to_vec::<f32>().unwrap();
        assert_eq!(
            (values[..18].to_vec(), values[18..].to_vec()),
            (vec![-0.5; 18], vec![0.5; 18])
        );
    }
}
