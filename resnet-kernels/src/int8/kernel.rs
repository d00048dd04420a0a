//! The loops of a quantized convolution.

use core::array;
use core::ops::Range;

use super::conv::{Int8Conv, Int8Weights, Panel};
use super::dot::{Dot, Fours, Sums};
use super::lanes::Lanes;
use super::output::Target;
use super::requantize::MOST;
use crate::parallel::ranges;

/// Most pixels whose sums stay in registers.
const PIXELS: usize = 6;

/// Bytes of a line of the cache.
const LINE: usize = 64;

/// The pixels and channels that one core computes at a time.
pub(super) struct Part<'a> {
    pub(super) conv: &'a Int8Conv,
    pub(super) x: &'a [u8],
    pub(super) weights: &'a Int8Weights,
    pub(super) target: &'a Target<'a>,
    pub(super) panels: Range<usize>,
    /// Index of the first input of each pixel.
    pub(super) firsts: &'a [usize],
    /// Index of the first output of each pixel.
    pub(super) outputs: &'a [usize],
}

impl Part<'_> {
    #[inline(always)]
    pub(super) fn run<D: Dot>(&self, dot: D) {
        let block = self.block();
        for (firsts, outputs) in self.firsts.chunks(block).zip(self.outputs.chunks(block)) {
            let tiles = firsts.len().div_ceil(PIXELS);
            for index in self.panels.clone() {
                let panel = &self.conv.panels[index];
                let weights = &self.weights.panels[index];
                // Usually the same core computes the next panel, in this part or the next.
                let next = self.weights.panels.get(index + 1).unwrap_or(weights);
                let share = next.len() / tiles;
                for (number, tile) in ranges(firsts.len(), tiles).enumerate() {
                    let tile = Tile {
                        part: self,
                        panel,
                        weights,
                        next: &next[number * share..],
                        firsts: &firsts[tile.clone()],
                        outputs: &outputs[tile],
                    };
                    match panel.outputs.len().div_ceil(D::LANES) {
                        1 => tile.run::<D, 1>(dot),
                        2 => tile.run::<D, 2>(dot),
                        3 => tile.run::<D, 3>(dot),
                        _ => tile.run::<D, 4>(dot),
                    }
                }
            }
        }
    }

    /// Returns the number of pixels that pass all panels before the next pixels do, so that their
    /// inputs stay in a core's L2 cache.
    fn block(&self) -> usize {
        /// Bytes of weights, and of inputs, that fit into an L2 cache together.
        const NEAR: usize = 256 * 1024;
        /// The least number of pixels, a multiple of the tiles.
        const LEAST: usize = 48;
        let weights = &self.weights.panels[self.panels.clone()];
        let weights: usize = weights.iter().map(|panel| panel.len()).sum();
        if weights > NEAR {
            // A core may get no pixels.
            return self.firsts.len().max(1);
        }
        let inputs = self.x.len().div_ceil(self.conv.geometry().pixels());
        (NEAR / 2 / inputs.max(1) / LEAST).max(1) * LEAST
    }
}

/// Pixels whose sums for a panel stay in registers.
pub(super) struct Tile<'a> {
    pub(super) part: &'a Part<'a>,
    pub(super) panel: &'a Panel,
    weights: &'a [u8],
    /// Weights that are needed next. Some of them move to the cache meanwhile.
    next: &'a [u8],
    firsts: &'a [usize],
    pub(super) outputs: &'a [usize],
}

impl Tile<'_> {
    #[inline(always)]
    fn run<D: Dot, const VECTORS: usize>(&self, dot: D) {
        match self.firsts.len() {
            1 => self.sum::<D, VECTORS, 1>(dot),
            2 => self.sum::<D, VECTORS, 2>(dot),
            3 => self.sum::<D, VECTORS, 3>(dot),
            4 => self.sum::<D, VECTORS, 4>(dot),
            5 => self.sum::<D, VECTORS, 5>(dot),
            _ => self.sum::<D, VECTORS, 6>(dot),
        }
    }

    #[inline(always)]
    fn sum<D: Dot, const VECTORS: usize, const PIXELS: usize>(&self, dot: D) {
        let x = self.part.x.as_ptr();
        // SAFETY: `Geometry` puts every tap of every pixel inside the padded input. `Int8Conv` has
        // checked the length of the input, which includes the inputs that a last four reads in
        // excess, and the length of the weights.
        let sums = unsafe {
            let x = array::from_fn(|pixel| x.add(self.firsts[pixel] + self.panel.input));
            match &self.part.conv.spread {
                Some(spread) => self.spread::<D, VECTORS, PIXELS>(dot, x, spread),
                None => self.same::<D, VECTORS, PIXELS>(dot, x),
            }
        };
        self.finish(dot, &sums);
    }

    /// Sums the products of outputs that read the same inputs.
    ///
    /// # Safety
    ///
    /// All inputs and weights of the tile are readable.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "unrolled")]
    unsafe fn same<D: Dot, const VECTORS: usize, const PIXELS: usize>(
        &self,
        dot: D,
        x: [*const u8; PIXELS],
    ) -> [[Sums<D>; VECTORS]; PIXELS] {
        let mut sums = [self.start::<D, VECTORS>(dot); PIXELS];
        let mut weights = self.weights.as_ptr();
        let size = 4 * D::LANES * D::BYTES;
        let mut next = self.next.as_ptr();
        for run in &self.part.conv.runs {
            for input in (run.offset..run.offset + run.length).step_by(4) {
                for pixel in 0..PIXELS {
                    // SAFETY: guaranteed by the caller.
                    unsafe {
                        let inputs = dot.inputs(x[pixel].add(input));
                        for vector in 0..VECTORS {
                            let weights = weights.add(vector * size);
                            sums[pixel][vector] = dot.dot(sums[pixel][vector], inputs, weights);
                        }
                    }
                }
                dot.prefetch(next);
                next = next.wrapping_add(LINE);
                // SAFETY: see above.
                weights = unsafe { weights.add(VECTORS * size) };
            }
        }
        sums
    }

    /// Sums the products of one vector of outputs that belong to several groups.
    ///
    /// # Safety
    ///
    /// All inputs and weights of the tile are readable.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "unrolled")]
    unsafe fn spread<D: Dot, const VECTORS: usize, const PIXELS: usize>(
        &self,
        dot: D,
        x: [*const u8; PIXELS],
        spread: &[Fours],
    ) -> [[Sums<D>; VECTORS]; PIXELS] {
        let mut sums = [self.start::<D, VECTORS>(dot); PIXELS];
        let mut weights = self.weights.as_ptr();
        for run in &self.part.conv.runs {
            for tap in (run.offset..run.offset + run.length).step_by(D::LANES) {
                for fours in spread {
                    for pixel in 0..PIXELS {
                        // SAFETY: guaranteed by the caller.
                        unsafe {
                            let inputs = dot.spread(x[pixel].add(tap), fours);
                            sums[pixel][0] = dot.dot(sums[pixel][0], inputs, weights);
                        }
                    }
                    // SAFETY: see above.
                    weights = unsafe { weights.add(4 * D::LANES * D::BYTES) };
                }
            }
        }
        sums
    }

    /// Returns what the sums of a pixel start from.
    #[inline(always)]
    fn start<D: Dot, const VECTORS: usize>(&self, dot: D) -> [Sums<D>; VECTORS] {
        let start = &self.part.weights.start[self.panel.outputs.start..][..MOST];
        // SAFETY: the list has four vectors of 16 lanes.
        array::from_fn(|vector| unsafe { dot.lanes().load(start.as_ptr().add(vector * D::LANES)) })
    }
}
