//! Contact sheets: a grid of images with captions.

use image::imageops::{FilterType, replace, resize};
use image::{Rgb, RgbImage};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

/// An image and its caption.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The image.
    pub image: RgbImage,
    /// The lines of the caption; long lines are truncated.
    pub lines: Vec<String>,
}

/// Width and height of an image on a sheet, in pixels.
const SIZE: [u32; 2] = [160, 160];
/// The gap between cells and the line height, in pixels.
const GAP: u32 = 8;
const LINE: u32 = 18;

/// Arranges images on white, `columns` per row. Small images are enlarged by a whole factor.
pub fn sheet(cells: &[Cell], columns: usize) -> RgbImage {
    sheet_of(cells, columns, SIZE)
}

/// Arranges images like [`sheet`], each in a rectangle of this width and height.
pub fn sheet_of(cells: &[Cell], columns: usize, [wide, high]: [u32; 2]) -> RgbImage {
    let columns = columns.clamp(1, cells.len().max(1));
    let lines = cells.iter().map(|cell| cell.lines.len()).max().unwrap_or(0) as u32;
    let (width, height) = (wide + GAP, high + LINE * lines + GAP);
    let rows = cells.len().div_ceil(columns) as u32;
    let mut sheet = RgbImage::from_pixel(
        GAP + width * columns as u32,
        GAP + height * rows.max(1),
        Rgb([255; 3]),
    );
    for (place, cell) in cells.iter().enumerate() {
        let (column, row) = ((place % columns) as u32, (place / columns) as u32);
        let (x, y) = (GAP + column * width, GAP + row * height);
        let image = match cell.image.dimensions() {
            (width, height) if 2 * width <= wide && 2 * height <= high => {
                let times = (wide / width.max(1)).min(high / height.max(1));
                let size = [width * times, height * times];
                resize(&cell.image, size[0], size[1], FilterType::Nearest)
            }
            _ => fitted(cell.image.clone(), [wide, high]),
        };
        let (dx, dy) = ((wide - image.width()) / 2, (high - image.height()) / 2);
        replace(&mut sheet, &image, (x + dx).into(), (y + dy).into());
        for (i, line) in cell.lines.iter().enumerate() {
            write(&mut sheet, line, [x, y + high + 2 + LINE * i as u32], wide);
        }
    }
    sheet
}

/// Reduces an image that exceeds this width or height, with the same aspect ratio.
pub fn fitted(image: RgbImage, [wide, high]: [u32; 2]) -> RgbImage {
    let (width, height) = image.dimensions();
    if width <= wide && height <= high {
        return image;
    }
    // The side that exceeds the rectangle more decides.
    let by_width = u64::from(width) * u64::from(high) >= u64::from(height) * u64::from(wide);
    let (to, from) = if by_width {
        (wide, width)
    } else {
        (high, height)
    };
    let scaled = |side: u32| (u64::from(side) * u64::from(to) / u64::from(from)).max(1) as u32;
    resize(&image, scaled(width), scaled(height), FilterType::Triangle)
}

fn write(sheet: &mut RgbImage, text: &str, [x, y]: [u32; 2], wide: u32) {
    let advance = get_raster_width(FontWeight::Regular, RasterHeight::Size16) as u32;
    for (place, letter) in text.chars().take((wide / advance) as usize).enumerate() {
        let raster = |c| get_raster(c, FontWeight::Regular, RasterHeight::Size16);
        let Some(glyph) = raster(letter).or_else(|| raster('?')) else {
            continue;
        };
        for (dy, row) in glyph.raster().iter().enumerate() {
            for (dx, &ink) in row.iter().enumerate() {
                let (x, y) = (x + advance * place as u32 + dx as u32, y + dy as u32);
                if let Some(pixel) = sheet.get_pixel_mut_checked(x, y) {
                    *pixel = Rgb([255 - ink; 3]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_has_a_cell_for_every_image_and_caption() {
        let red = RgbImage::from_pixel(32, 16, Rgb([255, 0, 0]));
        let cell = Cell {
            image: red,
            lines: vec!["ants".into(), "a line that is much too long".into()],
        };
        let sheet = sheet(&vec![cell; 5], 3);
        assert_eq!(sheet.dimensions(), (8 + 3 * 168, 8 + 2 * (160 + 36 + 8)));
        // Each image is enlarged five times.
        assert_eq!(
            sheet
                .pixels()
                .filter(|pixel| pixel.0 == [255, 0, 0])
                .count(),
            5 * 160 * 80
        );
        let dark = |x: u32, y: u32| sheet.get_pixel(x, y).0[0] < 128;
        let letters = (8..168).flat_map(|x| (168..204).map(move |y| (x, y)));
        assert!(letters.filter(|&(x, y)| dark(x, y)).count() > 50);
        // The gap between the cells is empty.
        assert!((168..176).all(|x| (0..300).all(|y| !dark(x, y))));
    }

    #[test]
    fn a_large_image_keeps_its_aspect_ratio_and_an_empty_sheet_has_a_size() {
        let cell = Cell {
            image: RgbImage::new(1000, 10),
            lines: vec![],
        };
        assert_eq!(sheet(&[cell], 8).dimensions(), (176, 176));
        assert_eq!(fitted(RgbImage::new(1000, 10), SIZE).dimensions(), (160, 1));
        assert_eq!(fitted(RgbImage::new(10, 1000), SIZE).dimensions(), (1, 160));
        assert_eq!(sheet(&[], 4).dimensions(), (176, 176));
    }
}
