//! The stored samples of a TIFF, read as 8-bit rows.

use tiff::decoder::{Decoder as Reader, DecodingResult, Limits};

use super::directory::{self as tags, Directory};
use super::form::Form;
use super::view::{self, Plane, View};
use super::{DecodeError, FORMAT, TRUNCATED, high_byte};
use crate::decode::job::Job;
use crate::decode::jpeg::{self, Color};

/// The planes that have a meaning. There is one if samples are stored pixel by pixel.
pub(super) struct Stored {
    planes: Vec<Samples>,
    width: usize,
    bits: u8,
    /// The number of samples per pixel in each plane.
    samples: usize,
    /// The number of samples per pixel that have a meaning.
    used: usize,
}

enum Samples {
    Bytes(Vec<u8>),
    Words(Vec<u16>),
}

impl Stored {
    pub(super) fn read(
        job: &Job,
        bytes: &[u8],
        directory: &Directory,
        form: &Form,
    ) -> Result<Self, DecodeError> {
        let (samples, used, planes) = match form.is_planar {
            true => (1, 1, form.used),
            false => (form.samples, form.used, 1),
        };
        let chunks = directory.chunks(bytes);
        let count = directory.chunks_in_plane(bytes);
        let read = |plane: u16| {
            let start = count.saturating_mul(plane.into());
            let chunks = start
                .checked_add(count)
                .and_then(|end| chunks.get(start..end))
                .ok_or(TRUNCATED)?;
            let is_cut =
                |&(offset, size): &(u64, u64)| offset.saturating_add(size) > bytes.len() as u64;
            if form.is_lzw && chunks.iter().any(is_cut) {
                return Err(TRUNCATED);
            }
            let chunks = chunks.to_vec();
            let plane = Plane { samples, chunks };
            match form.is_jpeg {
                true => jpegs(job, bytes, directory, form, &plane),
                false => decode(bytes, directory, &plane),
            }
        };
        Ok(Self {
            planes: (0..planes).map(read).collect::<Result<_, _>>()?,
            width: directory.width as usize,
            bits: form.bits,
            samples: samples.into(),
            used: used.into(),
        })
    }

    /// Writes the meaningful samples of a row. Returns `None` if there are too few.
    pub(super) fn row(&self, y: usize, is_index: bool, out: &mut Vec<u8>) -> Option<()> {
        out.clear();
        let row = self.width * self.samples;
        if let (1..8, [Samples::Bytes(packed)]) = (self.bits, &self.planes[..]) {
            let bytes = row.div_ceil(8 / usize::from(self.bits));
            let packed = packed.get(y * bytes..)?.get(..bytes)?;
            let step = if is_index {
                1
            } else {
                255 / ((1 << self.bits) - 1)
            };
            unpack(packed, row, self.bits, |value| out.push(value * step));
            return Some(());
        }
        let is_planar = self.planes.len() > 1;
        out.resize(self.width * self.used * self.planes.len(), 0);
        for (place, plane) in self.planes.iter().enumerate() {
            let (step, used) = match is_planar {
                true => (self.planes.len(), 1),
                false => (self.used, self.used),
            };
            let pixels = out[place..].chunks_mut(step);
            match plane {
                Samples::Bytes(samples) => {
                    let row = samples.get(y * row..)?.get(..row)?;
                    for (pixel, samples) in pixels.zip(row.chunks_exact(self.samples)) {
                        pixel[..used].copy_from_slice(&samples[..used]);
                    }
                }
                Samples::Words(samples) => {
                    let row = samples.get(y * row..)?.get(..row)?;
                    for (pixel, samples) in pixels.zip(row.chunks_exact(self.samples)) {
                        for (sample, &word) in pixel[..used].iter_mut().zip(samples) {
                            *sample = high_byte(word);
                        }
                    }
                }
            }
        }
        Some(())
    }
}

/// Unpacks values of 1, 2 or 4 bits, the first one in the high bits.
fn unpack(packed: &[u8], count: usize, bits: u8, mut put: impl FnMut(u8)) {
    let bits = usize::from(bits);
    let per_byte = 8 / bits;
    for x in 0..count {
        let shift = 8 - bits * (x % per_byte + 1);
        put(packed[x / per_byte] >> shift & ((1 << bits) - 1));
    }
}

