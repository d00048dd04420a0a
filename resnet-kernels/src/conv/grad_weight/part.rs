//! The weight gradient on one thread.

use core::array;
use core::ops::Range;

use pulp::{Simd, WithSimd};

use super::GradWeight;
use crate::simd::arch;

/// Largest number of inputs whose tile fits into the registers.
pub(super) const MOST: usize = 6;

/// The tiles that one core computes at a time.
pub(super) struct Part<'a> {
    pub(super) panel: usize,
    pub(super) tiles: Range<usize>,
    /// Sums of the gradients, `[input of the tiles, channel of the panel]`.
    pub(super) sums: &'a mut [f32],
}

impl Part<'_> {
    pub(super) fn run(self, job: &GradWeight<'_>) {
        arch().dispatch(PartOfJob { job, part: self });
    }
}

struct PartOfJob<'a> {
    job: &'a GradWeight<'a>,
    part: Part<'a>,
}

impl WithSimd for PartOfJob<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let panel = &self.job.panels.panels[self.part.panel];
        match (panel.inputs.len(), panel.grouped()) {
            (1, _) => self.run::<S, 1, false>(simd),
            (2, false) => self.run::<S, 2, false>(simd),
            (3, false) => self.run::<S, 3, false>(simd),
            (_, false) => self.run::<S, 4, false>(simd),
            (2, true) => self.run::<S, 2, true>(simd),
            (3, true) => self.run::<S, 3, true>(simd),
            (_, true) => self.run::<S, 4, true>(simd),
        }
    }
}

impl PartOfJob<'_> {
    #[inline(always)]
    fn run<S: Simd, const VECTORS: usize, const GROUPED: bool>(self, simd: S) {
        /// Number of pixels whose gradients stay in the cache while the loop visits the tiles.
        const NEAR: usize = 96;
        let Self { job, part } = self;
        let panel = &job.panels.panels[part.panel];
        let width = VECTORS * S::F32_LANES;
        let grads = job.grads[part.panel].chunks(NEAR * width);
        for (firsts, grads) in job.firsts.chunks(NEAR).zip(grads) {
            let mut sums = &mut *part.sums;
            for tile in &job.tiles[part.tiles.clone()] {
                let (own, rest) = sums.split_at_mut(tile.inputs * width);
                sums = rest;
                let pixels = Pixels {
                    simd,
                    x: &job.x[tile.offset + panel.inputs[0]..],
                    firsts,
                    grads,
                    inputs: &panel.inputs,
                };
                // SAFETY: `Geometry` puts every tap of every pixel inside the padded input.
                // `GradWeight::check` has checked the length of the input and of the gradients.
                // `own` has `width` values for each input.
                unsafe {
                    match tile.inputs {
                        1 => pixels.add::<1, VECTORS, GROUPED>(own),
                        2 => pixels.add::<2, VECTORS, GROUPED>(own),
                        3 => pixels.add::<3, VECTORS, GROUPED>(own),
                        4 => pixels.add::<4, VECTORS, GROUPED>(own),
                        5 => pixels.add::<5, VECTORS, GROUPED>(own),
                        _ => pixels.add::<MOST, VECTORS, GROUPED>(own),
                    }
                }
            }
        }
    }
}

/// The pixels that contribute to a tile.
struct Pixels<'a, S> {
    simd: S,
    /// The padded input, starting at the tile's first input of the first pixel.
    x: &'a [f32],
    firsts: &'a [usize],
    grads: &'a [f32],
    /// First input channel of each vector.
    inputs: &'a [usize],
}

impl<S: Simd> Pixels<'_, S> {
    /// Adds the products of the pixels to the sums of a tile.
    ///
    /// # Safety
    ///
    /// Every pixel and vector has `INPUTS` inputs. Every pixel has `VECTORS` vectors of gradients.
    /// Every input has `VECTORS` vectors of sums.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "unrolled")]
    unsafe fn add<const INPUTS: usize, const VECTORS: usize, const GROUPED: bool>(
        self,
        sums: &mut [f32],
    ) {
        let simd = self.simd;
        let groups: [usize; VECTORS] = array::from_fn(|v| self.inputs[v] - self.inputs[0]);
        let to = sums.as_mut_ptr().cast::<S::f32s>();
        let mut grads = self.grads.as_ptr().cast::<S::f32s>();
        // SAFETY: the caller guarantees the bounds. Reads and writes are unaligned.
        unsafe {
            // Partial sums over few pixels have smaller rounding errors than one sum over all
            // pixels.
            let mut sums = [[simd.splat_f32s(0.0); VECTORS]; INPUTS];
            for first in self.firsts {
                let x = self.x.as_ptr().add(*first);
                let row: [S::f32s; VECTORS] =
                    array::from_fn(|vector| grads.add(vector).read_unaligned());
                grads = grads.add(VECTORS);
                for input in 0..INPUTS {
                    let value = simd.splat_f32s(*x.add(input));
                    for vector in 0..VECTORS {
                        let value = match GROUPED {
                            true => simd.splat_f32s(*x.add(input + groups[vector])),
                            false => value,
                        };
                        sums[input][vector] =
                            simd.mul_add_e_f32s(value, row[vector], sums[input][vector]);
                    }
                }
            }
            for input in 0..INPUTS {
                for vector in 0..VECTORS {
                    let to = to.add(input * VECTORS + vector);
                    to.write_unaligned(simd.add_f32s(to.read_unaligned(), sums[input][vector]));
                }
            }
        }
    }
}
