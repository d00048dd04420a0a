//! The pixels of an object.

use hotcoco::mask;
use hotcoco::types::{Rle, Segmentation};
use resnet_dense::ops::boxes::Box4;

use crate::ImageError;

/// The memory of the masks of an image, at most: 1 GiB.
const MAX_BYTES: u64 = 1 << 30;

/// The pixels of an object.
#[derive(Clone, Debug, PartialEq)]
pub enum ObjectMask {
    /// Polygons with the corners `x, y, x, y, …` in pixels. Pixels are inside as in pycocotools.
    Polygons(Vec<Vec<f64>>),
    /// Run lengths, column by column: pixels outside, pixels inside, and so on.
    Runs {
        /// Height and width of the image.
        size: [usize; 2],
        /// The lengths.
        counts: Vec<u32>,
    },
}

impl ObjectMask {
    /// Creates a mask from run lengths. Pixels after the last run are outside, as in pycocotools.
    ///
    /// # Panics
    ///
    /// Panics if the runs exceed the image.
    pub(crate) fn of_runs(mut counts: Vec<u32>, size: [usize; 2]) -> Self {
        let covered: usize = counts.iter().map(|count| *count as usize).sum();
        let area = size[0] * size[1];
        assert!(
            covered <= area,
            "expected at most {area} pixels, found {covered}"
        );
        let rest = (area - covered) as u32;
        match counts.len() % 2 {
            0 => counts.push(rest),
            _ => counts.last_mut().into_iter().for_each(|last| *last += rest),
        }
        Self::Runs { size, counts }
    }

    /// Encodes a mask.
    ///
    /// # Panics
    ///
    /// Panics if the number of pixels is not the area of the image.
    pub fn of_pixels(pixels: &[bool], size: [usize; 2]) -> Self {
        let [height, width] = size;
        assert_eq!(pixels.len(), height * width, "expected one value per pixel");
        let columns = (0..width).flat_map(|x| (0..height).map(move |y| y * width + x));
        let mut counts = vec![0_u32];
        let mut inside = false;
        for at in columns {
            if pixels[at] != inside {
                inside = !inside;
                counts.push(0);
            }
            if let Some(last) = counts.last_mut() {
                *last += 1;
            }
        }
        Self::Runs { size, counts }
    }

    /// Returns whether each pixel of an image of `[height, width]` pixels is inside, row by row.
    /// Pixels beyond the image that the mask was made for are outside.
    pub fn pixels(&self, size: [usize; 2]) -> Vec<bool> {
        let [height, width] = size;
        let (columns, rows) = match self {
            Self::Polygons(polygons) => {
                let rle = mask::fr_polys(polygons, height as u32, width as u32);
                (
                    rle.map(|rle| mask::decode(&rle)).unwrap_or_default(),
                    height,
                )
            }
            Self::Runs { size, counts } => (decode(counts, *size), size[0]),
        };
        let mut pixels = vec![false; height * width];
        for (x, column) in columns.chunks(rows.max(1)).take(width).enumerate() {
            for (y, inside) in column.iter().take(height).enumerate() {
                pixels[y * width + x] = *inside != 0;
            }
        }
        pixels
    }

    /// Returns the mask in hotcoco's form.
    pub(crate) fn segmentation(&self) -> Segmentation {
        match self {
            Self::Polygons(polygons) => Segmentation::Polygon(polygons.clone()),
            Self::Runs { size, counts } => Segmentation::UncompressedRle {
                size: size.map(|side| side as u32),
                counts: counts.clone(),
            },
        }
    }
}

fn decode(counts: &[u32], [height, width]: [usize; 2]) -> Vec<u8> {
    let rle = Rle::new(height as u32, width as u32, counts.to_vec());
    rle.map(|rle| mask::decode(&rle)).unwrap_or_default()
}

/// Checks that masks of `[height, width]` pixels fit into memory. A mask has a byte per pixel.
///
/// # Errors
///
/// Returns an error with this advice if the masks need more than 1 GiB.
pub(super) fn check_memory(
    objects: usize,
    [height, width]: [usize; 2],
    advice: &'static str,
) -> Result<(), ImageError> {
    let sizes = [objects, height, width].into_iter();
    let bytes = sizes.fold(1, |bytes: u64, size| bytes.saturating_mul(size as u64));
    match bytes <= MAX_BYTES {
        true => Ok(()),
        false => Err(ImageError::Masks {
            objects,
            size: [width, height],
            limit: MAX_BYTES,
            advice,
        }),
    }
}

/// Returns the pixels whose center is in a box.
pub(super) fn of_box([x1, y1, x2, y2]: Box4, [height, width]: [usize; 2]) -> Vec<bool> {
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let inside = |at: usize, low: f32, high: f32| {
        let center = at as f32 + 0.5;
        center >= low && center < high
    };
    pixels
        .map(|(x, y)| inside(x, x1, x2) && inside(y, y1, y2))
        .collect()
}
