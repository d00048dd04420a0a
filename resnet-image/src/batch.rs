//! Normalization of images into a batch, a Burn tensor.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

use crate::per_channel::PerChannel;
use crate::pixels::AsSamples;
use crate::preprocessing::{PreprocessingError, check_normalization};

/// The error of images that do not form a batch.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// No images.
    #[error("the batch is empty: expected at least 1 image, found 0")]
    Empty,
    /// An image without pixels.
    #[error(
        "image {index} of the batch has no pixels: expected sides of at least 1, found {width}x{height}"
    )]
    EmptyImage {
        /// The position in the batch.
        index: usize,
        /// The width of the image.
        width: u32,
        /// The height of the image.
        height: u32,
    },
    /// Images of different sizes.
    #[error(
        "image {index} of the batch: expected {}x{} pixels as image 0, found {}x{}; crop all to one size",
        expected.0, expected.1, found.0, found.1
    )]
    SizeMismatch {
        /// The position in the batch.
        index: usize,
        /// The width and height of the first image.
        expected: (u32, u32),
        /// The width and height of this image.
        found: (u32, u32),
    },
    /// An image whose number of channels differs from the number of means.
    #[error(
        "image {index} of the batch: expected {expected} channels, as many as means, found {found}; \
         decode it to {expected} channels"
    )]
    ChannelMismatch {
        /// The position in the batch.
        index: usize,
        /// The number of means.
        expected: usize,
        /// The number of channels of this image.
        found: usize,
    },
    /// An invalid mean or standard deviation.
    #[error(transparent)]
    Normalisation(#[from] PreprocessingError),
}

/// Normalizes images of one size into a batch, as torchvision's `ToTensor` and `Normalize` do.
///
/// Each image needs one channel per mean: one, three or four. Every value becomes
/// `(x / 255 - mean) / std`; each step is rounded to `f32`.
///
/// # Shapes
/// - output: `[images.len(), channels, height, width]`, red first, alpha last
///
/// # Errors
/// Returns a [`BatchError`] if the batch or an image is empty, or if the images differ in size or
/// have other channels. Also returns it if
/// [`Preprocessing::validate`](crate::Preprocessing::validate) would reject `mean` or `std`.
///
/// ```
/// # use burn::backend::{Flex, flex::FlexDevice};
/// use resnet_image::{Preprocessing, RgbImage, to_tensor};
///
/// let preprocessing = Preprocessing::imagenet();
/// let images = [RgbImage::new(8, 6), RgbImage::new(8, 6)];
/// let batch = to_tensor::<Flex>(&images, preprocessing.mean, preprocessing.std, &FlexDevice)?;
/// assert_eq!(batch.dims(), [2, 3, 6, 8]);
/// # Ok::<(), resnet_image::BatchError>(())
/// ```
pub fn to_tensor<B: Backend>(
    images: &[impl AsSamples],
    mean: impl Into<PerChannel>,
    std: impl Into<PerChannel>,
    device: &B::Device,
) -> Result<Tensor<B, 4>, BatchError> {
    let data = normalized(images, mean, std)?;
    Ok(Tensor::from_data(data, device))
}

/// Returns the values of [`to_tensor`] before they move to a device.
///
/// # Errors
/// Returns an error in the same cases as [`to_tensor`].
pub fn normalized(
    images: &[impl AsSamples],
    mean: impl Into<PerChannel>,
    std: impl Into<PerChannel>,
) -> Result<TensorData, BatchError> {
    let (mean, std) = (mean.into(), std.into());
    check_normalization(&mean, &std)?;
    let channels = mean.len();
    let expected = images.first().ok_or(BatchError::Empty)?.dimensions();
    for (index, image) in images.iter().enumerate() {
        let found @ (width, height) = image.dimensions();
        if found != expected {
            return Err(BatchError::SizeMismatch {
                index,
                expected,
                found,
            });
        }
        if width == 0 || height == 0 {
            return Err(BatchError::EmptyImage {
                index,
                width,
                height,
            });
        }
        if image.channels().count() != channels {
            return Err(BatchError::ChannelMismatch {
                index,
                expected: channels,
                found: image.channels().count(),
            });
        }
    }

    let (width, height) = (expected.0 as usize, expected.1 as usize);
    let row = |channel: usize| -> [f32; 256] {
        std::array::from_fn(|x| (x as f32 / 255.0 - mean[channel]) / std[channel])
    };
    let table: Vec<[f32; 256]> = (0..channels).map(row).collect();
    let mut values = vec![0.0; images.len() * channels * width * height];
    values
        .par_chunks_exact_mut(width * height)
        .enumerate()
        .for_each(|(index, plane)| {
            let (image, channel) = (&images[index / channels], index % channels);
            let pixels = image.as_samples().chunks_exact(channels);
            for (value, pixel) in plane.iter_mut().zip(pixels) {
                *value = table[channel][usize::from(pixel[channel])];
            }
        });
    let shape = [images.len(), channels, height, width];
    Ok(TensorData::new(values, shape))
}
