use std::io::Cursor;

use image::codecs::bmp::BmpDecoder;
use image::{ColorType, ImageDecoder};

use super::DecodeError;
use super::canvas::{Canvas, Layout};
use super::job::Job;

const FORMAT: &str = "BMP";

pub(super) fn decode(job: &mut Job, bytes: &[u8]) -> Result<Canvas, DecodeError> {
    let failed = |source| DecodeError::malformed(FORMAT, source);
    let decoder = BmpDecoder::new(Cursor::new(bytes)).map_err(failed)?;
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
    job.reserve((width, height), layout.samples() as u64, 0)?;
    let mut samples = vec![0; width as usize * height as usize * layout.samples()];
    decoder.read_image(&mut samples).map_err(failed)?;
    if layout != Layout::Gray {
        scale_as_pillow(bytes, &mut samples, layout.samples());
    }
    let canvas = Canvas::from_samples((width, height), samples, layout, job.channels);
    canvas.ok_or(DecodeError::Truncated { format: FORMAT })
}

/// Brings the 5- and 6-bit channels of a 16-bit BMP to Pillow's 8 bits.
///
/// Pillow truncates `v * 255 / 31`, the decoder rounds it.
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
