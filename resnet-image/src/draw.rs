//! Draws detections and class maps on images.
//!
//! Colors come from Okabe and Ito; color-blind people can distinguish them. Text is readable at
//! any image size: strokes and letters grow with the image, and small images are enlarged.

mod canvas;
mod legend;
mod text;

use image::{Rgb, RgbImage, imageops};

use canvas::Canvas;
pub use legend::{LegendEntry, with_legend};
pub use text::{line_height, text_width, write_text};

/// An object to draw.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotation {
    /// Box `x1, y1, x2, y2` in pixels.
    pub bounds: [f32; 4],
    /// Text at the box, such as class and score.
    pub text: String,
    /// Index of the color: objects of one class share a color.
    pub color: usize,
    /// The pixels of the object.
    pub mask: Option<Region>,
    /// Positions of the keypoints in pixels; `None` for a keypoint that is not visible.
    pub keypoints: Vec<Option<[f32; 2]>>,
}

/// The pixels of an object, inside of a rectangle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Region {
    /// The left column of the rectangle.
    pub left: u32,
    /// The upper row of the rectangle.
    pub top: u32,
    /// The width of the rectangle.
    pub width: u32,
    /// Whether each pixel of the rectangle belongs to the object, row by row.
    pub pixels: Vec<bool>,
}

impl Region {
    /// Returns the smallest region around the pixels of an object. Returns `None` if there are none.
    ///
    /// `pixels` covers an image of `[height, width]` pixels, row by row.
    pub fn within(pixels: &[bool], [height, width]: [usize; 2]) -> Option<Self> {
        let row = |y: usize| pixels.get(y * width..(y + 1) * width).unwrap_or_default();
        let has = |y: &usize| row(*y).contains(&true);
        let (top, bottom) = ((0..height).find(has)?, (0..height).rfind(has)?);
        let rows = || (top..=bottom).map(row);
        let first = |row: &[bool]| row.iter().position(|inside| *inside);
        let last = |row: &[bool]| row.iter().rposition(|inside| *inside);
        let left = rows().filter_map(first).min()?;
        let right = rows().filter_map(last).max()?;
        Some(Self {
            left: u32::try_from(left).ok()?,
            top: u32::try_from(top).ok()?,
            width: u32::try_from(right + 1 - left).ok()?,
            pixels: rows().flat_map(|row| row[left..=right].to_vec()).collect(),
        })
    }
}

/// The colors of Okabe and Ito, without black.
const PALETTE: [[u8; 3]; 7] = [
    [230, 159, 0],
    [86, 180, 233],
    [0, 158, 115],
    [240, 228, 66],
    [0, 114, 178],
    [213, 94, 0],
    [204, 121, 167],
];
/// Opacity of masks.
const MASK: f32 = 0.45;
/// Images with a shorter side are enlarged by a whole factor.
const LEGIBLE_SIDE: u32 = 320;
/// The longer side of an enlarged image.
const MAX_ENLARGED: u32 = 2048;

/// Returns the color of an index: seven colors, then darker and lighter versions of them. From 21 on
/// they repeat.
pub fn color(index: usize) -> Rgb<u8> {
    let base = PALETTE[index % PALETTE.len()];
    Rgb(match index / PALETTE.len() % 3 {
        0 => base,
        1 => base.map(|value| value / 2),
        _ => base.map(|value| value / 2 + 127),
    })
}

/// Draws objects on an image: translucent masks with outlines, boxes with text, and skeletons. The
/// first object is drawn last, on top.
///
/// `skeleton` lists the pairs of keypoints that a line connects.
pub fn annotate(image: &RgbImage, objects: &[Annotation], skeleton: &[[usize; 2]]) -> RgbImage {
    let factor = enlargement(image);
    let mut image = enlarge(image, factor);
    let short = image.width().min(image.height());
    let stroke = (short as f32 / 240.0).clamp(2.0, 24.0);
    for object in objects.iter().rev() {
        if let Some(mask) = &object.mask {
            fill(&mut image, mask, factor, color(object.color));
        }
    }
    let mut canvas = Canvas::new(image);
    let grow = |value: f32| value * factor as f32;
    for object in objects.iter().rev() {
        let bounds = object.bounds.map(grow);
        canvas.rectangle(bounds, stroke, color(object.color));
        let points: Vec<Option<[f32; 2]>> = object
            .keypoints
            .iter()
            .map(|point| point.map(|point| point.map(grow)))
            .collect();
        for (i, pair) in skeleton.iter().enumerate() {
            let ends = pair.map(|end| points.get(end).copied().flatten());
            if let [Some(from), Some(to)] = ends {
                canvas.line(from, to, stroke, color(i));
            }
        }
        for point in points.into_iter().flatten() {
            canvas.disc(point, 1.6 * stroke, Rgb([255; 3]));
            canvas.disc(point, stroke, color(object.color));
        }
    }
    let mut image = canvas.into_image();
    for object in objects.iter().rev() {
        label(
            &mut image,
            object.bounds.map(grow),
            &object.text,
            color(object.color),
        );
    }
    image
}

