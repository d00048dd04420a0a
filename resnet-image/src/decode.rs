//! Decoding of images from files and bytes.

use std::io::{self, Read};
use std::path::Path;

use image::RgbImage;

use self::budget::Share;
use self::job::Job;
use self::names::{Format, foreign_format};
use crate::channels::Channels;
use crate::limits::MAX_PIXELS;
use crate::pixels::Pixels;

mod bmp;
mod budget;
mod canvas;
mod error;
mod file;
mod gif;
mod guard;
mod job;
mod jpeg;
mod names;
mod parts;
mod png;
mod pnm;
mod tiff;
mod webp;

pub use self::budget::{memory_limit, set_memory_limit};
pub use self::error::{DecodeError, OpenError};
pub use self::names::{IMAGE_ENDINGS, foreign_image_ending, has_image_ending};

/// Decodes an image to RGB, as `PIL.Image.open(…).convert("RGB")` does, with the default limit.
///
/// Calls [`Decoder::decode`] on the default [`Decoder`].
///
/// # Errors
/// Returns an error in the same cases as [`Decoder::decode`].
///
/// ```
/// use resnet_image::{DecodeError, decode};
///
/// assert!(matches!(decode(b"hello"), Err(DecodeError::UnknownFormat { .. })));
/// ```
pub fn decode(bytes: &[u8]) -> Result<RgbImage, DecodeError> {
    Decoder::default().decode(bytes)
}

/// Reads and decodes the image at `path`, with the default limit.
///
/// Calls [`Decoder::open`] on the default [`Decoder`].
///
/// # Errors
/// Returns an error in the same cases as [`Decoder::open`].
///
/// ```
/// let error = resnet_image::open("no/such.png").unwrap_err();
/// assert_eq!(error.to_string(), "cannot read `no/such.png`");
/// ```
pub fn open(path: impl AsRef<Path>) -> Result<RgbImage, OpenError> {
    Decoder::default().open(path)
}

/// Reads the image at `path` and decodes it to these channels, with the default limit.
///
/// Calls [`Decoder::open_as`] on the default [`Decoder`].
///
/// # Errors
/// Returns an error in the same cases as [`Decoder::open_as`].
///
/// ```
/// use resnet_image::{Channels, open_as};
///
/// let error = open_as("no/such.png", Channels::Gray).unwrap_err();
/// assert_eq!(error.to_string(), "cannot read `no/such.png`");
/// ```
pub fn open_as(path: impl AsRef<Path>, channels: Channels) -> Result<Pixels, OpenError> {
    Decoder::default().open_as(path, channels)
}

/// A decoder with a limit on the number of pixels.
///
/// ```
/// use resnet_image::{DecodeError, Decoder};
///
/// let mut png = Vec::new();
/// let image = resnet_image::RgbImage::new(40, 30);
/// image.write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
/// let error = Decoder { max_pixels: 1000 }.decode(&png).unwrap_err();
/// assert!(matches!(error, DecodeError::TooManyPixels { width: 40, height: 30, .. }));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Decoder {
    /// The maximum number of pixels, checked against the header before any allocation: a guard
    /// against decompression bombs. The default is [`MAX_PIXELS`].
    pub max_pixels: u64,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            max_pixels: MAX_PIXELS,
        }
    }
}

impl Decoder {
    /// Decodes PNG, JPEG, WebP, BMP, GIF (first frame), TIFF or PNM to RGB. The content decides the
    /// format.
    ///
    /// Copies gray to all three channels and resolves palettes. Drops alpha without blending. Takes
    /// the high byte of 16-bit channels. Does not apply the EXIF orientation.
    ///
    /// # Errors
    /// Returns a [`DecodeError`] if the bytes are not a supported image, are truncated, or use an
    /// unsupported feature. Also returns it if the header claims more than
    /// [`max_pixels`](Self::max_pixels) pixels, or if decoding needs more than the [memory
    /// limit](set_memory_limit).
    pub fn decode(&self, bytes: &[u8]) -> Result<RgbImage, DecodeError> {
        Ok(self.decode_as(bytes, Channels::Rgb)?.into_rgb())
    }

    /// Decodes like [`decode`](Self::decode), but to these channels, by the rules of Pillow's
    /// `convert`.
    ///
    /// [`Channels::Gray`] keeps the samples of gray images and takes the luma of others.
    /// [`Channels::Rgba`] keeps alpha and transparent colors, and makes all other pixels opaque.
    ///
    /// # Errors
    /// Returns an error in the same cases as [`decode`](Self::decode).
    ///
    /// ```
    /// use resnet_image::{Channels, Decoder, Pixels};
    ///
    /// let pixmap = b"P3 2 1 255  255 0 0  0 0 255";
    /// let gray = Decoder::default().decode_as(pixmap, Channels::Gray)?;
    /// assert_eq!(gray.as_raw(), [76, 29]);
    /// # Ok::<(), resnet_image::DecodeError>(())
    /// ```
    pub fn decode_as(&self, bytes: &[u8], channels: Channels) -> Result<Pixels, DecodeError> {
        let mut job = Job::new(channels, self.max_pixels, Share::default(), 0);
        run(&mut job, bytes)
    }

    /// Reads the file at `path` and [decodes](Self::decode) it.
    ///
    /// # Errors
    /// Returns an [`OpenError`], which names the path, if the file cannot be read or decoded. A
    /// named pipe, a device or anything else that is not a regular file is an error.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<RgbImage, OpenError> {
        let path = path.as_ref();
        Ok(self.open_as(path, Channels::Rgb)?.into_rgb())
    }

    /// Reads the file at `path` and [decodes it to these channels](Self::decode_as).
    ///
    /// # Errors
    /// Returns an error in the same cases as [`open`](Self::open).
    pub fn open_as(&self, path: impl AsRef<Path>, channels: Channels) -> Result<Pixels, OpenError> {
        file::open(*self, path.as_ref(), channels)
    }

    /// Reads all bytes of `reader`, for [`decode`](Self::decode).
    ///
    /// # Errors
    /// Returns an error if reading fails, or if there are more bytes than an allowed image can
    /// take.
    pub fn read_bytes(&self, reader: impl Read) -> io::Result<Vec<u8>> {
        let limit = self.max_bytes();
        let mut bytes = Vec::new();
        reader
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(file::too_large(limit));
        }
        Ok(bytes)
    }

    /// Returns the maximum number of bytes of an allowed image in any format, with its metadata.
    fn max_bytes(&self) -> u64 {
        self.max_pixels.saturating_mul(8).saturating_add(1 << 20)
    }
}

/// Decodes the bytes to the channels of the job.
fn run(job: &mut Job, bytes: &[u8]) -> Result<Pixels, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    let Some(format) = Format::of(bytes) else {
        return Err(match foreign_format(bytes) {
            Some(format) => DecodeError::ForeignFormat { format },
            None => DecodeError::unknown(bytes),
        });
    };
    guard::guard(format.name(), || decode_format(job, bytes, format))
}

fn decode_format(job: &mut Job, bytes: &[u8], format: Format) -> Result<Pixels, DecodeError> {
    let canvas = match format {
        Format::Bmp => bmp::decode(job, bytes),
        Format::Gif => gif::decode(job, bytes),
        Format::Jpeg => jpeg::decode(job, bytes),
        Format::Png => png::decode(job, bytes),
        Format::Pnm => pnm::decode(job, bytes),
        Format::Tiff => return tiff::decode(job, bytes),
        Format::WebP => webp::decode(job, bytes),
    }?;
    let format = format.name();
    canvas
        .into_pixels()
        .ok_or(DecodeError::Truncated { format })
}
