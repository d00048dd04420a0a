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
    pub(super) bias: Option<&'a [f32]>,
    /// Laid out as the output.
    pub(super) residual: Option<&'a [f32]>,
    pub(super) relu: bool,
}

/// What one core does at a time.
struct Part {
    pixels: Range<usize>,
    panels: Range<usize>,
}

/// The output, of which every core writes its own part.
#[derive(Clone, Copy)]
struct Output(*mut f32);

// SAFETY: parts do not overlap, and each is written by one thread.
unsafe impl Send for Output {}
// SAFETY: as above.
unsafe impl Sync for Output {}

impl Job<'_> {
    /// The output as `[batch, height, width, channels]`.
    pub(super) fn run(&self) -> Vec<f32> {
        let [channels, ..] = self.geometry.out;
        let length = self.geometry.pixels() * channels;
        let runs = self.geometry.runs(self.weights.channels);
        self.check(&runs, length);
        let mut output = Vec::with_capacity(length);
        let to = Output(output.as_mut_ptr());
        let parts = self.parts();
        let work = |part: &Part| {
            arch().dispatch(PartOfJob {
                job: self,
                runs: &runs,
                part,
                to,
            });
        };
        match parts.as_slice() {
            [part] => work(part),
            parts => parts.par_iter().for_each(work),
        }
        // SAFETY: the parts together are all pixels and channels, so every value is written.
        unsafe { output.set_len(length) };
        output
    }

    /// What the unsafe code below relies on.
    fn check(&self, runs: &[Run], length: usize) {
        let geometry = self.geometry;
        let last = geometry.first_inputs(geometry.pixels() - 1..geometry.pixels())[0];
        let end = runs.iter().map(|run| run.offset + run.length).max();
        let inputs = self.weights.panels.iter().flat_map(|panel| &panel.inputs);
        let end = last + end.unwrap_or(0) + inputs.max().unwrap_or(&0);
        assert!(end <= self.x.len());
        let depth: usize = runs.iter().map(|run| run.length).sum();
        assert_eq!(depth, self.weights.depth);
        let lanes = vectors().lanes;
        for panel in &self.weights.panels {
            let values = panel.inputs.len() * lanes * depth;
            assert!(panel.start + values <= self.weights.values.len());
            assert!(panel.channels <= panel.inputs.len() * lanes);
            assert!(panel.first + panel.channels <= geometry.out[0]);
        }
        assert!(self.bias.is_none_or(|bias| bias.len() == geometry.out[0]));
        assert!(
            self.residual
                .is_none_or(|residual| residual.len() == length)
        );
    }

    /// Split by pixels or by channels, whichever has the cores read less.
    fn parts(&self) -> Vec<Part> {
        /// Multiply-adds that are not worth a second core.
        const SMALL: usize = 200_000;
        /// Values of the input that stay in a core's second cache beside the weights.
        const NEAR: usize = 128 * 1024;
        let geometry = self.geometry;
        let (pixels, panels) = (geometry.pixels(), self.weights.panels.len());
        let cores = rayon::current_num_threads();
        let work = pixels * self.weights.depth * geometry.out[0];
        if cores == 1 && self.x.len() <= NEAR || work <= SMALL {
            return vec![Part {
                pixels: 0..pixels,
                panels: 0..panels,
            }];
        }
        let by_channels = panels >= cores
            && (panels % cores == 0 || panels >= 4 * cores)
            && self.weights.values.len() > self.x.len();
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
fn ranges(length: usize, count: usize) -> impl Iterator<Item = Range<usize>> {
    let at = move |index: usize| length * index / count;
    (0..count).map(move |index| at(index)..at(index + 1))
}

struct PartOfJob<'a> {
    job: &'a Job<'a>,
    runs: &'a [Run],
    part: &'a Part,
    to: Output,
}

