use std::error::Error;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use image::codecs::{bmp::BmpDecoder, jpeg::JpegDecoder, png::PngDecoder, webp::WebPDecoder};
use image::{ColorType, ImageDecoder, ImageFormat, RgbImage};

use crate::limits::MAX_PIXELS;

mod bmp;
mod gif;
mod jpeg;
mod tiff;

/// Decodes an image to RGB, as `PIL.Image.open(…).convert("RGB")`, with the default limit.
///
/// Short for [`Decoder::decode`] of the default [`Decoder`].
///
/// # Errors
/// As for [`Decoder::decode`].
///
/// ```
/// use resnet_image::{DecodeError, decode};
///
/// assert!(matches!(decode(b"<svg/>"), Err(DecodeError::UnknownFormat { .. })));
/// ```
pub fn decode(bytes: &[u8]) -> Result<RgbImage, DecodeError> {
    Decoder::default().decode(bytes)
}

/// Reads and decodes the image at `path`, with the default limit.
///
/// Short for [`Decoder::open`] of the default [`Decoder`].
///
/// # Errors
/// As for [`Decoder::open`].
///
/// ```
/// let error = resnet_image::open("no/such.png").unwrap_err();
/// assert_eq!(error.to_string(), "cannot read `no/such.png`");
/// ```
pub fn open(path: impl AsRef<Path>) -> Result<RgbImage, OpenError> {
    Decoder::default().open(path)
}

/// How the names of image files end, in lower case. A file may have any other name: its content tells the format.
pub const IMAGE_ENDINGS: [&str; 9] = [
    "jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "jpe",
];

/// Whether a file of this name is likely an image: for folders with other files in them.
///
/// ```
/// use resnet_image::has_image_ending;
///
/// assert!(has_image_ending("photos/IMG_0001.JPG") && !has_image_ending("photos/notes.txt"));
/// ```
pub fn has_image_ending(path: impl AsRef<Path>) -> bool {
    let ending = path.as_ref().extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| IMAGE_ENDINGS.contains(&ending.to_ascii_lowercase().as_str()))
}

/// Decodes images of at most so many pixels.
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
    /// The most pixels that an image may have by its header, checked before memory for them is
    /// taken: a guard against decompression bombs. [`MAX_PIXELS`] unless set.
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
    /// Decodes PNG, JPEG, WebP, BMP, GIF (the first frame) or TIFF; the content decides which.
    ///
    /// Grey is spread over the channels, palettes are resolved, alpha is dropped (not blended),
    /// the high byte is taken of 16-bit channels, and the EXIF orientation is not applied.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are no such image, are cut short, use a feature that is not
    /// supported, or announce more than [`max_pixels`](Self::max_pixels).
    pub fn decode(&self, bytes: &[u8]) -> Result<RgbImage, DecodeError> {
        if bytes.is_empty() {
            return Err(DecodeError::Empty);
        }
        let format = image::guess_format(bytes).map_err(|_| DecodeError::unknown(bytes))?;
        let reader = Cursor::new(bytes);
        let failed = |source| DecodeError::malformed(format, source);
        match format {
            ImageFormat::Png => {
                let limits = self.allocation_limits();
                let decoder = PngDecoder::with_limits(reader, limits).map_err(failed)?;
                self.read(format, decoder)
            }
            ImageFormat::Jpeg => {
                if !jpeg::is_whole(bytes) {
                    return Err(DecodeError::Truncated { format: "JPEG" });
                }
                self.read(format, JpegDecoder::new(reader).map_err(failed)?)
            }
            ImageFormat::WebP => {
                let announced = bytes[4..]
                    .first_chunk()
                    .map(|&size| u32::from_le_bytes(size));
                if announced.is_some_and(|size| bytes.len() - 8 < size as usize) {
                    return Err(DecodeError::Truncated { format: "WebP" });
                }
                self.read(format, WebPDecoder::new(reader).map_err(failed)?)
            }
            ImageFormat::Bmp => {
                let mut image = self.read(format, BmpDecoder::new(reader).map_err(failed)?)?;
                bmp::scale_as_pillow(bytes, &mut image);
                Ok(image)
            }
            ImageFormat::Gif => gif::decode(self, bytes),
            ImageFormat::Tiff => tiff::decode(self, bytes),
            _ => Err(DecodeError::unknown(bytes)),
        }
    }

    /// Reads the file at `path` and [decodes](Self::decode) it.
    ///
    /// # Errors
    /// [`OpenError`], which names the path.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<RgbImage, OpenError> {
        let path = path.as_ref();
        let failed = |source| OpenError::Read {
            path: path.to_owned(),
            source,
        };
        let bytes = self
            .read_bytes(File::open(path).map_err(failed)?)
            .map_err(failed)?;
        self.decode(&bytes).map_err(|source| OpenError::Decode {
            path: path.to_owned(),
            source,
        })
    }

    /// Everything that `reader` holds, for [`decode`](Self::decode).
    ///
    /// # Errors
    /// What the reader says, and an error beyond the bytes that an allowed image can take.
    pub fn read_bytes(&self, reader: impl Read) -> io::Result<Vec<u8>> {
        let limit = self.max_bytes();
        let mut bytes = Vec::new();
        reader
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            let text = format!("expected an image of at most {limit} bytes, found more");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        Ok(bytes)
    }

    fn check(&self, width: u32, height: u32) -> Result<(), DecodeError> {
        if u64::from(width) * u64::from(height) > self.max_pixels {
            let max_pixels = self.max_pixels;
            return Err(DecodeError::TooManyPixels {
                width,
                height,
                max_pixels,
            });
        }
        Ok(())
    }

    /// The most bytes that the pixels of an allowed image take in any format.
    fn max_bytes(&self) -> u64 {
        self.max_pixels.saturating_mul(8)
    }

    fn allocation_limits(&self) -> image::Limits {
        /// Room for what is not pixels, such as a colour profile.
        const OVERHEAD_BYTES: u64 = 64 << 20;
        let mut limits = image::Limits::no_limits();
        limits.max_alloc = Some(self.max_bytes().saturating_add(OVERHEAD_BYTES));
        limits
    }

    fn read(
        &self,
        format: ImageFormat,
        mut decoder: impl ImageDecoder,
    ) -> Result<RgbImage, DecodeError> {
        let failed = |source| DecodeError::malformed(format, source);
        let (width, height) = decoder.dimensions();
        self.check(width, height)?;
        let color = decoder.color_type();
        let bytes = usize::try_from(decoder.total_bytes()).unwrap_or(usize::MAX);
        decoder
            .set_limits(self.allocation_limits())
            .map_err(failed)?;
        let mut samples = vec![0; bytes];
        decoder.read_image(&mut samples).map_err(failed)?;
        let samples = match color {
            ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => samples,
            ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 => {
                let words = samples.as_chunks().0.iter();
                words
                    .map(|&word| high_byte(u16::from_ne_bytes(word)))
                    .collect()
            }
            other => {
                let what = format!("colour type `{other:?}`");
                return Err(DecodeError::unsupported(format, what));
            }
        };
        let channels = usize::from(color.channel_count());
        rgb_image(format, (width, height), to_rgb(samples, channels))
    }
}

