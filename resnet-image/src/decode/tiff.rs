use std::borrow::Cow;
use std::io::Cursor;

use image::DynamicImage;
use image::metadata::Orientation;
use tiff::ColorType;
use tiff::decoder::{BufferLayoutPreference, Decoder as Reader, DecodingResult, Limits};
use tiff::tags::Tag;

use self::directory::Directory;
use super::DecodeError;
use super::canvas::{Canvas, Layout};
use super::job::Job;
use crate::pixels::Pixels;

mod directory;

const FORMAT: &str = "TIFF";
const TRUNCATED: DecodeError = DecodeError::Truncated { format: FORMAT };

/// The first image, turned by its orientation tag: Pillow does so for TIFF, and only for TIFF.
pub(super) fn decode(job: &mut Job, bytes: &[u8]) -> Result<Pixels, DecodeError> {
    let failed = |source| DecodeError::malformed(FORMAT, source);
    let directory = Directory::read(bytes)?;
    job.check(directory.width, directory.height)?;
    directory.check(bytes)?;
    let is_jpeg = directory.check_jpegs(bytes)?;
    let size = (directory.width, directory.height);
    let stored = directory.bytes_per_pixel(bytes);
    // The samples at first, those of 8 bits, and those without padding; JPEG has its own.
    let working = 2 * stored + if is_jpeg { 8 } else { 4 };
    let fixed = bytes.len() as u64 + 80 * directory.listed();
    job.reserve(size, working, fixed)?;

    let (bytes, has_palette) = palette_as_gray(bytes, &directory);
    let mut reader = Reader::new(Cursor::new(&bytes[..])).map_err(failed)?;
    let (width, height) = reader.dimensions().map_err(failed)?;
    let mut limits = Limits::default();
    limits.decoding_buffer_size = usize::MAX;
    limits.intermediate_buffer_size = usize::MAX;
    let mut reader = reader.with_limits(limits);

    let color = reader.colortype().map_err(failed)?;
    let is_known = match color {
        ColorType::Gray(1 | 2 | 4 | 8) => true,
        ColorType::Gray(16) => !has_palette,
        ColorType::GrayA(8 | 16)
        | ColorType::RGB(8 | 16)
        | ColorType::RGBA(8 | 16)
        | ColorType::CMYK(8 | 16) => true,
        ColorType::Multiband {
            bit_depth: 8 | 16,
            num_samples: 2,
        } => true,
        _ => false,
    };
    let unsupported = || DecodeError::unsupported(FORMAT, format!("color type `{color:?}`"));
    if !is_known {
        return Err(unsupported());
    }
    let mut buffer = DecodingResult::U8(Vec::new());
    let layout = reader.read_image_to_buffer(&mut buffer).map_err(failed)?;
    let samples = match buffer {
        DecodingResult::U8(samples) => samples,
        DecodingResult::U16(words) => words.into_iter().map(high_byte).collect(),
        _ => return Err(unsupported()),
    };
    let samples = interleave(samples, &layout);
    let (samples, layout) = match color {
        ColorType::Gray(bits @ (1 | 2 | 4 | 8)) if has_palette => {
            let colors = reader.get_tag_u16_vec(Tag::ColorMap).map_err(failed)?;
            let count = 1 << bits;
            let color = |i: u8| -> Option<[u8; 3]> {
                let channel = |c: usize| colors.get(c * count + usize::from(i)).copied();
                Some([channel(0)?, channel(1)?, channel(2)?].map(high_byte))
            };
            let colors: Vec<[u8; 3]> = (0..=255).map(|i| color(i).unwrap_or_default()).collect();
            let indices = unpack(&samples, width as usize, bits);
            let pixels = indices.into_iter().flat_map(|i| colors[usize::from(i)]);
            (pixels.collect(), Layout::Rgb)
        }
        ColorType::Gray(bits @ (1 | 2 | 4)) => {
            let step = 255 / ((1 << bits) - 1);
            let values = unpack(&samples, width as usize, bits);
            (
                values.into_iter().map(|value| value * step).collect(),
                Layout::Gray,
            )
        }
        ColorType::Gray(8 | 16) if !has_palette => (samples, Layout::Gray),
        ColorType::GrayA(8 | 16)
        | ColorType::Multiband {
            bit_depth: 8 | 16,
            num_samples: 2,
        } => (samples, Layout::GrayAlpha),
        ColorType::RGB(8 | 16) => (samples, Layout::Rgb),
        ColorType::RGBA(8 | 16) => {
            const ASSOCIATED: u16 = 1;
            let extra = reader
                .find_tag_unsigned_vec(Tag::ExtraSamples)
                .map_err(failed)?;
            let premultiplied = extra.as_deref() == Some(&[ASSOCIATED]);
            let samples = if premultiplied {
                divide_by_alpha(samples)
            } else {
                samples
            };
            (samples, Layout::Rgba)
        }
        ColorType::CMYK(8 | 16) => (samples, Layout::Cmyk),
        _ => return Err(unsupported()),
    };
    let canvas = Canvas::from_samples((width, height), samples, layout, job.channels);
    let pixels = canvas.and_then(Canvas::into_pixels).ok_or(TRUNCATED)?;
    let orientation = reader
        .find_tag_unsigned::<u8>(Tag::Orientation)
        .ok()
        .flatten();
    Ok(match orientation.and_then(Orientation::from_exif) {
        Some(orientation) => turn(pixels, orientation),
        None => pixels,
    })
}

