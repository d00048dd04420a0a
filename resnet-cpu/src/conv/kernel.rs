//! The loop that all convolutions spend their time in.

use core::array;
use core::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::geometry::{Geometry, Run};
use super::packed::{Packed, Panel};
use crate::simd::{arch, vectors};

/// A convolution, ready to run.
pub(super) struct Job<'a> {
    /// `[batch, height, width, channels]` with padding.
    pub(super) x: &'a [f32],
    pub(super) weights: &'a Packed,
    pub(super) geometry: &'a Geometry,
    /// Of each output channel, to the end of the last vector, as is the bias.
    pub(super) scale: Vec<f32>,
    pub(super) bias: Vec<f32>,
    pub(super) relu: bool,
}

/// What one core does at a time.
struct Part {
    pixels: Range<usize>,
    panels: Range<usize>,
}

/// The output, of which every core writes its own part, and what is added to it, which may be the same memory.
#[derive(Clone, Copy)]
struct Place {
    to: *mut f32,
    residual: Option<*const f32>,
}

// SAFETY: parts do not overlap, and each is read and written by one thread.
unsafe impl Send for Place {}
// SAFETY: as above.
unsafe impl Sync for Place {}

impl Job<'_> {
    /// The output as `[batch, height, width, channels]`, after `residual` of the same form was added.
    pub(super) fn run(&self, residual: Option<&[f32]>) -> Vec<f32> {
        let length = self.geometry.output().iter().product();
        assert!(residual.is_none_or(|residual| residual.len() == length));
        let mut output = Vec::with_capacity(length);
        // SAFETY: there is room for all values, and as many in the residual; the job writes every one.
        unsafe {
            self.write(Place {
                to: output.as_mut_ptr(),
                residual: residual.map(<[f32]>::as_ptr),
            });
            output.set_len(length);
        }
        output
    }

    /// The same in the place of `residual`.
    pub(super) fn run_over(&self, residual: &mut [f32]) {
        assert_eq!(
            residual.len(),
            self.geometry.output().iter().product::<usize>()
        );
        let to = residual.as_mut_ptr();
        // SAFETY: as many values are there as the job reads and writes, each read before it is written.
        unsafe {
            self.write(Place {
                to,
                residual: Some(to),
            });
        }
    }

    /// # Safety
    ///
    /// Both pointers of `place` are to as many values as the output has.
    unsafe fn write(&self, place: Place) {
        let runs = self.geometry.runs(self.weights.panels.channels);
        self.check(&runs);
        let work = |part: &Part| {
            arch().dispatch(PartOfJob {
                job: self,
                runs: &runs,
                part,
                place,
            });
        };
        // The parts together are all pixels and all channels.
        match self.parts().as_slice() {
            [part] => work(part),
            parts => parts.par_iter().for_each(work),
        }
    }

    /// What the unsafe code below relies on.
    fn check(&self, runs: &[Run]) {
        let geometry = self.geometry;
        let last = geometry.first_inputs(geometry.pixels() - 1..geometry.pixels())[0];
        let end = runs.iter().map(|run| run.offset + run.length).max();
        let inputs = self
            .weights
            .panels
            .panels
            .iter()
            .flat_map(|panel| &panel.inputs);
        let end = last + end.unwrap_or(0) + inputs.max().unwrap_or(&0);
        assert!(end <= self.x.len());
        let depth: usize = runs.iter().map(|run| run.length).sum();
        assert_eq!(depth, self.weights.panels.depth);
        let lanes = vectors().lanes;
        let panels = &self.weights.panels.panels;
        assert_eq!(panels.len(), self.weights.values.len());
        for (panel, values) in panels.iter().zip(&self.weights.values) {
            assert_eq!(panel.inputs.len() * lanes * depth, values.len());
            assert!(panel.channels <= panel.inputs.len() * lanes);
            assert!(panel.first + panel.channels <= geometry.out[0]);
        }
        let channels = geometry.out[0].next_multiple_of(lanes);
        assert_eq!([self.scale.len(), self.bias.len()], [channels; 2]);
    }

    /// Split by pixels or by channels, whichever has the cores read less.
    fn parts(&self) -> Vec<Part> {
        /// Multiply-adds that are not worth a second core.
        const SMALL: usize = 200_000;
        /// Values of the input that stay in a core's second cache beside the weights.
        const NEAR: usize = 128 * 1024;
        let geometry = self.geometry;
        let (pixels, panels) = (geometry.pixels(), self.weights.panels.panels.len());
        let cores = rayon::current_num_threads();
        let work = pixels * self.weights.panels.depth * geometry.out[0];
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
    let at = move |index: usize| length * index / count;
    (0..count).map(move |index| at(index)..at(index + 1))
}

