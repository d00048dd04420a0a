//! The gradient of a convolution's weights.
//!
//! A tile is the weight gradient for a panel of outputs and a few adjacent inputs of a kernel row.
//! It stays in registers while the loop visits the pixels. Each pixel adds the products of its
//! inputs and its output gradients.

mod part;

use alloc::borrow::Cow;
use alloc::vec;
use alloc::vec::Vec;

use super::geometry::{Geometry, Run};
use super::packed::{self, Panel, Panels};
use super::padded;
use crate::layout::Map;
use crate::parallel::{self, ranges};
use crate::simd::vectors;
use part::{MOST, Part};

/// Computes the gradient of a convolution's weights, `[out, in / groups, height, width]`, from the
/// input and the channels-last gradient of the output.
///
/// # Panics
///
/// Panics if the number of inputs or gradients is wrong.
pub fn gradient(geometry: &Geometry, x: Map<'_>, grad: &[f32]) -> Vec<f32> {
    assert_eq!(grad.len(), geometry.outputs(), "gradients");
    let panels = Panels::new(geometry, vectors());
    let mut firsts = Vec::new();
    geometry.indices(0..geometry.pixels(), &mut firsts, &mut Vec::new());
    let job = GradWeight {
        x: &padded::padded(x, geometry),
        grads: outputs(grad, geometry, &panels),
        tiles: tiles(&geometry.runs(panels.channels)),
        firsts,
        panels: &panels,
        geometry,
    };
    unpack(&job.run(), geometry, &panels)
}

/// Adjacent inputs of a pixel. The kernel computes the gradients of their weights together.
#[derive(Clone, Copy, Debug)]
struct Tile {
    /// Offset from the first input of the pixel.
    offset: usize,
    inputs: usize,
}

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

/// Returns the output gradients of each panel, `[pixel, channel of the panel]`.
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

/// Converts packed gradients to `[out, in / groups, height, width]`.
fn unpack(sums: &[Vec<f32>], geometry: &Geometry, panels: &Panels) -> Vec<f32> {
    let (inputs, taps) = (geometry.inputs_of_group(), geometry.taps());
    let of_channel = inputs * taps;
    let mut values = vec![0.0; geometry.out[0] * of_channel];
    let mut rest = &mut values[..];
    let of_panels = panels.panels.iter().zip(sums).map(|(panel, sums)| {
        let (own, others) = core::mem::take(&mut rest).split_at_mut(panel.channels * of_channel);
        rest = others;
        (panel, sums, own)
    });
    parallel::each_of(of_panels.collect(), |(panel, sums, values)| {
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
    });
    values
}

/// The arguments of the kernel.
struct GradWeight<'a> {
    /// Padded input, `[batch, height, width, channels]`.
    x: &'a [f32],
    grads: Vec<Cow<'a, [f32]>>,
    tiles: Vec<Tile>,
    /// Index of the first input of each pixel.
    firsts: Vec<usize>,
    panels: &'a Panels,
    geometry: &'a Geometry,
}

impl GradWeight<'_> {
    /// Computes the gradients in the layout of packed weights.
    fn run(&self) -> Vec<Vec<f32>> {
        self.check();
        let zeros = |panel: &Panel| vec![0.0; self.panels.depth * self.panels.width(panel)];
        let mut sums: Vec<_> = self.panels.panels.iter().map(zeros).collect();
        parallel::each_of(self.parts(&mut sums), |part| part.run(self));
        sums
    }

    /// Splits the tiles of each panel into enough parts for all cores.
    fn parts<'a>(&self, sums: &'a mut [Vec<f32>]) -> Vec<Part<'a>> {
        /// Number of tiles that share the cached output gradients.
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

    /// Asserts the preconditions of the unsafe code of [`Part`], in addition to the invariants of
    /// [`Geometry`].
    fn check(&self) {
        let (geometry, lanes) = (self.geometry, vectors().lanes);
        let Panels {
            panels,
            channels,
            depth,
            ..
        } = self.panels;
        // `Geometry` guarantees that every tap is inside a padded input of this size.
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
