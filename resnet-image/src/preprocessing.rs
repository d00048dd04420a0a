//! The preprocessing of a set of weights: resize, crop and normalize.

use image::{ImageBuffer, Pixel};
use serde::{Deserialize, Serialize};

use crate::channels::Channels;
use crate::crop::{center_crop, crop_resized};
use crate::filter::Filter;
use crate::limits::{TransformError, check_source};
use crate::per_channel::PerChannel;
use crate::pixels::Pixels;
use crate::resize::{resize_shorter_side, shorter_side_size};

/// The mean of ImageNet's training pixels per channel, red first, on a scale of 0 to 1.
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];

/// The standard deviation of ImageNet's training pixels per channel, red first, on a scale of 0 to
/// 1.
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// The preprocessing that a set of weights needs: resize the shorter side, crop the center,
/// normalize.
///
/// The number of means determines the channels: three for RGB, one for gray (`L`), four for RGBA.
///
/// ```
/// use resnet_image::{Filter, Preprocessing, RgbImage};
///
/// let preprocessing = Preprocessing { resize: Some(232), filter: Filter::Bilinear, ..Preprocessing::imagenet() };
/// let pixels = preprocessing.apply(RgbImage::new(640, 427))?;
/// assert_eq!(pixels.dimensions(), (224, 224));
/// # Ok::<(), resnet_image::TransformError>(())
/// ```
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocessing {
    /// The shorter side after the resize, in pixels. `None` keeps the size.
    pub resize: Option<u32>,
    /// The side of the square center crop, in pixels. `None` keeps the whole image.
    pub crop: Option<u32>,
    /// The resize filter.
    #[serde(default)]
    pub filter: Filter,
    /// The mean of each channel on a scale of 0 to 1, which normalization subtracts.
    pub mean: PerChannel,
    /// The standard deviation of each channel, by which normalization divides.
    pub std: PerChannel,
}

impl Preprocessing {
    /// Returns the preprocessing of torchvision's `IMAGENET1K_V1` weights: resize to 256, crop to
    /// 224, bilinear.
    pub fn imagenet() -> Self {
        Self {
            resize: Some(256),
            crop: Some(224),
            filter: Filter::Bilinear,
            mean: IMAGENET_MEAN.into(),
            std: IMAGENET_STD.into(),
        }
    }

    /// Returns the preprocessing of the CIFAR-10 networks of akamaster's `pytorch_resnet_cifar10`.
    ///
    /// It keeps the 32x32 image and normalizes with ImageNet's mean and standard deviation. Those
    /// weights were trained with them, although CIFAR-10 itself has different values.
    pub fn cifar() -> Self {
        Self {
            resize: None,
            crop: None,
            ..Self::imagenet()
        }
    }

    /// Checks that every field has a valid value.
    ///
    /// # Errors
    /// Returns a [`PreprocessingError`] if a size is zero, if `mean` and `std` differ in length, if
    /// a mean is not finite, or if a standard deviation is not finite and positive. Also returns it
    /// if normalized pixels could exceed 1,000,000.
    ///
    /// ```
    /// use resnet_image::Preprocessing;
    ///
    /// assert!(Preprocessing::cifar().validate().is_ok());
    /// let error = Preprocessing { crop: Some(0), ..Preprocessing::imagenet() }.validate().unwrap_err();
    /// assert_eq!(error.to_string(), "`crop` of the preprocessing: expected at least 1 pixel, found 0");
    /// ```
    pub fn validate(&self) -> Result<(), PreprocessingError> {
        for (field, size) in [("resize", self.resize), ("crop", self.crop)] {
            if size == Some(0) {
                return Err(PreprocessingError::ZeroSize { field });
            }
        }
        check_normalization(&self.mean, &self.std)
    }

    /// Returns the channels that images must have, for [`open_as`](crate::open_as).
    pub fn channels(&self) -> Channels {
        self.mean.channels()
    }

