//! Anchors: the boxes that a detector refines.

use serde::{Deserialize, Serialize};

use super::boxes::Box4;

/// The sizes and aspect ratios of the anchors of one pyramid level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchorSpec {
    /// Square roots of the areas, in pixels.
    pub sizes: Vec<usize>,
    /// Ratios of height to width.
    pub aspect_ratios: Vec<f32>,
}

impl AnchorSpec {
    /// Returns the number of anchors per cell.
    pub fn per_cell(&self) -> usize {
        self.sizes.len() * self.aspect_ratios.len()
    }

    /// Returns the anchors of one cell, centered at 0: for each ratio, one per size. Coordinates
    /// are integers, with ties rounded to even.
    pub fn cell(&self) -> Vec<Box4> {
        let anchor = |ratio: f32, size: usize| {
            let root = ratio.sqrt();
            let [h, w] = [root * size as f32, 1.0 / root * size as f32];
            [-w, -h, w, h].map(|side| (side / 2.0).round_ties_even())
        };
        let ratios = self.aspect_ratios.iter();
        ratios
            .flat_map(|ratio| self.sizes.iter().map(|size| anchor(*ratio, *size)))
            .collect()
    }
}

/// The anchors of one pyramid level, in the order `y, x, anchor`.
#[derive(Clone, Debug, PartialEq)]
pub struct AnchorLevel {
    cell: Vec<Box4>,
    grid: [usize; 2],
    stride: [usize; 2],
}

impl AnchorLevel {
    /// Creates the anchors of a feature map of `grid = [height, width]` cells, for images that are
    /// padded to `[height, width]` pixels.
    ///
    /// The stride of a side is `padded / grid`, rounded down. It is not always a power of two.
    pub fn new(spec: &AnchorSpec, grid: [usize; 2], padded: [usize; 2]) -> Self {
        Self {
            cell: spec.cell(),
            grid,
            stride: [0, 1].map(|side| padded[side] / grid[side].max(1)),
        }
    }

    /// Returns the number of anchors.
    pub fn len(&self) -> usize {
        self.grid[0] * self.grid[1] * self.cell.len()
    }

    /// Returns whether there is no anchor.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns anchor `index`.
    ///
    /// # Panics
    ///
    /// Panics if the index is [`len`](Self::len) or greater.
    pub fn get(&self, index: usize) -> Box4 {
        let cell = index / self.cell.len();
        let [y, x] = [cell / self.grid[1], cell % self.grid[1]];
        assert!(y < self.grid[0], "anchor {index} of {}", self.len());
        let [y, x] = [(y * self.stride[0]) as f32, (x * self.stride[1]) as f32];
        let [x1, y1, x2, y2] = self.cell[index % self.cell.len()];
        [x1 + x, y1 + y, x2 + x, y2 + y]
    }

    /// Returns all anchors.
    pub fn iter(&self) -> impl Iterator<Item = Box4> {
        (0..self.len()).map(|index| self.get(index))
    }
}
