//! Normalizes images into a batch: a Burn tensor.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

use crate::per_channel::PerChannel;
use crate::pixels::AsSamples;
use crate::preprocessing::{PreprocessingError, check_normalisation};

/// Why images could not be made into one tensor.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// There is no image.
    #[error("the batch is empty: expected at least 1 image, found 0")]
    Empty,
    /// An image has no pixels.
    #[error(
        "image {index} of the batch has no pixels: expected sides of at least 1, found {width}x{height}"
    )]
    EmptyImage {
        /// Position in the batch.
        index: usize,
        /// Columns found.
        width: u32,
        /// Rows found.
        height: u32,
    },
    /// The images differ in size.
    #[error(
        "image {index} of the batch: expected {}x{} pixels as image 0, found {}x{}; crop all to one size",
        expected.0, expected.1, found.0, found.1
    )]
    SizeMismatch {
        /// Position in the batch.
        index: usize,
        /// Width and height of the first image.
        expected: (u32, u32),
        /// Width and height of this image.
        found: (u32, u32),
    },
    /// An image has another number of channels than there are means.
    #[error(
        "image {index} of the batch: expected {expected} channels, as many as means, found {found}; \
         decode it to as many channels"
    )]
    ChannelMismatch {
        /// Position in the batch.
        index: usize,
        /// The number of means.
        expected: usize,
        /// The channels of this image.
        found: usize,
    },
    /// The mean or the standard deviation cannot be used.
    #[error(transparent)]
    Normalisation(#[from] PreprocessingError),
}

/// Normalizes images of one size into a batch: torchvision's `ToTensor` and `Normalize`.
///
/// Each image needs one channel per mean: one, three or four. Every value is `(x / 255 - mean) / std`, with each step
/// rounded to `f32`.
///
/// # Shapes
/// - output: `[images.len(), channels, height, width]`, red first, alpha last
///
/// # Errors
/// [`BatchError`] for an empty batch, an empty image, images of different sizes or other channels, and a `mean` or
/// `std` that [`Preprocessing::validate`](crate::Preprocessing::validate) would refuse.
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

/// Returns the numbers of [`to_tensor`], not on a device yet.
///
/// # Errors
/// As [`to_tensor`].
pub fn normalized(
    images: &[impl AsSamples],
    mean: impl Into<PerChannel>,
    std: impl Into<PerChannel>,
) -> Result<TensorData, BatchError> {
    let (mean, std) = (mean.into(), std.into());
    check_normalisation(&mean, &std)?;
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