    /// Resizes the shorter side and crops the center. Does not normalize.
    ///
    /// Computes only the pixels inside the crop. So even an image of one pixel by many thousands
    /// needs little memory. The resulting bytes are the same as torchvision's, which resizes the
    /// whole strip first.
    ///
    /// # Errors
    /// Returns a [`TransformError`] if a side or a size is zero, or if the result is too large.
    pub fn apply<P: Pixel<Subpixel = u8>>(
        &self,
        image: ImageBuffer<P, Vec<u8>>,
    ) -> Result<ImageBuffer<P, Vec<u8>>, TransformError> {
        match (self.resize, self.crop) {
            (None, None) => check_source(image.dimensions()).map(|()| image),
            (None, Some(crop)) => center_crop(&image, crop),
            (Some(size), None) => resize_shorter_side(&image, size, self.filter),
            (Some(size), Some(crop)) => {
                check_source(image.dimensions())?;
                let (width, height) = shorter_side_size(image.width(), image.height(), size);
                if size == 0 {
                    return Err(TransformError::ZeroSize { width, height });
                }
                crop_resized(&image, width, height, crop, self.filter)
            }
        }
    }

    /// Resizes and crops like [`apply`](Self::apply), for any channels.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`apply`](Self::apply).
    ///
    /// ```
    /// use resnet_image::{Channels, Decoder, PerChannel, Preprocessing, to_tensor};
    /// # use burn::backend::{Flex, flex::FlexDevice};
    ///
    /// let half = PerChannel::from([0.5]);
    /// let preprocessing = Preprocessing { resize: Some(4), crop: Some(3), mean: half, std: half, ..Preprocessing::imagenet() };
    /// let image = Decoder::default().decode_as(b"P2 2 1 9 3 7", preprocessing.channels())?;
    /// let pixels = preprocessing.apply_to(image)?;
    /// let batch = to_tensor::<Flex>(&[pixels], preprocessing.mean, preprocessing.std, &FlexDevice)?;
    /// assert_eq!(batch.dims(), [1, 1, 3, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn apply_to(&self, image: Pixels) -> Result<Pixels, TransformError> {
        Ok(match image {
            Pixels::Gray(image) => Pixels::Gray(self.apply(image)?),
            Pixels::Rgb(image) => Pixels::Rgb(self.apply(image)?),
            Pixels::Rgba(image) => Pixels::Rgba(self.apply(image)?),
        })
    }
}

/// The error of an invalid [`Preprocessing`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PreprocessingError {
    /// A size of zero.
    #[error("`{field}` of the preprocessing: expected at least 1 pixel, found 0")]
    ZeroSize {
        /// The name of the field.
        field: &'static str,
    },
    /// Different numbers of means and standard deviations.
    #[error("`mean` and `std`: expected as many of each, found {mean} and {std}")]
    Channels {
        /// The number of means.
        mean: usize,
        /// The number of standard deviations.
        std: usize,
    },
    /// A mean that is inf or NaN.
    #[error("`mean` of channel {channel}: expected a finite number, found {found}")]
    Mean {
        /// The index of the channel, red first.
        channel: usize,
        /// The value found.
        found: f32,
    },
    /// A mean and standard deviation that give extreme pixels.
    #[error(
        "`mean` and `std` of channel {channel}: expected normalized pixels of at most 1000000, found {found}"
    )]
    Range {
        /// The index of the channel, red first.
        channel: usize,
        /// The largest pixel after normalization.
        found: f32,
    },
    /// A standard deviation that is not finite and positive.
    #[error("`std` of channel {channel}: expected a finite number above 0, found {found}")]
    Std {
        /// The index of the channel, red first.
        channel: usize,
        /// The value found.
        found: f32,
    },
}

