//! Direct convolution.

use core::array;

use pulp::{Simd, WithSimd};

use super::Epilogue;
use super::geometry::{Geometry, Run};
use super::job::{Job, Place};
use super::packed::{Packed, Panel, Panels};
use super::products::products;
use super::split::{Part, Split};
use crate::parallel::{self, ranges};
use crate::scratch;
use crate::simd::{arch, vectors};

/// The [`Job`] of a direct convolution.
pub(super) struct Direct<'a> {
    /// Padded input, `[batch, height, width, channels]`.
    pub(super) x: &'a [f32],
    pub(super) weights: &'a Packed,
    pub(super) geometry: &'a Geometry,
    /// The runs of inputs that each vector reads.
    pub(super) runs: &'a [Run],
    pub(super) epilogue: &'a Epilogue,
}

// SAFETY: the parts cover all pixels and channels without overlap, and one thread runs each part.
unsafe impl Job for Direct<'_> {
    fn geometry(&self) -> &Geometry {
        self.geometry
    }

    fn write(&self, place: Place) {
        self.check();
        let Panels { panels, depth, .. } = &self.weights.panels;
        let split = Split::new(self.geometry, panels.len(), *depth, self.x.len());
        parallel::each(split.count(), |index| {
            scratch::with_indices(|[firsts, outputs]| {
                let part = split.part(self.geometry.pixels(), panels.len(), index);
                let pixels = part.pixels.clone();
                self.geometry.indices(pixels, firsts, outputs);
                arch().dispatch(PartOfJob {
                    job: self,
                    firsts,
                    outputs,
                    part: &part,
                    place,
                });
            });
        });
    }
}

impl Direct<'_> {
    /// Asserts the preconditions of the unsafe code below, in addition to the invariants of
    /// [`Geometry`].
    fn check(&self) {
        let (geometry, lanes) = (self.geometry, vectors().lanes);
        let Panels {
            panels,
            channels,
            depth,
            ..
        } = &self.weights.panels;
        // `Geometry` guarantees that every tap is inside a padded input of this size.
        assert_eq!(self.x.len(), geometry.inputs());
        let firsts = panels.iter().flat_map(|panel| &panel.inputs);
        assert!(
            firsts
                .max()
                .is_some_and(|first| first + channels <= geometry.input[0])
        );
        let inputs: usize = self.runs.iter().map(|run| run.length).sum();
        assert_eq!([inputs, geometry.taps() * channels], [*depth; 2]);
        assert!(Panel::are_all(panels, geometry.out[0], lanes));
        assert_eq!(panels.len(), self.weights.values.len());
        for (panel, values) in panels.iter().zip(&self.weights.values) {
            assert_eq!(panel.inputs.len() * lanes * depth, values.len());
        }
        self.epilogue.check(geometry.out[0]);
    }
}

struct PartOfJob<'a> {
    job: &'a Direct<'a>,
    /// Index of the first input of each pixel.
    firsts: &'a [usize],
    /// Index of the first output of each pixel.
    outputs: &'a [usize],
    part: &'a Part,
    place: Place,
}

impl WithSimd for PartOfJob<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let panels = &self.part.panels;
        let weights = self.job.weights;
        let block = self.block();
        for (firsts, outputs) in self.firsts.chunks(block).zip(self.outputs.chunks(block)) {
            for index in panels.clone() {
                let panel = &weights.panels.panels[index];
                let tiles = Tiles {
                    simd,
                    job: self.job,
                    firsts,
                    outputs,
                    panel,
                    weights: &weights.values[index],
                    // Usually the same core computes the next panel, in this part or the next.
                    next: weights
                        .values
                        .get(index + 1)
                        .unwrap_or(&weights.values[index]),
                    place: self.place,
                };
                match (panel.inputs.len(), panel.grouped()) {
                    (1, _) => tiles.run::<1, false>(),
                    (2, false) => tiles.run::<2, false>(),
                    (3, false) => tiles.run::<3, false>(),
                    (_, false) => tiles.run::<4, false>(),
                    (2, true) => tiles.run::<2, true>(),
                    (3, true) => tiles.run::<3, true>(),
                    (_, true) => tiles.run::<4, true>(),
                }
            }
        }
    }
}

