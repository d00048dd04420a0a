//! The loop that all convolutions spend their time in.

use core::array;
use core::ops::Range;

use pulp::{Simd, WithSimd};

use super::geometry::{Geometry, Run};
use super::packed::{Packed, Panel, Panels};
use super::place::{After, Job, Place};
use crate::parallel;
use crate::simd::{arch, vectors};

/// A convolution, ready to run.
pub(super) struct Direct<'a> {
    /// `[batch, height, width, channels]` with padding.
    pub(super) x: &'a [f32],
    pub(super) weights: &'a Packed,
    pub(super) geometry: &'a Geometry,
    pub(super) after: After,
}

/// What one core does at a time.
struct Part {
    pixels: Range<usize>,
    panels: Range<usize>,
}

// SAFETY: the parts are all pixels and all channels, and each is one thread's.
unsafe impl Job for Direct<'_> {
    fn geometry(&self) -> &Geometry {
        self.geometry
    }

    fn write(&self, place: Place) {
        let runs = self.geometry.runs(self.weights.panels.channels);
        self.check(&runs);
        parallel::each(self.parts(), |part| {
            arch().dispatch(PartOfJob {
                job: self,
                runs: &runs,
                part: &part,
                place,
            });
        });
    }
}

impl Direct<'_> {
    /// What the unsafe code below relies on, beside what [`Geometry`] is.
    fn check(&self, runs: &[Run]) {
        let (geometry, lanes) = (self.geometry, vectors().lanes);
        let Panels {
            panels,
            channels,
            depth,
            ..
        } = &self.weights.panels;
        // Every tap of every pixel is in the padded input, so that its channels are among the values.
        assert_eq!(self.x.len(), geometry.inputs());
        let firsts = panels.iter().flat_map(|panel| &panel.inputs);
        assert!(
            firsts
                .max()
                .is_some_and(|first| first + channels <= geometry.input[0])
        );
        let inputs: usize = runs.iter().map(|run| run.length).sum();
        assert_eq!([inputs, geometry.taps() * channels], [*depth; 2]);
        assert!(Panel::are_all(panels, geometry.out[0], lanes));
        assert_eq!(panels.len(), self.weights.values.len());
        for (panel, values) in panels.iter().zip(&self.weights.values) {
            assert_eq!(panel.inputs.len() * lanes * depth, values.len());
        }
        let channels = geometry.out[0].next_multiple_of(lanes);
        assert_eq!(
            [&self.after.scale, &self.after.bias].map(Vec::len),
            [channels; 2]
        );
    }

    /// Split by pixels or by channels, whichever has the cores read less.
    fn parts(&self) -> Vec<Part> {
        /// Multiply-adds that are not worth a second core.
        const SMALL: usize = if cfg!(miri) { 0 } else { 200_000 };
        /// Values of the input that stay in a core's second cache beside the weights.
        const NEAR: usize = 128 * 1024;
        let geometry = self.geometry;
        let (pixels, panels) = (geometry.pixels(), self.weights.panels.panels.len());
        let cores = parallel::cores();
        let outputs = pixels * geometry.out[0];
        let work = outputs.saturating_mul(self.weights.panels.depth);
        if cores == 1 && self.x.len() <= NEAR || work <= SMALL {
            return vec![Part {
                pixels: 0..pixels,
                panels: 0..panels,
            }];
        }
        let by_channels = panels >= cores
            && (panels % cores == 0 || panels >= 4 * cores)
            && self.weights.panels.depth * geometry.out[0] > self.x.len();
        if by_channels {
            let count = panels.min(4 * cores);
            return ranges(panels, count)
                .map(|panels| Part {
                    pixels: 0..pixels,
                    panels,
                })
                .collect();
        }
        let count = (self.x.len() / NEAR)
            .max(4 * cores)
            .min(pixels.div_ceil(24));
        ranges(pixels, count.next_multiple_of(cores))
            .map(|pixels| Part {
                pixels,
                panels: 0..panels,
            })
            .collect()
    }
}

/// `count` ranges, as even as can be, that are `0..length` together.
pub(super) fn ranges(length: usize, count: usize) -> impl Iterator<Item = Range<usize>> {
    // `length * index / count`, where the product may be too large.
    let (whole, rest) = match count {
        0 => (0, 0),
        count => (length / count, length % count),
    };
    let at = move |index: usize| whole * index + rest * index / count;
    (0..count).map(move |index| at(index)..at(index + 1))
}

struct PartOfJob<'a> {
    job: &'a Direct<'a>,
    runs: &'a [Run],
    part: &'a Part,
    place: Place,
}