impl WithSimd for PartOfJob<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Part { pixels, panels } = self.part;
        let firsts = self.job.geometry.first_inputs(pixels.clone());
        for panel in &self.job.weights.panels[panels.clone()] {
            let tiles = Tiles {
                simd,
                job: self.job,
                runs: self.runs,
                firsts: &firsts,
                pixel: pixels.start,
                panel,
                to: self.to,
            };
            let grouped = panel.inputs.iter().any(|input| *input != panel.inputs[0]);
            match (panel.inputs.len(), grouped) {
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
    to: Output,
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
        let (simd, channels) = (self.simd, self.job.geometry.out[0]);
        let width = VECTORS * S::F32_LANES;
        let at = (self.pixel + start) * channels + self.panel.first;
        let residual = self.job.residual.map(|residual| &residual[at..]);
        let lowest = |relu: bool| simd.splat_f32s(if relu { 0.0 } else { f32::NEG_INFINITY });
        let sums = Sums {
            tiles: self,
            start,
            lowest: lowest(self.job.relu && self.panel.channels == width),
        };
        // SAFETY: `at` and the channels after it are of this part, which no other thread writes, and inside of the output, which
        // has room for all pixels and channels; the residual is as long, by `Job::check`.
        unsafe {
            let to = self.to.0.add(at);
            if self.panel.channels == width {
                return sums.write::<PIXELS, VECTORS, GROUPED>(
                    to,
                    channels,
                    residual.map(<[f32]>::as_ptr),
                );
            }
            // The last vector is filled in part: whole vectors go where there is room for them.
            let mut whole = [[simd.splat_f32s(0.0); VECTORS]; PIXELS];
            let whole = whole.as_mut_ptr().cast::<f32>();
            sums.write::<PIXELS, VECTORS, GROUPED>(whole, width, None);
            for pixel in 0..PIXELS {
                for channel in 0..self.panel.channels {
                    let index = pixel * channels + channel;
                    let sum = *whole.add(pixel * width + channel);
                    let sum = sum + residual.map_or(0.0, |residual| residual[index]);
                    let cut = self.job.relu && sum < 0.0;
                    to.add(index).write(if cut { 0.0 } else { sum });
                }
            }
        }
    }
}

/// The outputs of a few pixels for a panel.
struct Sums<'a, S: Simd> {
    tiles: &'a Tiles<'a, S>,
    start: usize,
    /// What outputs are at least.
    lowest: S::f32s,
}

impl<S: Simd> Sums<'_, S> {
    /// Writes them, each pixel `stride` after the one before, as is the residual.
    ///
    /// # Safety
    ///
    /// There are whole vectors behind both pointers.
    #[inline(always)]
    unsafe fn write<const PIXELS: usize, const VECTORS: usize, const GROUPED: bool>(
        &self,
        to: *mut f32,
        stride: usize,
        residual: Option<*const f32>,
    ) {
        let simd = self.tiles.simd;
        let sums = self.sums::<PIXELS, VECTORS, GROUPED>();
        // Loops as short as these are unrolled, so that the sums stay in registers.
        // SAFETY: by the caller's promise.
        unsafe {
            for pixel in 0..PIXELS {
                for vector in 0..VECTORS {
                    let offset = pixel * stride + vector * S::F32_LANES;
                    let mut sum = sums[pixel][vector];
                    if let Some(residual) = residual {
                        let residual = residual.add(offset).cast::<S::f32s>().read_unaligned();
                        sum = simd.add_f32s(sum, residual);
                    }
                    // What is not a number stays: where the comparison is false, the sum is kept.
                    let low = simd.less_than_f32s(sum, self.lowest);
                    sum = simd.select_f32s(low, self.lowest, sum);
                    to.add(offset).cast::<S::f32s>().write_unaligned(sum);
                }
            }
        }
    }

    /// Bias and products.
    #[inline(always)]
    fn sums<const PIXELS: usize, const VECTORS: usize, const GROUPED: bool>(
        &self,
    ) -> [[S::f32s; VECTORS]; PIXELS] {
        let (simd, tiles, panel) = (self.tiles.simd, self.tiles, self.tiles.panel);
        let bias: [S::f32s; VECTORS] = array::from_fn(|vector| match tiles.job.bias {
            Some(bias) => {
                let first = panel.first + vector * S::F32_LANES;
                let end = (first + S::F32_LANES).min(panel.first + panel.channels);
                simd.partial_load_f32s(&bias[first..end])
            }
            None => simd.splat_f32s(0.0),
        });
        let mut sums = [bias; PIXELS];
        let firsts: [usize; PIXELS] =
            array::from_fn(|pixel| tiles.firsts[self.start + pixel] + panel.inputs[0]);
        let groups: [usize; VECTORS] = array::from_fn(|v| panel.inputs[v] - panel.inputs[0]);
        // SAFETY: `Job::check` has compared the last input and the weights of every panel with what there is. A pointer is
        // moved only where values follow.
        unsafe {
            let mut weights = tiles
                .job
                .weights
                .values
                .as_ptr()
                .add(panel.start)
                .cast::<S::f32s>();
            for run in tiles.runs {
                let x: [*const f32; PIXELS] =
                    array::from_fn(|pixel| tiles.job.x.as_ptr().add(firsts[pixel] + run.offset));
                for input in 0..run.length {
                    let row: [S::f32s; VECTORS] = array::from_fn(|vector| *weights.add(vector));
                    weights = weights.add(VECTORS);
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
        }
        sums
    }
}
