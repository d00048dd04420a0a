use std::borrow::Cow;
use std::io::Cursor;

use image::metadata::Orientation;
use image::{DynamicImage, ImageFormat, RgbImage};
use tiff::ColorType;
use tiff::decoder::{BufferLayoutPreference, Decoder as Reader, DecodingResult, Limits};
use tiff::tags::Tag;

use super::{DecodeError, Decoder, high_byte, rgb_image, to_rgb};

/// The first image, turned by its orientation tag: Pillow does so for TIFF, and only for TIFF.
pub(super) fn decode(limit: &Decoder, bytes: &[u8]) -> Result<RgbImage, DecodeError> {
    let failed = |source| DecodeError::malformed(ImageFormat::Tiff, source);
    let (bytes, has_palette) = palette_as_grey(bytes);
    let mut reader = Reader::new(Cursor::new(&bytes[..])).map_err(failed)?;
    let (width, height) = reader.dimensions().map_err(failed)?;
    limit.check(width, height)?;
    let max_bytes = usize::try_from(limit.max_bytes()).unwrap_or(usize::MAX);
    let mut limits = Limits::default();
    limits.decoding_buffer_size = max_bytes;
    limits.intermediate_buffer_size = max_bytes;
    let mut reader = reader.with_limits(limits);

    let color = reader.colortype().map_err(failed)?;
    let mut buffer = DecodingResult::U8(Vec::new());
    let layout = reader.read_image_to_buffer(&mut buffer).map_err(failed)?;
    let unsupported = || {
        let what = format!(
            "colour type `{color:?}` of format `{:?}`",
            layout.sample_format
        );
        DecodeError::unsupported(ImageFormat::Tiff, what)
    };
    let samples = match buffer {
        DecodingResult::U8(samples) => samples,
        DecodingResult::U16(words) => words.into_iter().map(high_byte).collect(),
        _ => return Err(unsupported()),
    };
    let samples = interleave(samples, &layout);
    let pixels: Vec<u8> = match color {
        ColorType::Gray(bits @ (1 | 2 | 4 | 8)) if has_palette => {
            let colors = reader.get_tag_u16_vec(Tag::ColorMap).map_err(failed)?;
            let count = 1 << bits;
            let color = |i: u8| -> Option<[u8; 3]> {
                let channel = |c: usize| colors.get(c * count + usize::from(i)).copied();
                Some([channel(0)?, channel(1)?, channel(2)?].map(high_byte))
            };
            let indices = unpack(&samples, width as usize, bits);
            indices
                .into_iter()
                .flat_map(|i| color(i).unwrap_or_default())
                .collect()
        }
        ColorType::Gray(bits @ (1 | 2 | 4)) => {
            let step = 255 / ((1 << bits) - 1);
            let values = unpack(&samples, width as usize, bits);
            values
                .into_iter()
                .flat_map(|value| [value * step; 3])
                .collect()
        }
        ColorType::Gray(8 | 16) if !has_palette => to_rgb(samples, 1),
        ColorType::GrayA(8 | 16)
        | ColorType::Multiband {
            bit_depth: 8 | 16,
            num_samples: 2,
        } => to_rgb(samples, 2),
        ColorType::RGB(8 | 16) => samples,
        ColorType::RGBA(8 | 16) => {
            const ASSOCIATED: u16 = 1;
            let extra = reader
                .find_tag_unsigned_vec(Tag::ExtraSamples)
                .map_err(failed)?;
            let premultiplied = extra.as_deref() == Some(&[ASSOCIATED]);
            to_rgb(
                if premultiplied {
                    divide_by_alpha(samples)
                } else {
                    samples
                },
                4,
            )
        }
        ColorType::CMYK(8 | 16) => samples.as_chunks().0.iter().flat_map(cmyk_to_rgb).collect(),
        _ => return Err(unsupported()),
    };
    if pixels.len() as u64 != u64::from(width) * u64::from(height) * 3 {
        return Err(DecodeError::Truncated { format: "TIFF" });
    }
    let orientation = reader
        .find_tag_unsigned::<u8>(Tag::Orientation)
        .ok()
        .flatten();
    let mut image = DynamicImage::ImageRgb8(rgb_image(ImageFormat::Tiff, (width, height), pixels)?);
    image.apply_orientation(
        orientation
            .and_then(Orientation::from_exif)
            .unwrap_or(Orientation::NoTransforms),
    );
    Ok(image.into_rgb8())
}

/// The file with "palette" replaced by "black is zero", and whether it was there.
///
/// The decoder knows no palettes: read as grey, the image gives the indices.
fn palette_as_grey(bytes: &[u8]) -> (Cow<'_, [u8]>, bool) {
    let photometric = photometric_value(bytes);
    let Some((at, [3, 0] | [0, 3])) = photometric else {
        return (bytes.into(), false);
    };
    let mut patched = bytes.to_owned();
    for (byte, grey) in patched[at..]
        .iter_mut()
        .zip(if bytes[0] == b'I' { [1, 0] } else { [0, 1] })
    {
        *byte = grey;
    }
    (patched.into(), true)
}

/// Where the first directory keeps the photometric interpretation, and its two bytes.
fn photometric_value(bytes: &[u8]) -> Option<(usize, [u8; 2])> {
    const PHOTOMETRIC_INTERPRETATION: u16 = 262;
    const ENTRY_BYTES: usize = 12;
    let little = bytes.first()? == &b'I';
    let word = |at: usize| -> Option<u16> {
        let raw = *bytes.get(at..)?.first_chunk()?;
        Some(if little {
            u16::from_le_bytes(raw)
        } else {
            u16::from_be_bytes(raw)
        })
    };
    let raw = *bytes.get(4..)?.first_chunk()?;
    let start = if little {
        u32::from_le_bytes(raw)
    } else {
        u32::from_be_bytes(raw)
    } as usize;
    let entries = (0..usize::from(word(start)?)).map(|i| start + 2 + i * ENTRY_BYTES);
    let entry = entries
        .take_while(|&at| at < bytes.len())
        .find(|&at| word(at) == Some(PHOTOMETRIC_INTERPRETATION))?;
    Some((entry + 8, *bytes.get(entry + 8..)?.first_chunk()?))
}

/// Samples stored plane after plane, brought together pixel by pixel.
fn interleave(samples: Vec<u8>, layout: &BufferLayoutPreference) -> Vec<u8> {
    if layout.planes < 2 {
        return samples;
    }
    let plane = samples.len() / layout.planes;
    (0..plane)
        .flat_map(|i| samples[i..].iter().step_by(plane).copied())
        .collect()
}

/// Values of 1, 2, 4 or 8 bits from rows that start on a byte.
fn unpack(packed: &[u8], width: usize, bits: u8) -> Vec<u8> {
    let per_byte = 8 / usize::from(bits);
    let mask = (1u16 << bits) - 1;
    packed
        .chunks_exact(width.div_ceil(per_byte).max(1))
        .flat_map(|row| {
            (0..width).map(move |x| {
                let shift = 8 - usize::from(bits) * (x % per_byte + 1);
                ((u16::from(row[x / per_byte]) >> shift) & mask) as u8
            })
        })
        .collect()
}

/// Pillow's `unpackRGBa`: premultiplied colour back to plain colour.
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

/// Pillow's `cmyk2rgb`: what is left of the white after black, less the ink's share of it.
fn cmyk_to_rgb(&[c, m, y, k]: &[u8; 4]) -> [u8; 3] {
    let white = u32::from(255 - k);
    [c, m, y].map(|ink| {
        let product = u32::from(ink) * white + 128;
        (white - (((product >> 8) + product) >> 8)) as u8
    })
}
