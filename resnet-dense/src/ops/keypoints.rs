//! Keypoints of detections, on the host.

use rayon::prelude::*;

use super::boxes::Box4;

/// The coefficient of PyTorch's bicubic interpolation.
const CUBIC: f32 = -0.75;

/// A keypoint in pixels, with the value of the heatmap at its position as score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoredPoint {
    /// Horizontal position.
    pub x: f32,
    /// Vertical position.
    pub y: f32,
    /// Logit of the position. It is not a probability.
    pub score: f32,
}

/// Returns the keypoints of each box: the maximum of each heatmap, resized to the box with bicubic
/// interpolation (torchvision's `heatmaps_to_keypoints`).
///
/// `heatmaps` has `points` maps of `side * side` logits per box.
///
/// # Panics
///
/// Panics if the number of logits does not fit.
pub fn from_heatmaps(
    heatmaps: &[f32],
    side: usize,
    points: usize,
    boxes: &[Box4],
) -> Vec<Vec<ScoredPoint>> {
    let of_box = points * side * side;
    assert_eq!(
        heatmaps.len(),
        boxes.len() * of_box,
        "expected {points} heatmaps per box"
    );
    let maps = heatmaps.par_chunks(of_box.max(1)).zip(boxes);
    maps.map(|(maps, corners)| {
        let maps = maps.chunks(side * side);
        maps.map(|map| point(map, side, *corners)).collect()
    })
    .collect()
}

fn point(map: &[f32], side: usize, [x1, y1, x2, y2]: Box4) -> ScoredPoint {
    let [width, height] = [(x2 - x1).max(1.0), (y2 - y1).max(1.0)];
    let [columns, rows] = [width, height].map(|side| (side.ceil() as usize).max(1));
    let xs: Vec<Cubic> = (0..columns).map(|i| cubic(side, columns, i)).collect();
    // Rows of the map, resized to the width of the box.
    let wide: Vec<f32> = map
        .chunks(side)
        .flat_map(|row| xs.iter().map(|x| x.sum(|i| row[i])))
        .collect();
    let (mut best, mut place) = (f32::NEG_INFINITY, (0, 0));
    for y in 0..rows {
        let taps = cubic(side, rows, y);
        for x in 0..columns {
            let value = taps.sum(|i| wide[i * columns + x]);
            if value > best {
                (best, place) = (value, (x, y));
            }
        }
    }
    ScoredPoint {
        x: (place.0 as f32 + 0.5) * (width / columns as f32) + x1,
        y: (place.1 as f32 + 0.5) * (height / rows as f32) + y1,
        score: best,
    }
}

/// The four samples of one output of a bicubic resize.
struct Cubic {
    at: [usize; 4],
    weight: [f32; 4],
}

impl Cubic {
    fn sum(&self, value: impl Fn(usize) -> f32) -> f32 {
        let terms = self.at.iter().zip(self.weight);
        terms.map(|(at, weight)| value(*at) * weight).sum()
    }
}

fn cubic(from: usize, to: usize, i: usize) -> Cubic {
    let source = from as f32 / to as f32 * (i as f32 + 0.5) - 0.5;
    let low = source.floor();
    let t = source - low;
    let near = |d: f32| ((CUBIC + 2.0) * d - (CUBIC + 3.0)) * d * d + 1.0;
    let far = |d: f32| ((CUBIC * d - 5.0 * CUBIC) * d + 8.0 * CUBIC) * d - 4.0 * CUBIC;
    let at = |offset: i64| (low as i64 + offset).clamp(0, from as i64 - 1) as usize;
    Cubic {
        at: [-1, 0, 1, 2].map(at),
        weight: [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)],
    }
}