fn decode(bytes: &[u8], directory: &Directory, plane: &Plane) -> Result<Samples, DecodeError> {
    const REVERSED: u64 = 2;
    let failed = |source| DecodeError::malformed(FORMAT, source);
    let head = view::directory(bytes, directory, plane);
    let is_reversed = directory.value(bytes, tags::FILL_ORDER) == Some(REVERSED);
    let view = View::new(&head, bytes, is_reversed);
    let mut limits = Limits::default();
    limits.decoding_buffer_size = usize::MAX;
    limits.intermediate_buffer_size = usize::MAX;
    limits.ifd_value_size = usize::MAX;
    let mut reader = Reader::new(view).map_err(failed)?.with_limits(limits);
    let mut buffer = DecodingResult::U8(Vec::new());
    reader.read_image_to_buffer(&mut buffer).map_err(failed)?;
    match buffer {
        DecodingResult::U8(samples) => Ok(Samples::Bytes(samples)),
        DecodingResult::U16(words) => Ok(Samples::Words(words)),
        _ => Err(DecodeError::broken(FORMAT, "the samples are not integers")),
    }
}

/// Decodes strips or tiles that are JPEGs with shared tables.
fn jpegs(
    job: &Job,
    bytes: &[u8],
    directory: &Directory,
    form: &Form,
    plane: &Plane,
) -> Result<Samples, DecodeError> {
    let color = match plane.samples {
        _ if form.is_ycbcr => Color::YCbCr,
        1 => Color::Gray,
        2 => Color::GrayAlpha,
        3 => Color::Rgb,
        4 => Color::Inks,
        count => {
            let what = format!("JPEG of {count} samples per pixel");
            return Err(DecodeError::unsupported(FORMAT, what));
        }
    };
    if form.bits != 8 {
        let what = format!("JPEG of {} bits", form.bits);
        return Err(DecodeError::unsupported(FORMAT, what));
    }
    let tables = directory
        .bytes(bytes, tags::JPEG_TABLES)
        .unwrap_or_default();
    // Drops the start and end markers.
    let tables = tables
        .get(2..tables.len().saturating_sub(2))
        .unwrap_or_default();
    let count = usize::from(plane.samples);
    let (width, height) = (directory.width as usize, directory.height as usize);
    let [across, down] = directory.chunk(bytes).map(|side| side as usize);
    // Each JPEG is read to its end, so overlapping ones would take quadratic time.
    let sizes = plane.chunks.iter().map(|&(offset, size)| {
        let left = (bytes.len() as u64).saturating_sub(offset);
        size.min(left)
    });
    if sizes.fold(0, u64::saturating_add) > bytes.len() as u64 {
        return Err(DecodeError::broken(FORMAT, "strips or tiles overlap"));
    }
    let mut samples = vec![0; width * height * count];
    for (number, &(offset, size)) in plane.chunks.iter().enumerate() {
        let data = usize::try_from(offset).ok().and_then(|at| bytes.get(at..));
        let data = data.and_then(|data| data.get(2..)).ok_or(TRUNCATED)?;
        let data = &data[..data.len().min(size.saturating_sub(2) as usize)];
        let jpeg = [b"\xFF\xD8", tables, data].concat();
        let part = jpeg::decode_part(job, &jpeg, color)?;
        let per_row = width.div_ceil(across);
        let (left, top) = (number % per_row * across, number / per_row * down);
        let (columns, rows) = (across.min(width - left), down.min(height - top));
        if part.width < columns || part.height < rows {
            let what = "a strip or a tile holds a JPEG that is smaller than its place";
            return Err(DecodeError::broken(FORMAT, what));
        }
        for y in 0..rows {
            let source = &part.samples[y * part.width * count..][..columns * count];
            samples[((top + y) * width + left) * count..][..columns * count]
                .copy_from_slice(source);
        }
    }
    Ok(Samples::Bytes(samples))
}

/// Returns the memory for decoding besides the result with `channels`: bytes per pixel, and bytes
/// per image.
pub(super) fn memory(
    bytes: &[u8],
    directory: &Directory,
    form: &Form,
    channels: usize,
) -> (u64, u64) {
    let samples = u64::from(form.samples);
    let stored = (samples * u64::from(form.bits)).div_ceil(8).max(1);
    // A quarter turn needs a second image, after the stored samples are freed.
    let is_turned = directory
        .value(bytes, tags::ORIENTATION)
        .is_some_and(|orientation| orientation >= 5);
    let stored = match is_turned {
        true => stored.max(channels as u64),
        false => stored,
    };
    let lists = 160 * directory.listed();
    let jpeg = match form.is_jpeg {
        false => 0,
        true => {
            let [width, height] = directory.chunk(bytes);
            // Coefficients of 16 bits, planes and samples of a strip or tile, and twice its data.
            let blocks = width.saturating_mul(height).saturating_mul(4 * samples + 2);
            blocks.saturating_add(256 * samples * width + 2 * bytes.len() as u64 + 8192)
        }
    };
    let rows = u64::from(directory.width) * (samples + 8);
    (stored, lists.saturating_add(jpeg).saturating_add(rows))
}
