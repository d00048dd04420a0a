//! Masks of detections, on the host.

use super::boxes::Box4;
use super::resize::{Taps, bilinear_tap};

/// A mask of one detection on the whole image. Outside of a rectangle, all probabilities are 0.
#[derive(Clone, Debug, PartialEq)]
pub struct SoftMask {
    /// Height and width of the image.
    pub size: [usize; 2],
    /// First row and column of the rectangle.
    pub start: [usize; 2],
    /// Height and width of the rectangle.
    pub extent: [usize; 2],
    /// Probability of each pixel of the rectangle, row by row.
    pub values: Vec<f32>,
}

impl SoftMask {
    /// Returns the probability of each pixel of the image, row by row.
    pub fn whole(&self) -> Vec<f32> {
        let mut whole = vec![0.0; self.size[0] * self.size[1]];
        for (y, row) in self.values.chunks(self.extent[1].max(1)).enumerate() {
            let start = (self.start[0] + y) * self.size[1] + self.start[1];
            whole[start..start + row.len()].copy_from_slice(row);
        }
        whole
    }

    /// Returns whether the probability of each pixel of the image is above `threshold`, row by row.
    pub fn above(&self, threshold: f32) -> Vec<bool> {
        self.whole()
            .into_iter()
            .map(|value| value > threshold)
            .collect()
    }
}

/// Pastes `side * side` mask probabilities into an image, as torchvision's `paste_masks_in_image`.
/// The mask gets a border of one zero pixel, and the box grows by the same ratio. The corners of
/// the box are truncated to integers.
///
/// # Panics
///
/// Panics if the probabilities are not a square of this side.
pub fn paste(probabilities: &[f32], side: usize, corners: Box4, image: [usize; 2]) -> SoftMask {
    assert_eq!(probabilities.len(), side * side, "expected a square mask");
    let [height, width] = image;
    let padded = side + 2;
    let [x1, y1, x2, y2] = expand(corners, padded as f32 / side as f32);
    let [rows, columns] = [(y1, y2), (x1, x2)].map(|(low, high)| (high - low + 1).max(1) as usize);
    let at = |y: usize, x: usize| match (1..=side).contains(&y) && (1..=side).contains(&x) {
        true => probabilities[(y - 1) * side + x - 1],
        false => 0.0,
    };
    let [ys, xs] =
        [(y1, y2, height, rows), (x1, x2, width, columns)].map(|(low, high, side, count)| {
            let inside = low.max(0)..(high + 1).min(side as i64);
            inside
                .map(|i| (i as usize, bilinear_tap(padded, count, (i - low) as usize)))
                .collect::<Vec<_>>()
        });
    let mut values = Vec::with_capacity(ys.len() * xs.len());
    for (_, rows) in &ys {
        for (_, columns) in &xs {
            let row = |i: usize| {
                at(rows.at[i], columns.at[0]) * columns.weight[0]
                    + at(rows.at[i], columns.at[1]) * columns.weight[1]
            };
            values.push(row(0) * rows.weight[0] + row(1) * rows.weight[1]);
        }
    }
    let first = |taps: &[(usize, Taps)]| taps.first().map_or(0, |(at, _)| *at);
    SoftMask {
        size: image,
        start: [first(&ys), first(&xs)],
        extent: [ys.len(), xs.len()],
        values,
    }
}

/// A predicted mask inside of a box. It needs little memory, whatever the size of the image.
#[derive(Clone, Debug, PartialEq)]
pub struct BoxMask {
    /// Probabilities of `side * side` pixels of the box, row by row.
    pub probabilities: Vec<f32>,
    /// Height and width of the mask.
    pub side: usize,
    /// The box, in pixels of the image.
    pub corners: Box4,
    /// Height and width of the image.
    pub image: [usize; 2],
}

impl BoxMask {
    /// Returns the mask on the image. See [`paste`].
    ///
    /// # Panics
    ///
    /// Panics if the probabilities are not a square.
    pub fn paste(&self) -> SoftMask {
        paste(&self.probabilities, self.side, self.corners, self.image)
    }
}

/// Scales a box about its center and truncates the corners toward zero.
fn expand([x1, y1, x2, y2]: Box4, scale: f32) -> [i64; 4] {
    let [w, h] = [(x2 - x1) * 0.5 * scale, (y2 - y1) * 0.5 * scale];
    let [x, y] = [(x2 + x1) * 0.5, (y2 + y1) * 0.5];
    [x - w, y - h, x + w, y + h].map(|side| side as i64)
}