pub(crate) fn check_normalization(mean: &[f32], std: &[f32]) -> Result<(), PreprocessingError> {
    if mean.len() != std.len() {
        return Err(PreprocessingError::Channels {
            mean: mean.len(),
            std: std.len(),
        });
    }
    if let Some(channel) = mean.iter().position(|mean| !mean.is_finite()) {
        return Err(PreprocessingError::Mean {
            channel,
            found: mean[channel],
        });
    }
    if let Some(channel) = std.iter().position(|&std| !(std.is_finite() && std > 0.0)) {
        return Err(PreprocessingError::Std {
            channel,
            found: std[channel],
        });
    }
    // With larger pixels, a convolution in `f32` gets close to inf and the accuracy close to
    // chance.
    const LARGEST: f32 = 1e6;
    let largest = |channel: usize| {
        let ends = [0.0, 1.0].map(|pixel: f32| ((pixel - mean[channel]) / std[channel]).abs());
        ends[0].max(ends[1])
    };
    match (0..mean.len()).find(|&channel| largest(channel) > LARGEST) {
        Some(channel) => Err(PreprocessingError::Range {
            channel,
            found: largest(channel),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::*;

    #[test]
    fn extreme_normalized_pixels_are_an_error() {
        let preprocessing = Preprocessing {
            mean: [1e38, 0.0, 0.0].into(),
            std: [1e-38, 1.0, 1.0].into(),
            ..Preprocessing::imagenet()
        };
        let error = preprocessing.validate().unwrap_err().to_string();
        assert!(
            error.starts_with("`mean` and `std` of channel 0: expected"),
            "{error}"
        );
    }

    #[test]
    fn errors_name_invalid_values() {
        let preprocessing = Preprocessing {
            std: [0.2, 0.0, 0.2].into(),
            ..Preprocessing::imagenet()
        };
        assert_eq!(
            preprocessing.validate(),
            Err(PreprocessingError::Std {
                channel: 1,
                found: 0.0
            })
        );
        let preprocessing = Preprocessing {
            mean: [0.0, 0.0, f32::INFINITY].into(),
            ..Preprocessing::imagenet()
        };
        assert!(matches!(
            preprocessing.validate(),
            Err(PreprocessingError::Mean { channel: 2, .. })
        ));
        let preprocessing = Preprocessing {
            std: [f32::NAN; 3].into(),
            ..Preprocessing::imagenet()
        };
        assert!(matches!(
            preprocessing.validate(),
            Err(PreprocessingError::Std { channel: 0, .. })
        ));
        let preprocessing = Preprocessing {
            resize: Some(0),
            ..Preprocessing::imagenet()
        };
        assert_eq!(
            preprocessing.validate(),
            Err(PreprocessingError::ZeroSize { field: "resize" })
        );
        assert!(matches!(
            preprocessing.apply(RgbImage::new(2, 2)),
            Err(TransformError::ZeroSize { .. })
        ));
    }

    #[test]
    fn cifar_keeps_the_image() {
        let image = RgbImage::from_pixel(32, 32, image::Rgb([1, 2, 3]));
        assert_eq!(Preprocessing::cifar().apply(image.clone()), Ok(image));
    }

    #[test]
    fn means_and_standard_deviations_must_agree_in_number() {
        let preprocessing = Preprocessing {
            mean: [0.5].into(),
            ..Preprocessing::imagenet()
        };
        let error = preprocessing.validate().unwrap_err();
        assert_eq!(error, PreprocessingError::Channels { mean: 1, std: 3 });
    }

    /// Checks the format of files written before version 0.2, and other numbers of channels.
    #[test]
    fn json_has_one_number_per_channel() {
        let json = |mean: &str| {
            format!(r#"{{"resize":232,"crop":null,"filter":"bicubic","mean":{mean},"std":{mean}}}"#)
        };
        let text = json("[0.5,0.25,0.125]");
        let preprocessing: Preprocessing = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (preprocessing.channels(), preprocessing.mean[1]),
            (Channels::Rgb, 0.25)
        );
        assert_eq!(serde_json::to_string(&preprocessing).unwrap(), text);
        let gray: Preprocessing = serde_json::from_str(&json("[0.5]")).unwrap();
        assert_eq!(
            (gray.channels(), &gray.std[..]),
            (Channels::Gray, &[0.5][..])
        );
        let rgba: Preprocessing = serde_json::from_str(&json("[0.5,0.5,0.5,0.0]")).unwrap();
        assert_eq!(rgba.channels(), Channels::Rgba);
        let error = serde_json::from_str::<Preprocessing>(&json("[0.5,0.5]")).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("expected 1 (gray), 3 (RGB) or 4 (RGBA)"),
            "{error}"
        );
    }
}
