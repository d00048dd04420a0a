//! BMP decoder.

use image::codecs::bmp::BmpDecoder;
use image::{ColorType, ImageDecoder};

use super::DecodeError;
use super::canvas::{Canvas, Layout};
use super::job::Job;
use super::parts::Parts;

const FORMAT: &str = "BMP";

pub(super) fn decode(job: &mut Job, bytes: &[u8]) -> Result<Canvas, DecodeError> {
    let failed = |source| DecodeError::malformed(FORMAT, source);
    // The file may lack padding bytes of its last row.
    let padding = &[0; 3][..missing_padding(bytes)];
    let decoder = BmpDecoder::new(Parts::new([bytes, padding])).map_err(failed)?;
    let (width, height) = decoder.dimensions();
    job.check(width, height)?;
    let layout = match decoder.color_type() {
        ColorType::L8 => Layout::Gray,
        ColorType::Rgb8 => Layout::Rgb,
        ColorType::Rgba8 => Layout::Rgba,
        other => {
            let what = format!("color type `{other:?}`");
            return Err(DecodeError::unsupported(FORMAT, what));
        }
    };
    if !is_whole(bytes, width, height) {
        return Err(DecodeError::Truncated { format: FORMAT });
    }
    job.reserve((width, height), layout.samples() as u64, 0)?;
    let mut samples = vec![0; width as usize * height as usize * layout.samples()];
    decoder.read_image(&mut samples).map_err(failed)?;
    if layout != Layout::Gray {
        scale_as_pillow(bytes, &mut samples, layout.samples());
    }
    let canvas = Canvas::from_samples((width, height), samples, layout, job.channels);
    canvas.ok_or(DecodeError::Truncated { format: FORMAT })
}

/// Returns whether run-length encoded data covers the whole bitmap. The decoder would leave the
/// rest black.
///
/// For other data, the decoder itself reports an error.
fn is_whole(bytes: &[u8], width: u32, height: u32) -> bool {
    const RLE8: u8 = 1;
    const RLE4: u8 = 2;
    let word = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let (Some(start), Some(header), Some(&compression)) = (word(10), word(14), bytes.get(30))
    else {
        return false;
    };
    if header < 40 || !matches!(compression, RLE8 | RLE4) {
        return true;
    }
    let (mut x, mut y) = (0u64, 0u64);
    let mut rest = bytes.get(start as usize..).unwrap_or_default();
    while y < u64::from(height) && (x < u64::from(width) || y + 1 < u64::from(height)) {
        let Some((&[count, value], after)) = rest.split_first_chunk() else {
            return false;
        };
        rest = after;
        let skip = match (count, value) {
            (0, 0) => {
                (x, y) = (0, y + 1);
                0
            }
            (0, 1) => return true,
            (0, 2) => {
                let Some(&[right, up]) = rest.first_chunk() else {
                    return false;
                };
                (x, y) = (x + u64::from(right), y + u64::from(up));
                2
            }
            (0, pixels) => {
                x += u64::from(pixels);
                let pixels = usize::from(pixels);
                let data = if compression == RLE8 {
                    pixels
                } else {
                    pixels.div_ceil(2)
                };
                data.next_multiple_of(2)
            }
            (count, _) => {
                x += u64::from(count);
                0
            }
        };
        let Some(after) = rest.get(skip..) else {
            return false;
        };
        rest = after;
    }
    true
}

/// Returns how many bytes an uncompressed file lacks, if these are only padding. Pillow does not
/// read padding.
fn missing_padding(bytes: &[u8]) -> usize {
    let word = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let missing = || -> Option<u64> {
        let (start, header) = (word(10)?, word(14)?);
        let (width, height, bits) = match header {
            12 => {
                let [size, planes_bits] = [word(18)?, word(22)?];
                (size & 0xFFFF, size >> 16, planes_bits >> 16)
            }
            _ => {
                let is_raw = matches!(word(30)?, 0 | 3);
                let height = (word(22)? as i32).unsigned_abs();
                (word(18).filter(|_| is_raw)?, height, word(26)? >> 16)
            }
        };
        let row = (u64::from(width) * u64::from(bits)).div_ceil(8);
        let stride = row.next_multiple_of(4);
        let end = u64::from(start).checked_add(stride.checked_mul(height.into())?)?;
        let missing = end.checked_sub(bytes.len() as u64)?;
        Some(missing).filter(|&missing| missing <= stride - row)
    };
    missing().unwrap_or(0) as usize
}

/// Converts the 5- and 6-bit channels of a 16-bit BMP to 8 bits as Pillow does.
///
/// Pillow truncates `v * 255 / 31`; the decoder rounds it.
fn scale_as_pillow(bytes: &[u8], samples: &mut [u8], channels: usize) {
    const BITFIELDS: u32 = 3;
    let word = |at: usize| {
        bytes
            .get(at..at + 4)
            .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    };
    let (Some(header), Some(planes_bits), Some(compression)) = (word(14), word(26), word(30))
    else {
        return;
    };
    if header < 40 || planes_bits >> 16 != 16 {
        return;
    }
    let masks = [word(54), word(58), word(62)];
    let maxima = match (compression, masks) {
        (BITFIELDS, [Some(0xF800), Some(0x7E0), Some(0x1F)]) => [31, 63, 31],
        (BITFIELDS, [Some(0x7C00), Some(0x3E0), Some(0x1F)]) | (0, _) => [31; 3],
        _ => return,
    };
    for pixel in samples.chunks_exact_mut(channels) {
        for (value, max) in pixel.iter_mut().zip(maxima) {
            let packed = (u32::from(*value) * max + 127) / 255;
            *value = (packed * 255 / max) as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates a bitmap of four by three pixels with run-length encoded data.
    fn runs(data: &[u8]) -> Vec<u8> {
        let mut bytes = b"BM".to_vec();
        for word in [
            0,
            0,
            54 + 8,
            40,
            4,
            3,
            0x0008_0001,
            1,
            0,
            0,
            0,
            2,
            0,
            0,
            0x0030_2010,
        ] {
            bytes.extend(u32::to_le_bytes(word));
        }
        bytes.extend(data);
        bytes
    }

    #[test]
    fn runs_are_followed_to_their_end() {
        let whole = runs(&[4, 0, 0, 0, 0, 3, 1, 0, 1, 0, 1, 1, 0, 0, 2, 1, 2, 0, 0, 1]);
        assert!(is_whole(&whole, 4, 3));
        // The end marker is optional once all pixels are present.
        assert!(is_whole(&whole[..whole.len() - 2], 4, 3));
        for end in 54..whole.len() - 3 {
            assert!(!is_whole(&whole[..end], 4, 3), "{end}");
        }
        assert!(is_whole(&runs(&[0, 2, 1, 1, 0, 1]), 4, 3));
    }
}