fn turn(pixels: Pixels, orientation: Orientation) -> Pixels {
    let mut image = match pixels {
        Pixels::Gray(image) => DynamicImage::ImageLuma8(image),
        Pixels::Rgb(image) => DynamicImage::ImageRgb8(image),
        Pixels::Rgba(image) => DynamicImage::ImageRgba8(image),
    };
    image.apply_orientation(orientation);
    match image {
        DynamicImage::ImageLuma8(image) => Pixels::from(image),
        DynamicImage::ImageRgba8(image) => Pixels::from(image),
        other => Pixels::from(other.into_rgb8()),
    }
}

/// The rule for 16-bit channels, gray ones too: the high byte, as Pillow reads 16-bit RGB.
fn high_byte(word: u16) -> u8 {
    (word >> 8) as u8
}

/// The file with "palette" replaced by "black is zero", and whether it was there.
///
/// The decoder knows no palettes: read as gray, the image gives the indices.
fn palette_as_gray<'a>(bytes: &'a [u8], directory: &Directory) -> (Cow<'a, [u8]>, bool) {
    const PALETTE: u16 = 3;
    let Some((at, PALETTE)) = directory.photometric else {
        return (bytes.into(), false);
    };
    let mut patched = bytes.to_owned();
    let gray = if directory.is_little { [1, 0] } else { [0, 1] };
    patched[at..at + 2].copy_from_slice(&gray);
    (patched.into(), true)
}

/// Samples stored plane after plane, brought together pixel by pixel.
fn interleave(samples: Vec<u8>, layout: &BufferLayoutPreference) -> Vec<u8> {
    if layout.planes < 2 {
        return samples;
    }
    let plane = samples.len() / layout.planes;
    let mut pixels = Vec::with_capacity(samples.len());
    for i in 0..plane {
        pixels.extend(samples[i..].iter().step_by(plane).copied());
    }
    pixels
}

/// Values of 1, 2, 4 or 8 bits from rows that start on a byte.
fn unpack(packed: &[u8], width: usize, bits: u8) -> Vec<u8> {
    let per_byte = 8 / usize::from(bits);
    let mask = (1u16 << bits) - 1;
    let row_bytes = width.div_ceil(per_byte).max(1);
    let mut values = Vec::with_capacity(packed.len() / row_bytes * width);
    for row in packed.chunks_exact(row_bytes) {
        values.extend((0..width).map(|x| {
            let shift = 8 - usize::from(bits) * (x % per_byte + 1);
            ((u16::from(row[x / per_byte]) >> shift) & mask) as u8
        }));
    }
    values
}

/// Pillow's `unpackRGBa`: premultiplied color back to plain color.
fn divide_by_alpha(mut samples: Vec<u8>) -> Vec<u8> {
    for pixel in samples.chunks_exact_mut(4) {
        let alpha = u32::from(pixel[3]);
        for value in &mut pixel[..3] {
            *value = (u32::from(*value) * 255)
                .checked_div(alpha)
                .unwrap_or(0)
                .min(255) as u8;
        }
    }
    samples
}
