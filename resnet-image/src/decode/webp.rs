//! WebP decoder.

use image_webp::WebPDecoder;

use super::DecodeError;
use super::canvas::{Canvas, Layout};
use super::job::Job;
use super::parts::Parts;

const FORMAT: &str = "WebP";
const TRUNCATED: DecodeError = DecodeError::Truncated { format: FORMAT };

/// Decodes the image, or the first frame of an animation on its canvas. The canvas around the frame
/// is black and transparent.
pub(super) fn decode(job: &mut Job, bytes: &[u8]) -> Result<Canvas, DecodeError> {
    let failed = |source| DecodeError::malformed(FORMAT, source);
    let still = Still::find(bytes)?;
    let [left, top, width, height] = still.place;
    let (canvas_width, canvas_height) = still.canvas;
    job.check(canvas_width, canvas_height)?;
    if left + width > canvas_width || top + height > canvas_height {
        return Err(DecodeError::broken(
            FORMAT,
            "the first frame overruns the canvas",
        ));
    }
    // Lossless: four bytes per pixel and the transforms. Lossy: the planes; with alpha, the memory
    // of a lossless image as well.
    let working = if still.alpha.is_some() { 12 } else { 6 };
    job.reserve((canvas_width, canvas_height), working, 0)?;

    let [head, middle] = still.heads();
    let file = Parts::new([
        &head,
        still.alpha.unwrap_or_default(),
        &middle,
        still.data,
        &[0],
    ]);
    let mut decoder = WebPDecoder::new(file).map_err(failed)?;
    let layout = if decoder.has_alpha() {
        Layout::Rgba
    } else {
        Layout::Rgb
    };
    let mut samples = vec![0; width as usize * height as usize * layout.samples()];
    if decoder.output_buffer_size() != Some(samples.len()) {
        return Err(DecodeError::broken(
            FORMAT,
            "the size of the image differs from its header",
        ));
    }
    decoder.read_image(&mut samples).map_err(failed)?;
    drop(decoder);
    if still.is_opaque {
        samples
            .iter_mut()
            .skip(3)
            .step_by(4)
            .for_each(|alpha| *alpha = 255);
    }

    if (width, height) == still.canvas {
        return Canvas::from_samples((width, height), samples, layout, job.channels)
            .ok_or(TRUNCATED);
    }
    let mut canvas = Canvas::new(canvas_width, canvas_height, job.channels);
    let rows = samples.chunks_exact(width as usize * layout.samples());
    for (y, row) in (top as usize..).zip(rows) {
        canvas.put_row(y, left as usize, row, layout);
    }
    Ok(canvas)
}

/// The chunks of one image.
struct Still<'a> {
    canvas: (u32, u32),
    /// Left, top, width and height on the canvas.
    place: [u32; 4],
    alpha: Option<&'a [u8]>,
    is_lossless: bool,
    /// Whether to ignore the alpha of a decoded lossless image.
    is_opaque: bool,
    data: &'a [u8],
}

impl<'a> Still<'a> {
    fn find(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let announced = bytes.get(4..).and_then(<[u8]>::first_chunk);
        let announced = u32::from_le_bytes(*announced.ok_or(TRUNCATED)?) as usize;
        let riff = bytes
            .get(8..)
            .and_then(|rest| rest.get(..announced))
            .ok_or(TRUNCATED)?;
        let chunks = riff.get(4..).unwrap_or_default();
        let Some((b"VP8X", header, rest)) = next_chunk(chunks)? else {
            return Self::image(chunks, None);
        };
        const ANIMATED: u8 = 2;
        let (Some(&flags), Some(width), Some(height)) =
            (header.first(), u24(header, 4), u24(header, 7))
        else {
            return Err(TRUNCATED);
        };
        let canvas = (width + 1, height + 1);
        if flags & ANIMATED == 0 {
            return Self::image(rest, Some(canvas));
        }
        let mut rest = rest;
        while let Some((kind, data, after)) = next_chunk(rest)? {
            if kind == b"ANMF" {
                let field = |at| u24(data, at).ok_or(TRUNCATED);
                let size = (field(6)? + 1, field(9)? + 1);
                let still = Self::image(data.get(16..).ok_or(TRUNCATED)?, Some(size))?;
                return Ok(Self {
                    canvas,
                    place: [2 * field(0)?, 2 * field(3)?, size.0, size.1],
                    ..still
                });
            }
            rest = after;
        }
        Err(TRUNCATED)
    }

