//! Batches, as bytes and as tensors.

use burn::tensor::{Tensor, TensorData, backend::Backend};
use image::{Rgb, RgbImage};
use rayon::prelude::*;
use resnet_image::{BatchError, Pixels, Preprocessing, normalized};

/// Images of one size with their targets, as bytes.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The images before normalization, with the channels of the preprocessing.
    pub images: Vec<Pixels>,
    /// The index of each image in the dataset.
    pub indices: Vec<usize>,
    /// The target of each image: the weight of each class.
    pub targets: Vec<Vec<f32>>,
    /// The rectangle to erase in each image after normalization: left, top, width, height.
    pub erased: Vec<Option<[u32; 4]>>,
    /// The weight of each image when it is blended with the image before it. `None` means no
    /// blending.
    pub blend: Option<f32>,
    /// The unreadable images.
    pub bad: Vec<BadImage>,
}

/// An unreadable image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadImage {
    /// The path of the image, or the name that its source gives.
    pub name: String,
    /// The reason.
    pub reason: String,
}

impl Batch {
    /// Returns the images and the targets as tensors. Normalizes the images, then erases and blends
    /// them as the batch asks.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, with as many channels as the preprocessing has
    ///   means
    /// - targets: `[batch, classes]`
    ///
    /// # Errors
    ///
    /// Returns an error if the batch is empty, its images differ in size, or the preprocessing
    /// cannot normalize them.
    ///
    /// # Panics
    ///
    /// Panics if the rows of `targets` are not one per image and of equal length, or if a rectangle
    /// of [`erased`](Self::erased) is not inside its image. A batch from a data loader never panics.
    ///
    /// ```
    /// use burn::backend::Flex;
    /// use resnet_data::{DataLoader, Dataset};
    /// use resnet_image::Preprocessing;
    ///
    /// let loader = DataLoader::new(Dataset::shapes(12), Preprocessing::cifar()).with_batch_size(4);
    /// for batch in loader.epoch(0)? {
    ///     let (images, targets) = batch.to_tensors::<Flex>(loader.preprocessing(), &Default::default())?;
    ///     assert_eq!((images.dims(), targets.dims()), ([4, 3, 32, 32], [4, 6]));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_tensors<B: Backend>(
        &self,
        preprocessing: &Preprocessing,
        device: &B::Device,
    ) -> Result<(Tensor<B, 4>, Tensor<B, 2>), BatchError> {
        let mut images = normalized(&self.images, preprocessing.mean, preprocessing.std)?;
        let [count, channels, height, width] = images.shape.dims();
        if let Ok(values) = images.as_mut_slice::<f32>() {
            let size = channels * height * width;
            for (values, rectangle) in values.chunks_exact_mut(size).zip(&self.erased) {
                if let Some(rectangle) = rectangle {
                    blank(values, width, height, rectangle.map(|side| side as usize));
                }
            }
            if let Some(share) = self.blend {
                blend(values, size, share);
            }
        }
        let classes = self.targets.first().map_or(0, Vec::len);
        let targets = TensorData::new(self.targets.concat(), [count, classes]);
        Ok((
            Tensor::from_data(images, device),
            Tensor::from_data(targets, device),
        ))
    }

    /// Returns an image for display, as the network sees it: erased and blended, but not
    /// normalized.
    ///
    /// # Panics
    ///
    /// Panics if `place` is not below the number of images, or if [`erased`](Self::erased) has no
    /// entry for it.
    pub fn preview(&self, place: usize) -> RgbImage {
        let mut image = self.blanked(place);
        if let Some(share) = self.blend {
            let count = self.images.len();
            let other = self.blanked((place + count - 1) % count);
            for (pixel, other) in image.pixels_mut().zip(other.pixels()) {
                for (value, &other) in pixel.0.iter_mut().zip(&other.0) {
                    *value = (share * f32::from(*value) + (1.0 - share) * f32::from(other)).round()
                        as u8;
                }
            }
        }
        image
    }

    fn blanked(&self, place: usize) -> RgbImage {
        let mut image = self.images[place].clone().into_rgb();
        if let Some([x, y, width, height]) = self.erased[place] {
            for (x, y) in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
                // The ImageNet mean: erased pixels are 0 after normalization.
                image.put_pixel(x, y, Rgb([124, 116, 104]));
            }
        }
        image
    }
}

fn blank(values: &mut [f32], width: usize, height: usize, [x, y, w, h]: [usize; 4]) {
    for plane in values.chunks_exact_mut(width * height) {
        for row in plane.chunks_exact_mut(width).skip(y).take(h) {
            row[x..x + w].fill(0.0);
        }
    }
}

/// Blends every image with the one before it, and the first with the last.
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
    use burn::backend::Flex;

    fn batch() -> Batch {
        let image = |gray: u8| RgbImage::from_pixel(3, 2, Rgb([gray; 3]));
        Batch {
            images: vec![image(0).into(), image(255).into()],
            indices: vec![0, 1],
            targets: vec![vec![1.0, 0.0], vec![0.0, 1.0]],
            erased: vec![None, Some([1, 0, 2, 1])],
            ..Batch::default()
        }
    }

    /// Maps black to -1 and white to 1.
    fn preprocessing() -> Preprocessing {
        Preprocessing {
            mean: [0.5; 3].into(),
            std: [0.5; 3].into(),
            ..Preprocessing::cifar()
        }
    }

    #[test]
    fn erased_pixels_are_zero_after_normalization() {
        let (images, targets) = batch()
            .to_tensors::<Flex>(&preprocessing(), &Default::default())
            .unwrap();
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
    fn blended_images_keep_their_weight() {
        let batch = Batch {
            erased: vec![None; 2],
            blend: Some(0.75),
            ..batch()
        };
        let (images, _) = batch
            .to_tensors::<Flex>(&preprocessing(), &Default::default())
            .unwrap();
        let values = images.into_data().to_vec::<f32>().unwrap();
        assert_eq!(
            (values[..18].to_vec(), values[18..].to_vec()),
            (vec![-0.5; 18], vec![0.5; 18])
        );
        // 0.75 of black and 0.25 of white, rounded.
        assert_eq!(batch.preview(0).get_pixel(2, 1), &Rgb([64; 3]));
    }
}
