//! Legends of class maps.

use image::{Rgb, RgbImage, imageops};

use super::{color, line_height, text_width, write_text};

/// An entry of a legend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegendEntry {
    /// Index of the color.
    pub color: usize,
    /// The text.
    pub text: String,
}

/// The most letters of an entry; longer texts are cut.
const LETTERS: usize = 40;

/// Returns the image with a legend below it. Entries are arranged in as many columns as fit, and
/// texts of more than 40 letters are cut.
pub fn with_legend(image: &RgbImage, entries: &[LegendEntry]) -> RgbImage {
    if entries.is_empty() {
        return image.clone();
    }
    let (width, height) = image.dimensions();
    let side = width.min(height);
    let line = line_height(side);
    let texts = entries.iter().map(|entry| entry.text.chars().take(LETTERS));
    let texts: Vec<String> = texts.map(Iterator::collect).collect();
    let longest = texts.iter().map(|text| text_width(text, side));
    let cell = (longest.max().unwrap_or(0) + 2 * line).max(1);
    let columns = (width / cell).max(1);
    let rows = (entries.len() as u32).div_ceil(columns);
    let gap = line / 4;
    let mut out = RgbImage::from_pixel(
        width.max(cell),
        height + rows * (line + gap) + gap,
        Rgb([255; 3]),
    );
    imageops::replace(&mut out, image, 0, 0);
    for ((i, entry), text) in (0_u32..).zip(entries).zip(&texts) {
        let (x, y) = (
            i % columns * cell,
            height + gap + i / columns * (line + gap),
        );
        for dy in line / 8..line - line / 8 {
            for dx in line / 8..line - line / 8 {
                out.put_pixel(x + dx, y + dy, color(entry.color));
            }
        }
        let at = [x + line + line / 4, y];
        write_text(&mut out, text, at, side, Rgb([0; 3]));
    }
    out
}
