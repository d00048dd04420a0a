//! Weights transformed for Winograd's algorithm.

use alloc::vec::Vec;
use core::array;

use super::Side;
use super::tile::{Four, Tile, Two};
use crate::conv::LARGEST_FOR_WINOGRAD;
use crate::conv::geometry::{Geometry, Sizes};
use crate::conv::packed::{Packed, Panels, Weights};
use crate::conv::padded::are_within;
use crate::parallel;
use crate::simd::vectors;

/// Transformed weights `G g Gᵀ`, packed separately for each element of the matrix.
#[derive(Debug)]
pub(in crate::conv) struct Transformed {
    pub(super) side: Side,
    pub(in crate::conv) weights: Vec<Packed>,
}

impl Transformed {
    /// Transforms weights, `[out, in, 3, 3]`. Returns `None` if a weight is NaN or its magnitude
    /// exceeds [`LARGEST_FOR_WINOGRAD`].
    pub(in crate::conv) fn new(side: Side, weights: &[f32], geometry: &Geometry) -> Option<Self> {
        if !are_within(weights, LARGEST_FOR_WINOGRAD) {
            return None;
        }
        let one = Geometry::new(Sizes {
            kernel: [1, 1],
            ..Sizes::clone(geometry)
        })?;
        let panels = Panels::new(&one, vectors());
        let values = match side {
            Side::Two => transformed(weights, &Two::WEIGHTS),
            Side::Four => transformed(weights, &Four::WEIGHTS),
        };
        let pack =
            |values: &Vec<f32>| Packed::new(&Weights::new(values, &one), &one, panels.clone());
        let weights = parallel::map(values.iter(), pack);
        Some(Self { side, weights })
    }
}

/// Returns each element of `G g Gᵀ`, with its values for all kernels `g`.
fn transformed<const IN: usize>(weights: &[f32], g: &[[f64; 3]; IN]) -> Vec<Vec<f32>> {
    let of_value = |value: usize| {
        let (row, column) = (g[value / IN], g[value % IN]);
        let factors: [f64; 9] = array::from_fn(|at| row[at / 3] * column[at % 3]);
        let sum = |weights: &[f32]| {
            let terms = factors.iter().zip(weights);
            terms
                .map(|(factor, weight)| factor * f64::from(*weight))
                .sum::<f64>() as f32
        };
        weights.chunks_exact(9).map(sum).collect()
    };
    parallel::map(0..IN * IN, of_value)
}
