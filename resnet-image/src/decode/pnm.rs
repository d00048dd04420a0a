//! PNM decoder: portable bitmaps, graymaps and pixmaps.

use super::DecodeError;
use super::canvas::{Canvas, Layout};
use super::job::Job;

const FORMAT: &str = "PNM";
const TRUNCATED: DecodeError = DecodeError::Truncated { format: FORMAT };

/// Returns whether the bytes start like a portable bitmap, graymap or pixmap, plain or raw.
pub(super) fn is_pnm(bytes: &[u8]) -> bool {
    matches!(bytes, [b'P', b'1'..=b'6', space, ..] if is_space(*space))
}

/// Returns whether a byte is white space in Python.
fn is_space(byte: u8) -> bool {
    matches!(byte, 9..=13 | 32)
}

fn broken(what: impl Into<String>) -> DecodeError {
    DecodeError::broken(FORMAT, what)
}

/// Decodes the first image of the file with the arithmetic of Pillow's `PpmImagePlugin`.
///
/// Like Pillow, scales gray of more than 8 bits to 16 bits. Like the other decoders of this crate,
/// takes the high byte.
pub(super) fn decode(job: &mut Job, bytes: &[u8]) -> Result<Canvas, DecodeError> {
    let kind = bytes.get(1).ok_or(TRUNCATED)? - b'0';
    let mut text = Text { bytes, at: 3 };
    let (width, height) = (text.number()?, text.number()?);
    let largest = if matches!(kind, 1 | 4) {
        1
    } else {
        text.number()?
    };
    if width == 0 || height == 0 || !(1..65536).contains(&largest) {
        let what = format!(
            "expected sides of at least 1 and samples of at most 65535, \
             found {width}x{height} and {largest}"
        );
        return Err(broken(what));
    }
    job.check(width, height)?;
    job.reserve((width, height), 0, 8 * u64::from(width))?;

    let layout = if matches!(kind, 3 | 6) {
        Layout::Rgb
    } else {
        Layout::Gray
    };
    let scale: Vec<u8> = match kind {
        // A one is black.
        1 | 4 => vec![255, 0],
        _ => scale(largest, layout),
    };
    let mut canvas = Canvas::new(width, height, job.channels);
    let mut line = vec![0; width as usize * layout.samples()];
    let raw = bytes.get(text.at..).unwrap_or_default();
    match kind {
        4 => {
            let rows = raw.chunks_exact(line.len().div_ceil(8));
            fill(&mut canvas, height, &mut line, layout, rows, |line, row| {
                for (x, sample) in line.iter_mut().enumerate() {
                    *sample = scale[usize::from(row[x / 8] >> (7 - x % 8) & 1)];
                }
            })
        }
        5 | 6 if largest < 256 => {
            let rows = raw.chunks_exact(line.len());
            fill(&mut canvas, height, &mut line, layout, rows, |line, row| {
                for (sample, &value) in line.iter_mut().zip(row) {
                    *sample = scale.get(usize::from(value)).copied().unwrap_or(255);
                }
            })
        }
        5 | 6 => {
            let rows = raw.chunks_exact(2 * line.len());
            fill(&mut canvas, height, &mut line, layout, rows, |line, row| {
                for (sample, &value) in line.iter_mut().zip(row.as_chunks().0) {
                    let value = usize::from(u16::from_be_bytes(value));
                    *sample = scale.get(value).copied().unwrap_or(255);
                }
            })
        }
        _ => {
            for y in 0..height as usize {
                for sample in &mut line {
                    let value = if kind == 1 {
                        text.bit()?
                    } else {
                        text.number()?
                    };
                    *sample = *scale.get(value as usize).ok_or_else(|| {
                        broken(format!(
                            "expected samples of at most {largest}, found {value}"
                        ))
                    })?;
                }
                canvas.put_row(y, 0, &line, layout);
            }
            Ok(())
        }
    }?;
    Ok(canvas)
}

/// Reads every row and writes it to the canvas.
fn fill<'a>(
    canvas: &mut Canvas,
    height: u32,
    line: &mut [u8],
    layout: Layout,
    mut rows: impl Iterator<Item = &'a [u8]>,
    mut read: impl FnMut(&mut [u8], &[u8]),
) -> Result<(), DecodeError> {
    for y in 0..height as usize {
        read(line, rows.next().ok_or(TRUNCATED)?);
        canvas.put_row(y, 0, line, layout);
    }
    Ok(())
}

/// Returns the 8-bit value of each sample for this maximum value.
fn scale(largest: u32, layout: Layout) -> Vec<u8> {
    let is_wide_gray = largest > 255 && layout == Layout::Gray;
    let most = if is_wide_gray { 65535.0 } else { 255.0 };
    let sample = |value: u32| {
        // Python rounds half to even.
        let scaled = (f64::from(value) / f64::from(largest) * most).round_ties_even() as u32;
        if is_wide_gray {
            (scaled >> 8) as u8
        } else {
            scaled as u8
        }
    };
    (0..=largest).map(sample).collect()
}

/// The text part of a file.
struct Text<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Text<'_> {
    /// Returns the next byte outside comments.
    fn next(&mut self) -> Option<u8> {
        loop {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            if byte != b'#' {
                return Some(byte);
            }
            while !matches!(self.bytes.get(self.at)?, b'\n' | b'\r') {
                self.at += 1;
            }
            self.at += 1;
        }
    }

    /// Reads the next number and the white space byte that ends it.
    fn number(&mut self) -> Result<u32, DecodeError> {
        const MOST_DIGITS: usize = 10;
        let mut digits = 0;
        let mut number = 0u32;
        loop {
            match self.next() {
                Some(byte @ b'0'..=b'9') if digits < MOST_DIGITS => {
                    digits += 1;
                    let more = number
                        .checked_mul(10)
                        .and_then(|n| n.checked_add((byte - b'0').into()));
                    number = more.ok_or_else(|| broken("a number is too large"))?;
                }
                Some(byte) if is_space(byte) && digits == 0 => {}
                Some(byte) if is_space(byte) => return Ok(number),
                None if digits > 0 => return Ok(number),
                None => return Err(TRUNCATED),
                Some(byte) => {
                    let what = format!("expected a number, found `{}`", byte.escape_ascii());
                    return Err(broken(what));
                }
            }
        }
    }

    /// Reads the next digit of a plain bitmap. White space between digits is optional.
    fn bit(&mut self) -> Result<u32, DecodeError> {
        loop {
            match self.next().ok_or(TRUNCATED)? {
                b'0' => return Ok(0),
                b'1' => return Ok(1),
                byte if is_space(byte) => {}
                byte => {
                    let what = format!("expected 0 or 1, found `{}`", byte.escape_ascii());
                    return Err(broken(what));
                }
            }
        }
    }
}