/// The rule for 16-bit channels, grey ones too: the high byte, as Pillow reads 16-bit RGB.
fn high_byte(word: u16) -> u8 {
    (word >> 8) as u8
}

/// Spreads grey (1 or 2 channels) and drops alpha (2 or 4 channels).
fn to_rgb(samples: Vec<u8>, channels: usize) -> Vec<u8> {
    if channels == 3 {
        return samples;
    }
    let picked = if channels < 3 { [0; 3] } else { [0, 1, 2] };
    let mut rgb = vec![0; samples.len() / channels * 3];
    for (out, pixel) in rgb.chunks_exact_mut(3).zip(samples.chunks_exact(channels)) {
        out.copy_from_slice(&picked.map(|channel| pixel[channel]));
    }
    rgb
}

/// The image of `pixels`, unless a decoder gave fewer than it announced.
fn rgb_image(
    format: ImageFormat,
    (width, height): (u32, u32),
    pixels: Vec<u8>,
) -> Result<RgbImage, DecodeError> {
    let truncated = DecodeError::Truncated {
        format: name(format),
    };
    RgbImage::from_raw(width, height, pixels).ok_or(truncated)
}

/// Why bytes could not be decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There are no bytes.
    #[error("the file is empty: expected an image, found 0 bytes")]
    Empty,
    /// The first bytes belong to none of the formats.
    #[error("not a known image: expected PNG, JPEG, WebP, BMP, GIF or TIFF, found bytes `{found}`")]
    UnknownFormat {
        /// The first bytes, escaped.
        found: String,
    },
    /// The header announces more pixels than are allowed.
    #[error(
        "the image is too large: expected at most {max_pixels} pixels, found {width}x{height}; \
         raise the limit if the file is to be trusted"
    )]
    TooManyPixels {
        /// Columns in the header.
        width: u32,
        /// Rows in the header.
        height: u32,
        /// The limit in force.
        max_pixels: u64,
    },
    /// The data ends before the image does.
    #[error(
        "the {format} data is cut short: expected more, found the end of the file; fetch the file again"
    )]
    Truncated {
        /// Name of the format.
        format: &'static str,
    },
    /// The image uses something of its format that is not supported.
    #[error("unsupported {format} image: found {what}; convert it to 8-bit RGB first")]
    Unsupported {
        /// Name of the format.
        format: &'static str,
        /// What is not supported.
        what: String,
    },
    /// The decoder of the format refused the data.
    #[error("cannot decode the {format} data: expected a whole, valid image")]
    Malformed {
        /// Name of the format.
        format: &'static str,
        /// What the decoder says.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl DecodeError {
    fn unknown(bytes: &[u8]) -> Self {
        let start = &bytes[..bytes.len().min(12)];
        Self::UnknownFormat {
            found: start.escape_ascii().to_string(),
        }
    }

    fn unsupported(format: ImageFormat, what: String) -> Self {
        Self::Unsupported {
            format: name(format),
            what,
        }
    }

    fn malformed(format: ImageFormat, source: impl Error + Send + Sync + 'static) -> Self {
        Self::Malformed {
            format: name(format),
            source: Box::new(source),
        }
    }
}

fn name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::WebP => "WebP",
        ImageFormat::Bmp => "BMP",
        ImageFormat::Gif => "GIF",
        _ => "TIFF",
    }
}

/// Why the image at a path could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file could not be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The path given.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file was read, but is no image that can be used.
    #[error("cannot use `{}` as an image", path.display())]
    Decode {
        /// The path given.
        path: PathBuf,
        /// Why not.
        #[source]
        source: DecodeError,
    },
}
