use core::ops::Range;

use aligned_vec::{AVec, avec};
use rayon::prelude::*;

use super::geometry::Geometry;
use crate::simd::Vectors;

/// Which output channels are computed together.
///
/// Where a vector spans several groups, it has the input channels of all of them, those of other groups with weight zero.
#[derive(Clone, Debug)]
pub(super) struct Panels {
    pub(super) panels: Vec<Panel>,
    /// Input channels of each vector of outputs.
    pub(super) channels: usize,
    /// The same for all taps together.
    pub(super) depth: usize,
    lanes: usize,
    spanned: usize,
}

/// Output channels that are computed together.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    pub(super) first: usize,
    /// The last vector may be filled in part.
    pub(super) channels: usize,
    /// The first input channel of each vector.
    pub(super) inputs: Vec<usize>,
}

impl Panel {
    pub(super) fn outputs(&self) -> Range<usize> {
        self.first..self.first + self.channels
    }

    /// Whether the vectors have different inputs.
    pub(super) fn grouped(&self) -> bool {
        self.inputs.iter().any(|input| *input != self.inputs[0])
    }
}

impl Panels {
    /// `None` where groups and vectors do not go together.
    pub(super) fn new(geometry: &Geometry, vectors: Vectors) -> Option<Self> {
        let Vectors { lanes, beside } = vectors;
        let [all, ..] = geometry.out;
        let of_group = geometry.outputs_of_group();
        // At most four times the work for groups smaller than a vector.
        let spanned = match of_group {
            of_group if geometry.groups == 1 || of_group % lanes == 0 => 1,
            of_group if lanes % of_group == 0 && lanes <= 4 * of_group && all % lanes == 0 => {
                lanes / of_group
            }
            _ => return None,
        };
        let first_input =
            |channel: usize| channel / of_group / spanned * spanned * geometry.inputs_of_group();
        let panel = |first: usize| {
            let end = all.min(first + beside * lanes);
            Panel {
                first,
                channels: end - first,
                inputs: (first..end).step_by(lanes).map(first_input).collect(),
            }
        };
        let channels = spanned * geometry.inputs_of_group();
        Some(Self {
            panels: (0..all).step_by(beside * lanes).map(panel).collect(),
            channels,
            depth: geometry.taps() * channels,
            lanes,
            spanned,
        })
    }

    /// Channels of a panel, to the end of its last vector.
    pub(super) fn width(&self, panel: &Panel) -> usize {
        panel.inputs.len() * self.lanes
    }

    /// Where the weight for the first input of a group is among the inputs of the vector that has the group.
    fn within(&self, group: usize, geometry: &Geometry) -> usize {
        group % self.spanned * geometry.inputs_of_group()
    }
}

/// Weights in the order in which the kernel reads them.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) panels: Panels,
    /// For each panel: for each input, the weights of its channels.
    pub(super) values: Vec<AVec<f32>>,
}

impl Packed {
    pub(super) fn new(weights: Weights<'_>, geometry: &Geometry, panels: Panels) -> Self {
        let pack = |panel: &Panel| {
            let width = panels.width(panel);
            let mut values = avec![0.0; panels.depth * width];
            runs(&panels, panel, geometry, |run| {
                let from = weights.place(geometry, run.channel, run.inputs.start, run.tap);
                for index in 0..run.inputs.len() {
                    values[run.place + index * width] =
                        weights.values[from + index * weights.channels[2]];
                }
            });
            values
        };
        let values = panels.panels.par_iter().map(pack).collect();
        Self { panels, values }
    }
}

/// Weights of a panel for one output channel and one tap.
pub(super) struct Run {
    pub(super) channel: usize,
    pub(super) tap: [usize; 2],
    /// Of the channel's group.
    pub(super) inputs: Range<usize>,
    /// Of the first in the packed panel; from each to the next, it is the width of the panel.
    pub(super) place: usize,
}

/// Calls `each` for all weights of a panel, in an order that is kind to caches.
#[inline(always)]
pub(super) fn runs(panels: &Panels, panel: &Panel, geometry: &Geometry, mut each: impl FnMut(Run)) {
    const BLOCK: usize = 16;
    let width = panels.width(panel);
    let of_group = geometry.inputs_of_group();
    let [height, across] = geometry.kernel;
    for block in (0..of_group).step_by(BLOCK) {
        for (lane, channel) in panel.outputs().enumerate() {
            let within = panels.within(channel / geometry.outputs_of_group(), geometry);
            for tap in 0..height * across {
                let first = tap * panels.channels + within + block;
                each(Run {
                    channel,
                    tap: [tap / across, tap % across],
                    inputs: block..of_group.min(block + BLOCK),
                    place: first * width + lane,
                });
            }
        }
    }
}

/// Where the weights of a convolution lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weights<'a> {
    pub(super) values: &'a [f32],
    /// Of the first tap.
    pub(super) start: usize,
    /// From group to group, from output to output of a group, and from input to input.
    pub(super) channels: [usize; 3],
    /// From tap to tap, down and right; backwards if they are flipped.
    pub(super) taps: [isize; 2],
}

impl<'a> Weights<'a> {
    /// Of `[out, in / groups, height, width]`.
    pub(super) fn new(values: &'a [f32], geometry: &Geometry) -> Self {
        let (taps, inputs) = (geometry.taps(), geometry.inputs_of_group());
        Self {
            values,
            start: 0,
            channels: [
                geometry.outputs_of_group() * inputs * taps,
                inputs * taps,
                taps,
            ],
            taps: [geometry.kernel[1] as isize, 1],
        }
    }

    #[inline(always)]
    fn place(
        &self,
        geometry: &Geometry,
        channel: usize,
        input: usize,
        [y, x]: [usize; 2],
    ) -> usize {
        let of_group = geometry.outputs_of_group();
        let [group, output, step] = self.channels;
        let first =
            self.start + channel / of_group * group + channel % of_group * output + input * step;
        first
            .wrapping_add_signed(y as isize * self.taps[0])
            .wrapping_add_signed(x as isize * self.taps[1])
    }
}
