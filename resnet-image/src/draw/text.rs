//! Text in a monospaced font.

use image::{Rgb, RgbImage};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

use super::blend;

/// A raster of the font, and the whole factor by which it is enlarged.
fn raster(side: u32) -> (RasterHeight, u32) {
    match side / 25 {
        0..=22 => (RasterHeight::Size16, 1),
        height => (RasterHeight::Size32, (height / 32).max(1)),
    }
}

/// Returns the height of a line of text on an image with this shorter side.
pub fn line_height(side: u32) -> u32 {
    let (raster, factor) = raster(side);
    raster.val() as u32 * factor
}

/// Returns the width of a line of text on an image with this shorter side.
pub fn text_width(text: &str, side: u32) -> u32 {
    let (raster, factor) = raster(side);
    let advance = get_raster_width(FontWeight::Regular, raster) as u32 * factor;
    advance.saturating_mul(text.chars().count() as u32)
}

/// Writes a line of text. `side` is the shorter side of the image, which determines the size of the
/// letters. Letters that the font lacks become `?`; letters outside of the image are not drawn.
pub fn write_text(image: &mut RgbImage, text: &str, [x, y]: [u32; 2], side: u32, color: Rgb<u8>) {
    let (height, factor) = raster(side);
    let advance = get_raster_width(FontWeight::Regular, height) as u32 * factor;
    let columns = image.width().saturating_sub(x).div_ceil(advance.max(1));
    for (place, letter) in text.chars().take(columns as usize).enumerate() {
        let glyph = |letter| get_raster(letter, FontWeight::Regular, height);
        let Some(glyph) = glyph(letter).or_else(|| glyph('?')) else {
            continue;
        };
        for (dy, row) in glyph.raster().iter().enumerate() {
            for (dx, &ink) in row.iter().enumerate() {
                let x = x + advance * place as u32 + dx as u32 * factor;
                let y = y + dy as u32 * factor;
                for (fx, fy) in (0..factor).flat_map(|fx| (0..factor).map(move |fy| (fx, fy))) {
                    if let Some(pixel) = image.get_pixel_mut_checked(x + fx, y + fy) {
                        blend(pixel, color, f32::from(ink) / 255.0);
                    }
                }
            }
        }
    }
}
