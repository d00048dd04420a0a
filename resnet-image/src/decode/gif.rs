use std::io::Cursor;

use gif::{DecodeOptions, MemoryLimit};
use image::{ImageFormat, RgbImage};

use super::{DecodeError, Decoder, rgb_image};

/// The first frame on its canvas: a canvas that the frame overruns grows, and what the frame does
/// not cover has the transparent colour, or the first of the palette, as in Pillow.
pub(super) fn decode(limit: &Decoder, bytes: &[u8]) -> Result<RgbImage, DecodeError> {
    let failed = |source| DecodeError::malformed(ImageFormat::Gif, source);
    let mut options = DecodeOptions::new();
    // The canvas is checked below, before anything of its size is allocated.
    options.set_memory_limit(MemoryLimit::Unlimited);
    let mut reader = options.read_info(Cursor::new(bytes)).map_err(failed)?;
    let (screen_width, screen_height) = (reader.width(), reader.height());
    let Some(frame) = reader.next_frame_info().map_err(failed)? else {
        return Err(DecodeError::Truncated { format: "GIF" });
    };
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let (frame_width, frame_height) = (usize::from(frame.width), usize::from(frame.height));
    let background = frame.transparent.unwrap_or(0);
    let width = usize::from(screen_width).max(left + frame_width);
    let height = usize::from(screen_height).max(top + frame_height);
    limit.check(width as u32, height as u32)?;

    let mut indices = vec![background; frame_width * frame_height];
    reader.read_into_buffer(&mut indices).map_err(failed)?;
    let mut canvas = vec![background; width * height];
    if frame_width > 0 {
        let rows = canvas.chunks_exact_mut(width).skip(top);
        for (row, line) in rows.zip(indices.chunks_exact(frame_width)) {
            row[left..left + frame_width].copy_from_slice(line);
        }
    }

    let colors = reader.palette().map_err(failed)?.as_chunks::<3>().0;
    let pixels = canvas
        .iter()
        .flat_map(|&i| colors.get(usize::from(i)).copied().unwrap_or_default());
    rgb_image(
        ImageFormat::Gif,
        (width as u32, height as u32),
        pixels.collect(),
    )
}
