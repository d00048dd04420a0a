//! COCO's run-length encoding of masks.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::masks::{BoxMask, SoftMask};

/// The largest mask to decode.
const MAX_PIXELS: usize = 1 << 30;

/// A mask in COCO's compressed run-length encoding. The runs of 0 and 1 alternate and cover the
/// pixels column by column. `counts` encodes their lengths as text, six bits per character.
///
/// It serializes as in COCO's files: `{"size": [height, width], "counts": "..."}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rle {
    /// Height and width.
    pub size: [usize; 2],
    /// The runs.
    pub counts: String,
}

impl Rle {
    /// Encodes the pixels of a mask whose probability is above `threshold`.
    pub fn of_mask(mask: &SoftMask, threshold: f32) -> Self {
        let [top, left] = mask.start;
        let [rows, columns] = mask.extent;
        let height = mask.size[0];
        let mut runs = Runs::default();
        runs.push(false, left * height);
        for x in 0..columns {
            runs.push(false, top);
            for y in 0..rows {
                runs.push(mask.values[y * columns + x] > threshold, 1);
            }
            runs.push(false, height - top - rows);
        }
        runs.push(false, (mask.size[1] - left - columns) * height);
        Self {
            size: mask.size,
            counts: compress(&runs.counts),
        }
    }

    /// Encodes masks like [`of_mask`](Self::of_mask), in parallel. Each thread pastes one mask at a
    /// time.
    pub fn of_boxes(masks: &[BoxMask], threshold: f32) -> Vec<Self> {
        let masks = masks.par_iter();
        masks
            .map(|mask| Self::of_mask(&mask.paste(), threshold))
            .collect()
    }

    /// Returns the pixels, row by row. Returns `None` if the text does not encode a mask of this
    /// size, or the mask has more than 2^30 pixels.
    pub fn pixels(&self) -> Option<Vec<bool>> {
        let [height, width] = self.size;
        let counts = decompress(&self.counts)?;
        let total = counts
            .iter()
            .try_fold(0_usize, |sum, count| sum.checked_add(*count))?;
        if Some(total) != height.checked_mul(width) || total > MAX_PIXELS {
            return None;
        }
        let mut pixels = vec![false; total];
        let mut at = 0;
        for (i, count) in counts.into_iter().enumerate() {
            if i % 2 == 1 {
                for place in at..at + count {
                    pixels[place % height * width + place / height] = true;
                }
            }
            at += count;
        }
        Some(pixels)
    }
}

/// Reads the text of [`compress`].
fn decompress(text: &str) -> Option<Vec<usize>> {
    let mut counts: Vec<i64> = Vec::new();
    let (mut value, mut shift) = (0_i64, 0);
    for byte in text.bytes() {
        let bits = byte
            .checked_sub(48)
            .filter(|bits| *bits < 64 && shift < 60)?;
        value |= i64::from(bits & 0x1f) << shift;
        shift += 5;
        if bits & 0x20 == 0 {
            if bits & 0x10 != 0 {
                value |= -1 << shift;
            }
            let before = counts.len().checked_sub(2).filter(|_| counts.len() > 2);
            counts.push(value.checked_add(before.map_or(0, |i| counts[i]))?);
            (value, shift) = (0, 0);
        }
    }
    let counts = counts.into_iter().map(|count| usize::try_from(count).ok());
    counts.collect::<Option<_>>().filter(|_| shift == 0)
}

/// Lengths of alternating runs, the first of `false`.
#[derive(Default)]
struct Runs {
    counts: Vec<u32>,
    last: bool,
}

impl Runs {
    fn push(&mut self, value: bool, count: usize) {
        if count == 0 {
            return;
        }
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if self.counts.is_empty() {
            self.counts.push(0);
        }
        if value != self.last {
            self.counts.push(0);
            self.last = value;
        }
        if let Some(run) = self.counts.last_mut() {
            *run = run.saturating_add(count);
        }
    }
}

/// Writes run lengths as pycocotools does. From the fourth run on, a number is the difference to
/// the run two places before. A character is 48 plus five bits, plus a sixth bit if more follow.
fn compress(counts: &[u32]) -> String {
    let mut text = String::new();
    for (i, count) in counts.iter().enumerate() {
        let before = if i > 2 { counts[i - 2] } else { 0 };
        let mut value = i64::from(*count) - i64::from(before);
        loop {
            let bits = (value & 0x1f) as u8;
            value >>= 5;
            let more = if bits & 0x10 != 0 {
                value != -1
            } else {
                value != 0
            };
            text.push(char::from(48 + bits + if more { 0x20 } else { 0 }));
            if !more {
                break;
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(size: [usize; 2], start: [usize; 2], extent: [usize; 2]) -> SoftMask {
        let pixels = extent[0] * extent[1];
        let values = (0..pixels)
            .map(|i| if i % 3 == 1 { 0.2 } else { 0.9 })
            .collect();
        SoftMask {
            size,
            start,
            extent,
            values,
        }
    }

    #[test]
    fn masks_survive_encoding() {
        for mask in [
            mask([20, 30], [3, 4], [10, 20]),
            mask([5, 7], [0, 0], [5, 7]),
            mask([5, 7], [2, 2], [0, 0]),
            mask([400, 300], [1, 1], [350, 1]),
        ] {
            let rle = Rle::of_mask(&mask, 0.5);
            assert_eq!(rle.pixels().unwrap(), mask.above(0.5), "{rle:?}");
        }
    }

    #[test]
    fn damaged_texts_are_refused() {
        let rle = Rle::of_mask(&mask([20, 30], [3, 4], [10, 20]), 0.5);
        let text = |counts: &str| Rle {
            counts: counts.into(),
            ..rle.clone()
        };
        assert_eq!(
            Rle {
                size: [100_000; 2],
                counts: compress(&[1 << 31, 1 << 31, 1_410_065_408]),
            }
            .pixels(),
            None
        );
        for counts in ["", "o", "~~~~", "oooooooooooooooooooo", "1", "\u{e9}"] {
            assert_eq!(text(counts).pixels(), None, "{counts}");
        }
        let cut = &rle.counts[..rle.counts.len() - 1];
        assert_eq!(text(cut).pixels(), None);
    }
}