    /// Finds the image among the chunks. It must have the announced size.
    fn image(mut chunks: &'a [u8], announced: Option<(u32, u32)>) -> Result<Self, DecodeError> {
        let mut alpha = None;
        while let Some((kind, data, rest)) = next_chunk(chunks)? {
            let (is_lossless, size, is_opaque) = match kind {
                b"VP8 " => {
                    let side = |at| {
                        Some(
                            u32::from(u16::from_le_bytes(*data.get(at..)?.first_chunk()?)) & 0x3FFF,
                        )
                    };
                    (false, side(6).zip(side(8)), false)
                }
                b"VP8L" => {
                    let bits = data.get(1..).and_then(<[u8]>::first_chunk);
                    let bits = u32::from_le_bytes(*bits.ok_or(TRUNCATED)?);
                    let side = |shift: u32| (bits >> shift & 0x3FFF) + 1;
                    (true, Some((side(0), side(14))), bits >> 28 & 1 == 0)
                }
                b"ALPH" => {
                    alpha = Some(data);
                    chunks = rest;
                    continue;
                }
                _ => {
                    chunks = rest;
                    continue;
                }
            };
            let (width, height) = size.ok_or(TRUNCATED)?;
            if width == 0 || height == 0 || announced.is_some_and(|size| size != (width, height)) {
                let what = "the size of the image differs from its header";
                return Err(DecodeError::broken(FORMAT, what));
            }
            return Ok(Self {
                canvas: (width, height),
                place: [0, 0, width, height],
                alpha: alpha.filter(|_| !is_lossless),
                is_lossless,
                is_opaque,
                data,
            });
        }
        Err(TRUNCATED)
    }

    /// Returns the bytes before the alpha and before the image, for a file with only this image and
    /// no metadata.
    ///
    /// Lossless images claim to have alpha, as the decoder then needs no second copy of the pixels.
    fn heads(&self) -> [Vec<u8>; 2] {
        const ALPHA: u8 = 0x10;
        let kind: &[u8; 4] = if self.is_lossless { b"VP8L" } else { b"VP8 " };
        let chunk =
            |kind: &[u8; 4], size: usize| [&kind[..], &(size as u32).to_le_bytes()].concat();
        let mut head = b"RIFF\0\0\0\0WEBP".to_vec();
        let mut middle = Vec::new();
        if self.is_lossless || self.alpha.is_some() {
            let mut header = [ALPHA, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            header[4..7].copy_from_slice(&(self.place[2] - 1).to_le_bytes()[..3]);
            header[7..10].copy_from_slice(&(self.place[3] - 1).to_le_bytes()[..3]);
            head.extend(chunk(b"VP8X", header.len()));
            head.extend(header);
        }
        let mut alpha = 0;
        if let Some(data) = self.alpha {
            head.extend(chunk(b"ALPH", data.len()));
            middle.extend(&[0][..data.len() % 2]);
            alpha = data.len();
        }
        middle.extend(chunk(kind, self.data.len()));
        let size = head.len() + alpha + middle.len() + self.data.len().next_multiple_of(2) - 8;
        head[4..8].copy_from_slice(&(size as u32).to_le_bytes());
        [head, middle]
    }
}

type Chunk<'a> = (&'a [u8; 4], &'a [u8], &'a [u8]);

/// Returns the next chunk: its kind, its data, and the bytes after it. `None` means the end.
fn next_chunk(bytes: &[u8]) -> Result<Option<Chunk<'_>>, DecodeError> {
    let Some((kind, rest)) = bytes.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let (length, rest) = rest.split_first_chunk().ok_or(TRUNCATED)?;
    let length = u32::from_le_bytes(*length) as usize;
    let (data, rest) = rest.split_at_checked(length).ok_or(TRUNCATED)?;
    Ok(Some((
        kind,
        data,
        rest.get(length % 2..).unwrap_or_default(),
    )))
}

fn u24(bytes: &[u8], at: usize) -> Option<u32> {
    let &[low, middle, high] = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes([low, middle, high, 0]))
}
