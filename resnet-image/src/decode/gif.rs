//! GIF decoder.

use std::io::{Cursor, Read};

use gif::{DecodeOptions, MemoryLimit};

use super::DecodeError;
use super::canvas::{Canvas, Layout};
use super::job::Job;

const FORMAT: &str = "GIF";
const TRUNCATED: DecodeError = DecodeError::Truncated { format: FORMAT };

/// Decodes the first frame on its canvas, as Pillow does. A canvas that is too small for the frame
/// grows. The area around the frame has the transparent color, or the first color of the palette.
pub(super) fn decode(job: &mut Job, bytes: &[u8]) -> Result<Canvas, DecodeError> {
    let failed = |source| DecodeError::malformed(FORMAT, source);
    let FirstFrame {
        screen,
        control,
        frame,
        size,
    } = first_frame(bytes).ok_or(TRUNCATED)?;
    let [left, top, frame_width, frame_height] = size;
    let (width, height) = (
        screen.0.max(left + frame_width),
        screen.1.max(top + frame_height),
    );
    job.check(width as u32, height as u32)?;
    job.reserve((width as u32, height as u32), 1, 0)?;

    let mut options = DecodeOptions::new();
    options.set_memory_limit(MemoryLimit::Unlimited);
    let reader = Cursor::new(&bytes[..screen.2]).chain(control).chain(frame);
    let mut reader = options.read_info(reader).map_err(failed)?;
    let first = reader.next_frame_info().map_err(failed)?.ok_or(TRUNCATED)?;
    let transparent = first.transparent;
    let mut indices = vec![0; frame_width * frame_height];
    reader.read_into_buffer(&mut indices).map_err(failed)?;

    let palette = reader.palette().map_err(failed)?.as_chunks::<3>().0;
    let is_gray = (0..=255).zip(palette).all(|(i, color)| *color == [i; 3]);
    let colors: [[u8; 4]; 256] = std::array::from_fn(|index| {
        let byte = index as u8;
        // Pillow ignores a palette of consecutive grays, so indices past its end are grays and not
        // black.
        let missing = if is_gray { [byte; 3] } else { [0; 3] };
        let [r, g, b] = palette.get(index).copied().unwrap_or(missing);
        [r, g, b, if transparent == Some(byte) { 0 } else { 255 }]
    });

    let mut canvas = Canvas::new(width as u32, height as u32, job.channels);
    let background = colors[usize::from(transparent.unwrap_or(0))];
    let mut line = background.repeat(width);
    let is_covered = [left, top, frame_width, frame_height] == [0, 0, width, height];
    for y in (0..height).filter(|_| !is_covered) {
        canvas.put_row(y, 0, &line, Layout::Rgba);
    }
    if frame_width > 0 {
        line.truncate(4 * frame_width);
        for (y, row) in (top..).zip(indices.chunks_exact(frame_width)) {
            for (pixel, &index) in line.as_chunks_mut().0.iter_mut().zip(row) {
                *pixel = colors[usize::from(index)];
            }
            canvas.put_row(y, left, &line, Layout::Rgba);
        }
    }
    Ok(canvas)
}

struct FirstFrame<'a> {
    /// The width and height, and the position of the first block.
    screen: (usize, usize, usize),
    /// The last graphic control extension before the frame.
    control: &'a [u8],
    /// The frame, from its descriptor on.
    frame: &'a [u8],
    /// Left, top, width and height.
    size: [usize; 4],
}

/// Finds the first frame after comments and application extensions.
fn first_frame(bytes: &[u8]) -> Option<FirstFrame<'_>> {
    const EXTENSION: u8 = 0x21;
    const CONTROL: u8 = 0xF9;
    const DESCRIPTOR: u8 = 0x2C;
    let word = |at: usize| -> Option<usize> {
        Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?).into())
    };
    let flags = *bytes.get(10)?;
    let colors = if flags & 0x80 == 0 {
        0
    } else {
        3 * (2 << (flags & 7))
    };
    let screen = (word(6)?, word(8)?, 13 + colors);
    let mut at = screen.2;
    let mut control: &[u8] = &[];
    loop {
        match *bytes.get(at)? {
            DESCRIPTOR => {
                let size = [word(at + 1)?, word(at + 3)?, word(at + 5)?, word(at + 7)?];
                let frame = bytes.get(at..)?;
                bytes.get(..screen.2)?;
                return Some(FirstFrame {
                    screen,
                    control,
                    frame,
                    size,
                });
            }
            EXTENSION => {
                let start = at;
                at += 2;
                while let length @ 1.. = usize::from(*bytes.get(at)?) {
                    at += 1 + length;
                }
                at += 1;
                if bytes[start + 1] == CONTROL {
                    control = bytes.get(start..at)?;
                }
            }
            // The end of the file, or an invalid block.
            _ => return None,
        }
    }
}
