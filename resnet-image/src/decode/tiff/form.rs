//! The meaning of the samples of a TIFF, by the table of Pillow's `TiffImagePlugin`.

use super::directory::{self as tags, Directory};
use super::{DecodeError, FORMAT, high_byte};
use crate::decode::canvas::Layout;

const LZW: u64 = 5;
const JPEG: u64 = 7;

/// The meaning of the first samples of every pixel. The other samples are dropped.
pub(super) struct Form {
    pub(super) layout: Layout,
    pub(super) bits: u8,
    /// The number of stored samples per pixel.
    pub(super) samples: u16,
    /// The number of samples that have a meaning.
    pub(super) used: u16,
    pub(super) is_planar: bool,
    pub(super) is_jpeg: bool,
    pub(super) is_lzw: bool,
    /// Whether embedded JPEGs are YCbCr, which are read as RGB.
    pub(super) is_ycbcr: bool,
    /// Whether zero is white.
    pub(super) is_inverted: bool,
    /// Whether the colors are premultiplied by alpha.
    pub(super) is_premultiplied: bool,
    pub(super) palette: Option<Box<[[u8; 3]; 256]>>,
}

impl Form {
    pub(super) fn read(bytes: &[u8], directory: &Directory) -> Result<Self, DecodeError> {
        let value = |tag| directory.value(bytes, tag);
        let compression = check_compression(value(tags::COMPRESSION).unwrap_or(1))?;
        let is_jpeg = compression == JPEG;
        let photometric = value(tags::PHOTOMETRIC).ok_or_else(|| {
            DecodeError::broken(FORMAT, "the photometric interpretation is missing")
        })?;
        let samples = value(tags::SAMPLES).unwrap_or(1);
        let bits = check_bits(bytes, directory, photometric, samples)?;
        let extra = directory.values(bytes, tags::EXTRA_SAMPLES);
        let unsupported = || {
            let what = format!(
                "{samples} samples per pixel of {bits} bits, with {} for extra samples, of {}",
                list(&extra),
                name(photometric)
            );
            DecodeError::unsupported(FORMAT, what)
        };
        let Ok(stored) = u16::try_from(samples) else {
            return Err(unsupported());
        };
        let is_wide = matches!(bits, 8 | 16);
        let is_small = matches!(bits, 1 | 2 | 4 | 8);
        let has_palette = photometric == 3;
        // Values of the extra samples tag: 0 is unspecified, 1 premultiplied alpha, 2 alpha.
        let (layout, used, is_premultiplied) = match (photometric, samples, &extra[..]) {
            (0 | 1, 1, []) if is_small || is_wide => (Layout::Gray, 1, false),
            (1, 2, [0]) if is_wide => (Layout::Gray, 1, false),
            (1, 2, [2] | []) if is_wide => (Layout::GrayAlpha, 2, false),
            (2, 3, []) if is_wide => (Layout::Rgb, 3, false),
            (2, 4, [] | [999]) if is_wide => (Layout::Rgba, 4, false),
            (2, 4.., [first @ 0..=2, rest @ ..]) if is_wide && samples == 4 + rest.len() as u64 => {
                match first {
                    0 => (Layout::Rgb, 3, false),
                    1 => (Layout::Rgba, 4, true),
                    _ => (Layout::Rgba, 4, false),
                }
            }
            (3, 1, []) if is_small => (Layout::Rgb, 1, false),
            (3, 2, [0]) if bits == 8 => (Layout::Rgb, 1, false),
            (3, 2, [2]) if bits == 8 => (Layout::Rgba, 2, false),
            (5, 4.., rest) if is_wide && samples == 4 + rest.len() as u64 => {
                (Layout::Cmyk, 4, false)
            }
            (6, 3, []) if bits == 8 && is_jpeg && directory.planes(bytes) == 1 => {
                (Layout::Rgb, 3, false)
            }
            (6, ..) => {
                let what = "YCbCr that is not 8-bit JPEG with interleaved samples";
                return Err(DecodeError::unsupported(FORMAT, what));
            }
            (0..=3 | 5, ..) => return Err(unsupported()),
            (other, ..) => return Err(DecodeError::unsupported(FORMAT, name(other))),
        };
        Ok(Self {
            layout,
            bits: bits as u8,
            samples: stored,
            used,
            is_planar: samples > 1 && directory.planes(bytes) > 1,
            is_jpeg,
            is_lzw: compression == LZW,
            is_ycbcr: photometric == 6,
            is_inverted: photometric == 0,
            is_premultiplied,
            palette: has_palette.then(|| palette(bytes, directory)),
        })
    }

