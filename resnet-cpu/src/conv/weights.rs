//! The gradient of a convolution's weights.
//!
//! That of the weights of some inputs, side by side in a kernel row, and of a panel of outputs stays in registers while the
//! pixels go by: each adds the product of its inputs and its outputs' gradients.

use core::array;
use core::ops::Range;
use std::borrow::Cow;

use burn_backend::ops::ConvOptions;
use burn_backend::{Bytes, DType, Shape};
use burn_flex::{FlexTensor, Layout};
use pulp::{Simd, WithSimd};

use super::geometry::{Geometry, Run};
use super::kernel::ranges;
use super::packed::{self, Panel, Panels};
use super::padded;
use crate::layout::{self, Dims};
use crate::parallel;
use crate::simd::{arch, vectors};

/// `None` where there is no kernel.
pub(super) fn gradient(
    x: &FlexTensor,
    weight: Dims,
    grad: &FlexTensor,
    options: &ConvOptions<2>,
) -> Option<FlexTensor> {
    let geometry = Geometry::of_conv(layout::dims(x), weight, options)?;
    if geometry.output() != layout::dims(grad) {
        return None;
    }
    let panels = Panels::new(&geometry, vectors())?;
    let grad = layout::into_channels_last(grad.clone());
    let job = Job {
        x: &padded::padded(x, &geometry),
        grads: outputs(layout::channels_last(&grad)?, &geometry, &panels),
        tiles: tiles(&geometry.runs(panels.channels)),
        firsts: geometry.first_inputs(0..geometry.pixels()),
        panels: &panels,
        geometry: &geometry,
    };
    let values = unpack(&job.run(), &geometry, &panels);
    let layout = Layout::contiguous(Shape::from(weight.to_vec()));
    Some(FlexTensor::new(
        Bytes::from_elems(values),
        layout,
        DType::F32,
    ))
}

/// Inputs of a pixel whose weights are computed together.
#[derive(Clone, Copy, Debug)]
struct Tile {
    /// From the first input of the pixel.
    offset: usize,
    inputs: usize,
}

/// The most inputs that fill the registers.
const MOST: usize = 6;

fn tiles(runs: &[Run]) -> Vec<Tile> {
    let of_run = |run: &Run| {
        let offset = run.offset;
        ranges(run.length, run.length.div_ceil(MOST)).map(move |range| Tile {
            offset: offset + range.start,
            inputs: range.len(),
        })
    };
    runs.iter().flat_map(of_run).collect()
}

/// The gradients of outputs, for each panel and pixel those of the panel's channels.
fn outputs<'a>(grad: &'a [f32], geometry: &Geometry, panels: &Panels) -> Vec<Cow<'a, [f32]>> {
    let channels = geometry.out[0];
    let of_panel = |panel: &Panel| {
        let width = panels.width(panel);
        if panel.channels == channels && width == channels {
            return Cow::Borrowed(grad);
        }
        let mut values = vec![0.0; geometry.pixels() * width];
        let pixels = values
            .chunks_exact_mut(width)
            .zip(grad.chunks_exact(channels));
        for (to, from) in pixels {
            to[..panel.channels].copy_from_slice(&from[panel.outputs()]);
        }
        Cow::Owned(values)
    };
    parallel::map(panels.panels.iter(), of_panel)
}

/// From panels to `[out, in / groups, height, width]`.
fn unpack(sums: &[Vec<f32>], geometry: &Geometry, panels: &Panels) -> Vec<f32> {
    let (inputs, taps) = (geometry.inputs_of_group(), geometry.taps());
    let of_channel = inputs * taps;
    let mut values = vec![0.0; geometry.out[0] * of_channel];
    let most = panels.width(&panels.panels[0]);
    let of_panels = values.chunks_mut(most * of_channel);
    parallel::each(
        of_panels.zip(sums).zip(&panels.panels).collect(),
        |((values, sums), panel)| {
            let width = panels.width(panel);
            for run in packed::runs(panels, panel, geometry) {
                let to = run.lane * of_channel + run.inputs.start * taps;
                let to = &mut values[to..][..run.inputs.len() * taps];
                for tap in 0..taps {
                    let from = sums[run.rows(tap, panels, panel)].chunks_exact(width);
                    for (to, from) in to.chunks_exact_mut(taps).zip(from) {
                        to[tap] = from[run.lane];
                    }
                }
            }
        },
    );
    values
}

