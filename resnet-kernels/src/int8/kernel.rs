//! The loops of a quantized convolution.

use core::array;
use core::ops::Range;

use super::conv::{Int8Conv, Int8Weights, Panel};
use super::dot::{Dot, Floats, Fours, Sums};
use super::lanes::Lanes;
use super::output::{Place, Target, read, write};
use super::requantize::{Dequantize, MOST, Requantize};
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
struct Tile<'a> {
    part: &'a Part<'a>,
    panel: &'a Panel,
    weights: &'a [u8],
    /// Weights that are needed next. Some of them move to the cache meanwhile.
    next: &'a [u8],
    firsts: &'a [usize],
    outputs: &'a [usize],
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

    /// Converts the sums and writes them.
    #[inline(always)]
    fn finish<D: Dot, const VECTORS: usize, const PIXELS: usize>(
        &self,
        dot: D,
        sums: &[[Sums<D>; VECTORS]; PIXELS],
    ) {
        // SAFETY: `Target::new` has checked the sizes of the output. Its channels belong to this
        // part, and no other thread accesses them.
        unsafe {
            match self.part.target {
                Target::Bytes(requantize, place) => {
                    let residual = place.residual.zip(requantize.residual);
                    let is_full = self.panel.outputs.len() == VECTORS * D::LANES;
                    match (is_full, residual) {
                        (true, None) => self.bytes(dot, sums, requantize, None, place.out),
                        (true, residual) => self.bytes(dot, sums, requantize, residual, place.out),
                        (false, _) => self.bytes_of_part(dot, sums, requantize, place),
                    }
                }
                Target::Floats(dequantize, place) => self.floats(dot, sums, dequantize, place),
            }
        }
    }

    /// Writes whole vectors. `residual` is a constant `None` or `Some`.
    ///
    /// # Safety
    ///
    /// All outputs of the tile are inside the map, and no other thread accesses them.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "unrolled")]
    unsafe fn bytes<D: Dot, const VECTORS: usize, const PIXELS: usize>(
        &self,
        dot: D,
        sums: &[[Sums<D>; VECTORS]; PIXELS],
        requantize: &Requantize,
        residual: Option<(*const u8, (i32, f32))>,
        out: *mut u8,
    ) {
        let lanes = dot.lanes();
        let bias = self.channels::<D, VECTORS>(dot, &requantize.bias);
        let multiplier = self.channels::<D, VECTORS>(dot, &requantize.multiplier);
        let round = requantize.round;
        for pixel in 0..PIXELS {
            let at = self.outputs[pixel] + self.panel.outputs.start;
            let mut floats = bias;
            for vector in 0..VECTORS {
                let of_sums = lanes.floats(sums[pixel][vector], bias[vector], multiplier[vector]);
                floats[vector] = match residual {
                    None => of_sums,
                    // SAFETY: guaranteed by the caller.
                    Some((residual, (zero, ratio))) => unsafe {
                        let bytes = residual.add(at + vector * D::LANES);
                        lanes.add_bytes(of_sums, bytes, zero, ratio)
                    },
                };
            }
            // SAFETY: see above.
            unsafe { lanes.store_all(floats, round, out.add(at)) };
        }
    }

    /// Writes vectors of which the last is partly filled.
    ///
    /// # Safety
    ///
    /// See [`bytes`](Self::bytes).
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "unrolled")]
    unsafe fn bytes_of_part<D: Dot, const VECTORS: usize, const PIXELS: usize>(
        &self,
        dot: D,
        sums: &[[Sums<D>; VECTORS]; PIXELS],
        requantize: &Requantize,
        place: &Place<u8>,
    ) {
        let lanes = dot.lanes();
        let bias = self.channels::<D, VECTORS>(dot, &requantize.bias);
        let multiplier = self.channels::<D, VECTORS>(dot, &requantize.multiplier);
        let residual = place.residual.zip(requantize.residual);
        for vector in 0..VECTORS {
            let count = self.count::<D>(vector);
            for pixel in 0..PIXELS {
                let at = self.outputs[pixel] + self.panel.outputs.start + vector * D::LANES;
                let mut floats =
                    lanes.floats(sums[pixel][vector], bias[vector], multiplier[vector]);
                // SAFETY: guaranteed by the caller.
                unsafe {
                    if let Some((residual, (zero, ratio))) = residual {
                        floats = read::<D, _, _>(residual.add(at), count, |bytes| {
                            lanes.add_bytes(floats, bytes, zero, ratio)
                        });
                    }
                    write::<D, _>(place.out.add(at), count, |to| {
                        lanes.store_bytes(floats, requantize.round, to);
                    });
                }
            }
        }
    }

    /// # Safety
    ///
    /// See [`bytes`](Self::bytes).
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "unrolled")]
    unsafe fn floats<D: Dot, const VECTORS: usize, const PIXELS: usize>(
        &self,
        dot: D,
        sums: &[[Sums<D>; VECTORS]; PIXELS],
        dequantize: &Dequantize,
        place: &Place<f32>,
    ) {
        let lanes = dot.lanes();
        let bias = self.channels::<D, VECTORS>(dot, &dequantize.bias);
        let multiplier = self.channels::<D, VECTORS>(dot, &dequantize.multiplier);
        let least = if dequantize.relu {
            0.0
        } else {
            f32::NEG_INFINITY
        };
        for vector in 0..VECTORS {
            let count = self.count::<D>(vector);
            for pixel in 0..PIXELS {
                let at = self.outputs[pixel] + self.panel.outputs.start + vector * D::LANES;
                let mut floats =
                    lanes.floats(sums[pixel][vector], bias[vector], multiplier[vector]);
                // SAFETY: guaranteed by the caller.
                unsafe {
                    if let Some(residual) = place.residual {
                        floats = read::<D, _, _>(residual.add(at), count, |others| {
                            lanes.add(floats, lanes.load_floats(others))
                        });
                    }
                    write::<D, _>(place.out.add(at), count, |to| {
                        lanes.store(floats, least, to);
                    });
                }
            }
        }
    }

    /// Loads a value of each channel.
    #[inline(always)]
    fn channels<D: Dot, const VECTORS: usize>(
        &self,
        dot: D,
        values: &[f32],
    ) -> [Floats<D>; VECTORS] {
        let values = &values[self.panel.outputs.start..][..MOST];
        // SAFETY: the list has four vectors of 16 lanes.
        array::from_fn(|vector| unsafe {
            dot.lanes()
                .load_floats(values.as_ptr().add(vector * D::LANES))
        })
    }

    /// Returns the number of channels of a vector. The last may be partly filled.
    #[inline(always)]
    fn count<D: Dot>(&self, vector: usize) -> usize {
        (self.panel.outputs.len() - vector * D::LANES).min(D::LANES)
    }
}