impl PartOfJob<'_> {
    /// Returns the number of pixels that pass all panels before the next pixels do.
    ///
    /// If the weights of the part fit into a core's L2 cache, their inputs should fit as well.
    /// Otherwise each block would read all weights from memory again.
    fn block(&self) -> usize {
        /// Number of weights, and of inputs, that fit into an L2 cache together.
        const NEAR: usize = 64 * 1024;
        /// The least number of pixels, a multiple of the tiles.
        const PIXELS: usize = 48;
        let Part { pixels, panels } = self.part;
        let weights = &self.job.weights.values[panels.clone()];
        let weights: usize = weights.iter().map(|values| values.len()).sum();
        if weights > NEAR {
            // A core may get no pixels.
            return pixels.len().max(1);
        }
        let inputs = self.job.x.len().div_ceil(self.job.geometry.pixels());
        (NEAR / 2 / inputs / PIXELS).max(1) * PIXELS
    }
}

/// The pixels of a part for one panel, computed in tiles.
struct Tiles<'a, S> {
    simd: S,
    job: &'a Direct<'a>,
    firsts: &'a [usize],
    outputs: &'a [usize],
    panel: &'a Panel,
    weights: &'a [f32],
    /// Weights that are needed next.
    next: &'a [f32],
    place: Place,
}

impl<S: Simd> Tiles<'_, S> {
    /// Splits the pixels into tiles of similar size, as large as the registers allow.
    #[inline(always)]
    fn run<const VECTORS: usize, const GROUPED: bool>(self) {
        let most = if VECTORS <= 2 && S::REGISTER_COUNT >= 32 {
            12
        } else {
            6
        };
        let mut start = 0;
        while self.firsts.len() - start >= 2 * most && most == 12 {
            self.tile::<12, VECTORS, GROUPED>(start);
            start += 12;
        }
        let left = self.firsts.len() - start;
        for range in ranges(left, left.div_ceil(6)) {
            let first = start + range.start;
            match range.len() {
                1 => self.tile::<1, VECTORS, GROUPED>(first),
                2 => self.tile::<2, VECTORS, GROUPED>(first),
                3 => self.tile::<3, VECTORS, GROUPED>(first),
                4 => self.tile::<4, VECTORS, GROUPED>(first),
                5 => self.tile::<5, VECTORS, GROUPED>(first),
                _ => self.tile::<6, VECTORS, GROUPED>(first),
            }
        }
    }

    #[inline(always)]
    fn tile<const PIXELS: usize, const VECTORS: usize, const GROUPED: bool>(&self, start: usize) {
        let mut sums = [[self.simd.splat_f32s(0.0); VECTORS]; PIXELS];
        // SAFETY: `sums` has room for the vectors of these pixels, which belong to this part.
        unsafe {
            let sums = sums.as_mut_ptr().cast::<S::f32s>();
            self.sum::<PIXELS, VECTORS, GROUPED>(start, sums);
            self.finish(start, PIXELS, VECTORS, sums);
        }
    }

    /// Computes the sums of a tile.
    ///
    /// # Safety
    ///
    /// `to` has room for all vectors of the pixels.
    #[inline(always)]
    unsafe fn sum<const PIXELS: usize, const VECTORS: usize, const GROUPED: bool>(
        &self,
        start: usize,
        to: *mut S::f32s,
    ) {
        let (x, inputs) = (self.job.x.as_ptr(), &self.panel.inputs);
        // SAFETY: `Geometry` puts every tap of every pixel inside the padded input. `Direct::check`
        // has checked the length of the input, the channels of the panels and the length of their
        // weights.
        unsafe {
            let x = array::from_fn(|pixel| x.add(self.firsts[start + pixel] + inputs[0]));
            let groups = array::from_fn(|vector| inputs[vector] - inputs[0]);
            let weights = self.weights.as_ptr().cast();
            let next = &self.next[self.next.len() / self.firsts.len() * start..];
            products::<S, PIXELS, VECTORS, GROUPED>(
                self.simd,
                x,
                groups,
                self.job.runs,
                weights,
                next.as_ptr().cast(),
                to,
            );
        }
    }

    /// Applies the epilogue to the sums of a tile and writes the outputs.
    ///
    /// # Safety
    ///
    /// `sums` has `vectors` vectors for each pixel, and the pixels belong to this part.
    #[inline(always)]
    unsafe fn finish(&self, start: usize, pixels: usize, vectors: usize, sums: *const S::f32s) {
        let (simd, job, panel) = (self.simd, self.job, self.panel);
        for vector in 0..vectors {
            let first = panel.first + vector * S::F32_LANES;
            let left = panel.first + panel.channels - first;
            // SAFETY: the outputs and the following channels are inside the output and belong to
            // this part. No other thread accesses them. Scale and bias are padded to whole vectors.
            unsafe {
                let channels = job.epilogue.channels::<S>(first);
                for pixel in 0..pixels {
                    let at = self.outputs[start + pixel] + first;
                    let sum = *sums.add(pixel * vectors + vector);
                    self.place.store(simd, channels, sum, at, left);
                }
            }
        }
    }
}