impl WithSimd for PartOfJob<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Part { pixels, panels } = self.part;
        let firsts = self.job.geometry.first_inputs(pixels.clone());
        let weights = self.job.weights;
        for index in panels.clone() {
            let panel = &weights.panels.panels[index];
            let tiles = Tiles {
                simd,
                job: self.job,
                runs: self.runs,
                firsts: &firsts,
                pixel: pixels.start,
                panel,
                weights: &weights.values[index],
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

/// The pixels of a part for one panel.
struct Tiles<'a, S> {
    simd: S,
    job: &'a Direct<'a>,
    runs: &'a [Run],
    firsts: &'a [usize],
    pixel: usize,
    panel: &'a Panel,
    weights: &'a [f32],
    place: Place,
}

impl<S: Simd> Tiles<'_, S> {
    /// Tiles of the most pixels whose outputs fit into the registers beside the weights, as even as can be.
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
        // SAFETY: there is room for the vectors of these pixels, one after the other, of this part.
        unsafe {
            let sums = sums.as_mut_ptr().cast::<S::f32s>();
            self.sum::<PIXELS, VECTORS, GROUPED>(start, sums);
            self.finish(start, PIXELS, VECTORS, sums);
        }
    }

    /// # Safety
    ///
    /// There is room for all vectors of the pixels.
    #[inline(always)]
    unsafe fn sum<const PIXELS: usize, const VECTORS: usize, const GROUPED: bool>(
        &self,
        start: usize,
        to: *mut S::f32s,
    ) {
        let (x, inputs) = (self.job.x.as_ptr(), &self.panel.inputs);
        // SAFETY: by `Geometry`, every tap of every pixel is in the padded input; `Direct::check` has compared its length, the
        // panels' channels and their weights with what there is.
        unsafe {
            let x = array::from_fn(|pixel| x.add(self.firsts[start + pixel] + inputs[0]));
            let groups = array::from_fn(|vector| inputs[vector] - inputs[0]);
            let weights = self.weights.as_ptr().cast();
            products::<S, PIXELS, VECTORS, GROUPED>(self.simd, x, groups, self.runs, weights, to);
        }
    }

    /// Makes outputs of sums.
    ///
    /// # Safety
    ///
    /// There are `vectors` sums for each of the pixels, which are of this part.
    #[inline(always)]
    unsafe fn finish(&self, start: usize, pixels: usize, vectors: usize, sums: *const S::f32s) {
        let (simd, job, panel) = (self.simd, self.job, self.panel);
        let channels = job.geometry.out[0];
        for pixel in 0..pixels {
            for vector in 0..vectors {
                let first = panel.first + vector * S::F32_LANES;
                let at = (self.pixel + start + pixel) * channels + first;
                let left = panel.first + panel.channels - first;
                // SAFETY: `at` and the channels after it are of this part, which no other thread reads or writes, and inside of
                // the output, which has room for all pixels and channels. Scale and bias have values to the end of the last vector.
                unsafe {
                    let sum = *sums.add(pixel * vectors + vector);
                    self.place.store(simd, &job.after, sum, at, first, left);
                }
            }
        }
    }
}

/// Writes the sums of the products for some pixels, from their first inputs in `x`.
///
/// They go through memory to what follows, by constant places: were there any other use of the array that they are summed up
/// in, the compiler would keep it in memory during the sums.
///
/// # Safety
///
/// From each pixel's first input, and each vector's group there, there are the inputs of all runs; there are weights for as many vectors
/// of outputs for each of them, aligned, and there is room for all vectors of the pixels.
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "unrolled")]
pub(super) unsafe fn products<
    S: Simd,
    const PIXELS: usize,
    const VECTORS: usize,
    const GROUPED: bool,
>(
    simd: S,
    x: [*const f32; PIXELS],
    groups: [usize; VECTORS],
    runs: &[Run],
    mut weights: *const S::f32s,
    to: *mut S::f32s,
) {
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; PIXELS];
    // SAFETY: as the caller promises. A pointer is moved only where values follow.
    unsafe {
        for run in runs {
            let x = x.map(|x| x.add(run.offset));
            for input in 0..run.length {
                let row: [S::f32s; VECTORS] = array::from_fn(|vector| *weights.add(vector));
                weights = weights.add(VECTORS);
                if !GROUPED {
                    prefetch::<VECTORS, S>(weights);
                }
                for pixel in 0..PIXELS {
                    let x = x[pixel].add(input);
                    let value = simd.splat_f32s(*x);
                    for vector in 0..VECTORS {
                        let value = match GROUPED {
                            true => simd.splat_f32s(*x.add(groups[vector])),
                            false => value,
                        };
                        sums[pixel][vector] =
                            simd.mul_add_e_f32s(value, row[vector], sums[pixel][vector]);
                    }
                }
            }
        }
        for pixel in 0..PIXELS {
            for vector in 0..VECTORS {
                to.add(pixel * VECTORS + vector).write(sums[pixel][vector]);
            }
        }
    }
}

/// Asks for the weights of some inputs ahead. They come from far: every panel is read for the first time once a convolution.
#[inline(always)]
fn prefetch<const VECTORS: usize, S: Simd>(weights: *const S::f32s) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    for vector in 0..VECTORS {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        const AHEAD: usize = 40;
        let line = weights.wrapping_add(AHEAD * VECTORS + vector);
        // SAFETY: a hint, which may be for any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
    }
    #[cfg(any(not(target_arch = "x86_64"), miri))]
    let _ = weights;
}