struct Job<'a> {
    /// `[batch, height, width, channels]` with padding.
    x: &'a [f32],
    grads: Vec<Cow<'a, [f32]>>,
    tiles: Vec<Tile>,
    /// Where the first input of each pixel is.
    firsts: Vec<usize>,
    panels: &'a Panels,
    geometry: &'a Geometry,
}

/// What one core does at a time.
struct Part<'a> {
    panel: usize,
    tiles: Range<usize>,
    /// For each input of the tiles, the sums of the panel's channels.
    sums: &'a mut [f32],
}

impl Job<'_> {
    /// Weights' gradients, packed as weights are.
    fn run(&self) -> Vec<Vec<f32>> {
        self.check();
        let zeros = |panel: &Panel| vec![0.0; self.panels.depth * self.panels.width(panel)];
        let mut sums: Vec<_> = self.panels.panels.iter().map(zeros).collect();
        let work = |part: Part<'_>| arch().dispatch(PartOfJob { job: self, part });
        parallel::each(self.parts(&mut sums), work);
        sums
    }

    /// Some tiles of a panel each, enough for all cores.
    fn parts<'a>(&self, sums: &'a mut [Vec<f32>]) -> Vec<Part<'a>> {
        /// Tiles that share what is near of the gradients.
        const FEW: usize = 8;
        let wanted = (4 * parallel::cores()).div_ceil(sums.len());
        let count = wanted.min(self.tiles.len().div_ceil(FEW));
        let mut parts = Vec::new();
        for (panel, mut sums) in sums.iter_mut().map(Vec::as_mut_slice).enumerate() {
            let width = self.panels.width(&self.panels.panels[panel]);
            for tiles in ranges(self.tiles.len(), count) {
                let inputs: usize = self.tiles[tiles.clone()]
                    .iter()
                    .map(|tile| tile.inputs)
                    .sum();
                let (own, rest) = sums.split_at_mut(inputs * width);
                sums = rest;
                parts.push(Part {
                    panel,
                    tiles,
                    sums: own,
                });
            }
        }
        parts
    }

    /// What the unsafe code below relies on, beside what [`Geometry`] is.
    fn check(&self) {
        let (geometry, lanes) = (self.geometry, vectors().lanes);
        let Panels {
            panels,
            channels,
            depth,
            ..
        } = self.panels;
        // Every tap of every pixel is in the padded input, so that its channels are among the values.
        assert_eq!(self.x.len(), geometry.inputs());
        let firsts = panels.iter().flat_map(|panel| &panel.inputs);
        assert!(
            firsts
                .max()
                .is_some_and(|first| first + channels <= geometry.input[0])
        );
        let inputs: usize = self.tiles.iter().map(|tile| tile.inputs).sum();
        assert_eq!([inputs, geometry.taps() * channels], [*depth; 2]);
        assert!(Panel::are_all(panels, geometry.out[0], lanes));
        assert_eq!(self.firsts.len(), geometry.pixels());
        assert_eq!(panels.len(), self.grads.len());
        for (panel, grads) in panels.iter().zip(&self.grads) {
            assert_eq!(self.panels.width(panel), panel.inputs.len() * lanes);
            assert_eq!(grads.len(), self.firsts.len() * panel.inputs.len() * lanes);
        }
    }
}

struct PartOfJob<'a> {
    job: &'a Job<'a>,
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
        /// Pixels whose gradients stay near while all tiles go by.
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
                // SAFETY: by `Geometry`, every tap of every pixel is in the padded input, whose length `Job::check` has compared with
                // what there is, as it has the gradients of every pixel; every input's sums are of `width` values.
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

/// What some pixels add to a tile.
struct Pixels<'a, S> {
    simd: S,
    /// From the tile's inputs of the first pixel.
    x: &'a [f32],
    firsts: &'a [usize],
    grads: &'a [f32],
    /// The first input channel of each vector.
    inputs: &'a [usize],
}

impl<S: Simd> Pixels<'_, S> {
    /// # Safety
    ///
    /// There are that many inputs for every pixel and vector, that many vectors of gradients for every pixel, and of sums for
    /// every input.
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
        // SAFETY: as the caller promises. Nothing is aligned.
        unsafe {
            // From zero, for few values at a time lose less by rounding than all in one sum.
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