    /// Converts 8-bit samples to their meaning.
    pub(super) fn finish<'a>(&self, samples: &'a mut [u8], colors: &'a mut Vec<u8>) -> &'a [u8] {
        if self.is_inverted {
            samples.iter_mut().for_each(|sample| *sample = !*sample);
        }
        if self.is_premultiplied {
            divide_by_alpha(samples);
        }
        let Some(palette) = &self.palette else {
            return samples;
        };
        colors.clear();
        for pixel in samples.chunks_exact(self.used.into()) {
            colors.extend(palette[usize::from(pixel[0])]);
            colors.extend(&pixel[1..]);
        }
        colors
    }
}

/// Reads the colors of a palette. Like Pillow, takes a third of the values per channel, and black
/// for missing values.
fn palette(bytes: &[u8], directory: &Directory) -> Box<[[u8; 3]; 256]> {
    let values = directory.values(bytes, tags::COLOR_MAP);
    let count = values.len() / 3;
    let mut colors = Box::new([[0; 3]; 256]);
    for (index, color) in colors.iter_mut().enumerate().take(count) {
        *color = [0, 1, 2].map(|channel| high_byte(values[channel * count + index] as u16));
    }
    colors
}

/// Divides colors by alpha as Pillow's `unpackRGBa` does.
fn divide_by_alpha(samples: &mut [u8]) {
    for [color @ .., alpha] in samples.as_chunks_mut::<4>().0 {
        for value in color {
            *value = (u32::from(*value) * 255)
                .checked_div((*alpha).into())
                .unwrap_or(0)
                .min(255) as u8;
        }
    }
}

fn check_compression(compression: u64) -> Result<u64, DecodeError> {
    let name = match compression {
        1 | 4 | LZW | JPEG | 8 | 32_773 | 32_946 => return Ok(compression),
        2 => "CCITT Huffman",
        3 => "CCITT Group 3",
        6 => "old-style JPEG",
        34_712 => "JPEG 2000",
        34_925 => "LZMA",
        50_000 => "Zstandard",
        50_001 => "WebP",
        other => {
            let what = format!("compression {other}");
            return Err(DecodeError::unsupported(FORMAT, what));
        }
    };
    Err(DecodeError::unsupported(
        FORMAT,
        format!("{name} compression"),
    ))
}

/// Returns the number of bits per sample. Samples must be unsigned, but like Pillow, accepts signed
/// 8-bit gray as unsigned.
fn check_bits(
    bytes: &[u8],
    directory: &Directory,
    photometric: u64,
    samples: u64,
) -> Result<u64, DecodeError> {
    let bits = directory.bits(bytes);
    let formats = directory.values(bytes, tags::SAMPLE_FORMAT);
    let depths = directory.values(bytes, tags::BITS);
    let format = formats.first().copied().unwrap_or(1);
    if formats.iter().any(|&other| other != format) || depths.iter().any(|&other| other != bits) {
        let what = format!(
            "samples of {} bits and formats {}",
            list(&depths),
            list(&formats)
        );
        return Err(DecodeError::unsupported(FORMAT, what));
    }
    let kind = match format {
        1 => "unsigned",
        2 if (photometric, samples, bits) == (1, 1, 8) => "unsigned",
        2 => "signed",
        3 => "floating-point",
        _ => "undefined",
    };
    let is_known = kind == "unsigned" && matches!(bits, 1 | 2 | 4 | 8 | 16);
    is_known.then_some(bits).ok_or_else(|| {
        let what = format!("{kind} samples of {bits} bits (sample format {format})");
        DecodeError::unsupported(FORMAT, what)
    })
}

fn list(values: &[u64]) -> String {
    match values {
        [] => "none".into(),
        _ => {
            let values: Vec<String> = values.iter().take(8).map(u64::to_string).collect();
            values.join(", ")
        }
    }
}

fn name(photometric: u64) -> String {
    let name = match photometric {
        0 | 1 => "gray",
        2 => "RGB",
        3 => "a palette",
        4 => "a transparency mask",
        5 => "CMYK",
        8..=10 => "Lab",
        other => return format!("photometric interpretation {other}"),
    };
    name.into()
}