struct PartOfJob<'a> {
    job: &'a Job<'a>,
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
    job: &'a Job<'a>,
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

    /// Writes the sums of the products for some pixels.
    ///
    /// They go through memory to what follows, by constant places: were there any other use of the array that they are summed up
    /// in, the compiler would keep it in memory during the sums.
    ///
    /// # Safety
    ///
    /// There is room for all vectors of the pixels.
    #[inline(always)]
    #[allow(clippy::needless_range_loop, reason = "unrolled")]
    unsafe fn sum<const PIXELS: usize, const VECTORS: usize, const GROUPED: bool>(
        &self,
        start: usize,
        to: *mut S::f32s,
    ) {
        let (simd, job, panel) = (self.simd, self.job, self.panel);
        let mut sums = [[simd.splat_f32s(0.0); VECTORS]; PIXELS];
        let firsts: [usize; PIXELS] =
            array::from_fn(|pixel| self.firsts[start + pixel] + panel.inputs[0]);
        let groups: [usize; VECTORS] = array::from_fn(|v| panel.inputs[v] - panel.inputs[0]);
        // SAFETY: `Job::check` has compared the last input and the weights of every panel with what there is. A pointer is
        // moved only where values follow.
        unsafe {
            let mut weights = self.weights.as_ptr().cast::<S::f32s>();
            for run in self.runs {
                let x: [*const f32; PIXELS] =
                    array::from_fn(|pixel| job.x.as_ptr().add(firsts[pixel] + run.offset));
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

    /// Makes outputs of sums.
    ///
    /// # Safety
    ///
    /// There are `vectors` sums for each of the pixels, which are of this part.
    #[inline(always)]
    unsafe fn finish(&self, start: usize, pixels: usize, vectors: usize, sums: *const S::f32s) {
        let (simd, job, panel) = (self.simd, self.job, self.panel);
        let channels = job.geometry.out[0];
        let lowest = if job.relu { 0.0 } else { f32::NEG_INFINITY };
        let low = simd.splat_f32s(lowest);
        for pixel in 0..pixels {
            for vector in 0..vectors {
                let first = panel.first + vector * S::F32_LANES;
                let at = (self.pixel + start + pixel) * channels + first;
                // SAFETY: `at` and the channels after it are of this part, which no other thread reads or writes, and inside of
                // the output, which has room for all pixels and channels, as has the residual. Scale and bias have values to
                // the end of the last vector.
                unsafe {
                    let sum = *sums.add(pixel * vectors + vector);
                    let scale = job.scale.as_ptr().add(first).cast::<S::f32s>();
                    let bias = job.bias.as_ptr().add(first).cast::<S::f32s>();
                    let mut sum =
                        simd.mul_add_e_f32s(sum, scale.read_unaligned(), bias.read_unaligned());
                    let to = self.place.to.add(at);
                    let residual = self.place.residual.map(|residual| residual.add(at));
                    let left = panel.first + panel.channels - first;
                    if left >= S::F32_LANES {
                        if let Some(residual) = residual {
                            let residual = residual.cast::<S::f32s>().read_unaligned();
                            sum = simd.add_f32s(sum, residual);
                        }
                        // What is not a number stays: where the comparison is false, the sum is kept.
                        sum = simd.select_f32s(simd.less_than_f32s(sum, low), low, sum);
                        to.cast::<S::f32s>().write_unaligned(sum);
                        continue;
                    }
                    let sum = (&raw const sum).cast::<f32>();
                    for channel in 0..left {
                        let added = residual.map_or(0.0, |residual| *residual.add(channel));
                        let sum = *sum.add(channel) + added;
                        to.add(channel)
                            .write(if sum < lowest { lowest } else { sum });
                    }
                }
            }
        }
    }
}

/// Asks for the weights of some inputs ahead. They come from far: every panel is read for the first time once a convolution.
#[inline(always)]
fn prefetch<const VECTORS: usize, S: Simd>(weights: *const S::f32s) {
    #[cfg(target_arch = "x86_64")]
    for vector in 0..VECTORS {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        const AHEAD: usize = 40;
        let line = weights.wrapping_add(AHEAD * VECTORS + vector);
        // SAFETY: a hint, which may be for any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = weights;
}