/// Draws the class of each pixel in its color over an image. Class 0, the background, stays clear.
///
/// # Panics
///
/// Panics if the number of classes differs from the number of pixels.
pub fn overlay(image: &RgbImage, classes: &[u16]) -> RgbImage {
    let (width, height) = image.dimensions();
    assert_eq!(
        classes.len(),
        (width * height) as usize,
        "expected one class per pixel"
    );
    let factor = enlargement(image);
    let mut drawn = enlarge(image, factor);
    let at = |x: u32, y: u32| classes[(y / factor * width + x / factor) as usize];
    let (w, h) = drawn.dimensions();
    for (x, y, pixel) in drawn.enumerate_pixels_mut() {
        let class = at(x, y);
        let edge = (x + 1 < w && at(x + 1, y) != class) || (y + 1 < h && at(x, y + 1) != class);
        match (class, edge) {
            (_, true) => *pixel = Rgb([255; 3]),
            (0, false) => {}
            (class, false) => blend(pixel, color(class.into()), MASK),
        }
    }
    drawn
}

/// Returns the factor by which [`annotate`] and [`overlay`] enlarge an image.
pub fn enlargement(image: &RgbImage) -> u32 {
    let (width, height) = image.dimensions();
    let (short, long) = (width.min(height).max(1), width.max(height).max(1));
    LEGIBLE_SIDE.div_ceil(short).min(MAX_ENLARGED / long).max(1)
}

fn enlarge(image: &RgbImage, factor: u32) -> RgbImage {
    let (width, height) = image.dimensions();
    match factor {
        1 => image.clone(),
        _ => imageops::resize(
            image,
            width * factor,
            height * factor,
            imageops::FilterType::Nearest,
        ),
    }
}

fn blend(pixel: &mut Rgb<u8>, color: Rgb<u8>, share: f32) {
    for (value, ink) in pixel.0.iter_mut().zip(color.0) {
        let mixed = f32::from(*value) + share * (f32::from(ink) - f32::from(*value));
        *value = mixed.round() as u8;
    }
}

/// Fills the pixels of a mask, and draws its outline.
fn fill(image: &mut RgbImage, mask: &Region, factor: u32, color: Rgb<u8>) {
    let rows = mask
        .pixels
        .len()
        .checked_div(mask.width as usize)
        .unwrap_or(0) as u32;
    let inside = |x: i64, y: i64| {
        let x = u32::try_from(x).ok().filter(|x| *x < mask.width);
        let y = u32::try_from(y).ok().filter(|y| *y < rows);
        let (Some(x), Some(y)) = (x, y) else {
            return false;
        };
        mask.pixels[(y * mask.width + x) as usize]
    };
    for y in 0..rows {
        for x in 0..mask.width {
            if !inside(x.into(), y.into()) {
                continue;
            }
            let neighbors = [(-1, 0), (1, 0), (0, -1), (0, 1)];
            let edge = neighbors
                .into_iter()
                .any(|(dx, dy)| !inside(i64::from(x) + dx, i64::from(y) + dy));
            let share = if edge { 1.0 } else { MASK };
            for dy in 0..factor {
                for dx in 0..factor {
                    let (x, y) = ((mask.left + x) * factor + dx, (mask.top + y) * factor + dy);
                    if let Some(pixel) = image.get_pixel_mut_checked(x, y) {
                        blend(pixel, color, share);
                    }
                }
            }
        }
    }
}

/// Writes the text of an object above its box, or inside at the top edge of the image.
fn label(image: &mut RgbImage, [x1, y1, ..]: [f32; 4], text: &str, color: Rgb<u8>) {
    if text.is_empty() {
        return;
    }
    let (width, height) = image.dimensions();
    let size = width.min(height);
    let (w, h) = (text_width(text, size), line_height(size));
    // `as` saturates, and NaN becomes 0.
    let x = (x1 as u32).min(width.saturating_sub(w));
    let above = (y1.max(0.0) as u32).checked_sub(h);
    let y = above
        .unwrap_or(y1.max(0.0) as u32)
        .min(height.saturating_sub(h));
    for row in y..(y + h).min(height) {
        for column in x..(x + w).min(width) {
            image.put_pixel(column, row, color);
        }
    }
    write_text(image, text, [x, y], size, contrast(color));
}

/// Returns black or white, whichever is easier to read on a color.
pub(crate) fn contrast(Rgb([r, g, b]): Rgb<u8>) -> Rgb<u8> {
    let luminance = 0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b);
    Rgb([if luminance > 140.0 { 0 } else { 255 }; 3])
}

#[cfg(test)]
mod tests;
