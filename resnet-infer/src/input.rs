//! Images as input.

use std::path::{Path, PathBuf};

use image::{DynamicImage, GrayImage, ImageBuffer, Luma, Pixel, Rgb, RgbImage, Rgba, RgbaImage};
use resnet_image::{Channels, Decoder, Pixels};

use crate::PrepareError;

/// An input image: a file, encoded bytes or decoded pixels.
///
/// The methods of [`Classifier`](crate::Classifier), [`Detector`](crate::Detector) and
/// [`Segmenter`](crate::Segmenter) accept any type that converts into
/// `ImageInput`, by value or by reference:
///
/// | you have | types that convert |
/// |---|---|
/// | a file | `&str`, `String`, `&Path`, `PathBuf` |
/// | the bytes of a file, such as an upload | `&[u8]`, `Vec<u8>`, `[u8; N]` |
/// | an image of the crate `image` 0.25 | `DynamicImage`, `RgbImage`, `GrayImage`, `RgbaImage` |
/// | an image of `resnet-image` | `Pixels` |
/// | raw RGB samples | `(width, height, Vec<u8>)` |
///
/// ```
/// use std::path::Path;
/// use resnet_infer::ImageInput;
///
/// // To mix types in one call, pass a list of `ImageInput`.
/// let images: [ImageInput; 3] = [
///     "photo.jpg".into(),
///     image::RgbImage::new(32, 32).into(),
///     (2, 1, vec![255, 0, 0, 0, 0, 255]).into(),
/// ];
/// assert_eq!(images[0].path(), Some(Path::new("photo.jpg")));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ImageInput {
    /// A file, which [`resnet_image::open_as`] decodes into the channels of the network.
    Path(PathBuf),
    /// The content of an image file, which [`Decoder::decode_as`] decodes into the channels of the
    /// network.
    Encoded(Vec<u8>),
    /// An image that the crate `image` decoded.
    ///
    /// It is converted to the channels of the network like a file: alpha is dropped for other
    /// channels, and 16-bit samples keep the high byte. Floating-point samples are an error.
    ///
    /// `image` decodes some files, above all JPEG, to other values than Pillow. Pass the path or
    /// the bytes to get Pillow's values.
    Dynamic(DynamicImage),
    /// Pixels in the channels of the network.
    Pixels(Pixels),
    /// RGB samples, pixel by pixel and row by row, for a network with three channels.
    Rgb {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// The samples, `3 * width * height` bytes.
        samples: Vec<u8>,
    },
}

impl ImageInput {
    /// Returns the path, if the image is a file.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            _ => None,
        }
    }

    /// Decodes the image. Files and dynamic images are converted to `channels`; other inputs must
    /// already have them.
    pub(crate) fn into_pixels(self, channels: Channels) -> Result<Pixels, PrepareError> {
        let pixels = match self {
            Self::Path(path) => resnet_image::open_as(path, channels)?,
            Self::Encoded(bytes) => Decoder::default().decode_as(&bytes, channels)?,
            Self::Dynamic(image) => eight_bits(image)?.convert(channels),
            Self::Pixels(pixels) => pixels,
            Self::Rgb {
                width,
                height,
                samples,
            } => rgb(width, height, samples)?,
        };
        match pixels.channels() {
            found if found == channels => Ok(pixels),
            found => Err(PrepareError::Channels {
                expected: channels,
                found,
            }),
        }
    }
}

fn rgb(width: u32, height: u32, samples: Vec<u8>) -> Result<Pixels, PrepareError> {
    let found = samples.len();
    let expected = (u64::from(width) * u64::from(height)).saturating_mul(3);
    let image = (found as u64 == expected)
        .then(|| RgbImage::from_raw(width, height, samples))
        .flatten();
    image.map(Pixels::Rgb).ok_or(PrepareError::Bytes {
        width,
        height,
        expected,
        found,
    })
}

/// Converts 16-bit samples to their high byte, as `resnet_image` does for files.
/// `DynamicImage::to_rgb8` rounds instead.
fn eight_bits(image: DynamicImage) -> Result<Pixels, PrepareError> {
    let high = |sample: u16| (sample >> 8) as u8;
    Ok(match image {
        DynamicImage::ImageLuma8(image) => image.into(),
        DynamicImage::ImageRgb8(image) => image.into(),
        DynamicImage::ImageRgba8(image) => image.into(),
        DynamicImage::ImageLumaA8(image) => Pixels::Rgba(map(&image, |pixel| gray_alpha(pixel.0))),
        DynamicImage::ImageLuma16(image) => Pixels::Gray(map(&image, |p| Luma(p.0.map(high)))),
        DynamicImage::ImageRgb16(image) => Pixels::Rgb(map(&image, |p| Rgb(p.0.map(high)))),
        DynamicImage::ImageRgba16(image) => Pixels::Rgba(map(&image, |p| Rgba(p.0.map(high)))),
        DynamicImage::ImageLumaA16(image) => {
            Pixels::Rgba(map(&image, |pixel| gray_alpha(pixel.0.map(high))))
        }
        other => {
            let found = other.color();
            return Err(PrepareError::Samples { found });
        }
    })
}

fn gray_alpha([gray, alpha]: [u8; 2]) -> Rgba<u8> {
    Rgba([gray, gray, gray, alpha])
}

fn map<P: Pixel, Q: Pixel>(
    image: &ImageBuffer<P, Vec<P::Subpixel>>,
    convert: impl Fn(&P) -> Q,
) -> ImageBuffer<Q, Vec<Q::Subpixel>> {
    let (width, height) = image.dimensions();
    ImageBuffer::from_fn(width, height, |x, y| convert(image.get_pixel(x, y)))
}

/// Clones the image, so that the caller keeps it.
impl<T: Clone> From<&T> for ImageInput
where
    Self: From<T>,
{
    fn from(image: &T) -> Self {
        image.clone().into()
    }
}

impl From<PathBuf> for ImageInput {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl From<&Path> for ImageInput {
    fn from(path: &Path) -> Self {
        Self::Path(path.into())
    }
}

impl From<String> for ImageInput {
    fn from(path: String) -> Self {
        Self::Path(path.into())
    }
}

impl From<&str> for ImageInput {
    fn from(path: &str) -> Self {
        Self::Path(path.into())
    }
}

impl From<Vec<u8>> for ImageInput {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Encoded(bytes)
    }
}

impl From<&[u8]> for ImageInput {
    fn from(bytes: &[u8]) -> Self {
        Self::Encoded(bytes.into())
    }
}

impl<const N: usize> From<[u8; N]> for ImageInput {
    fn from(bytes: [u8; N]) -> Self {
        Self::Encoded(bytes.into())
    }
}

impl From<DynamicImage> for ImageInput {
    fn from(image: DynamicImage) -> Self {
        Self::Dynamic(image)
    }
}

impl From<Pixels> for ImageInput {
    fn from(pixels: Pixels) -> Self {
        Self::Pixels(pixels)
    }
}

impl From<GrayImage> for ImageInput {
    fn from(image: GrayImage) -> Self {
        Self::Pixels(image.into())
    }
}

impl From<RgbImage> for ImageInput {
    fn from(image: RgbImage) -> Self {
        Self::Pixels(image.into())
    }
}

impl From<RgbaImage> for ImageInput {
    fn from(image: RgbaImage) -> Self {
        Self::Pixels(image.into())
    }
}

impl From<(u32, u32, Vec<u8>)> for ImageInput {
    fn from((width, height, samples): (u32, u32, Vec<u8>)) -> Self {
        Self::Rgb {
            width,
            height,
            samples,
        }
    }
}
