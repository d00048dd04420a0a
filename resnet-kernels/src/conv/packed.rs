//! Convolution weights, packed in the order in which kernels read them.

use alloc::vec::Vec;
use core::ops::Range;

use aligned_vec::{AVec, avec};

use super::geometry::Geometry;
use crate::parallel;
use crate::simd::Vectors;

/// The output channels, split into panels. A kernel computes the channels of a panel together.
///
/// If the channels of a group do not fill vectors, each group has its own panels, whose last vector
/// is partly filled.
#[derive(Clone, Debug)]
pub(super) struct Panels {
    pub(super) panels: Vec<Panel>,
    /// Number of input channels that each vector of outputs reads.
    pub(super) channels: usize,
    /// Number of inputs that each vector of outputs reads: input channels times taps.
    pub(super) depth: usize,
    lanes: usize,
}

/// Output channels that a kernel computes together.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    /// First output channel.
    pub(super) first: usize,
    /// Number of channels. The last vector may be partly filled.
    pub(super) channels: usize,
    /// First input channel of each vector.
    pub(super) inputs: Vec<usize>,
}

impl Panel {
    /// Returns whether panels cover `channels` output channels in order, in vectors of `lanes`.
    /// Kernels write exactly the channels of the panels.
    pub(super) fn are_all(panels: &[Self], channels: usize, lanes: usize) -> bool {
        let mut next = 0;
        let follows = |panel: &Self| {
            let vectors = panel.channels.div_ceil(lanes);
            let follows = panel.first == next
                && vectors == panel.inputs.len()
                && (1..=4).contains(&vectors)
                && panel.inputs.is_sorted();
            next += panel.channels;
            follows
        };
        panels.iter().all(follows) && next == channels
    }

    pub(super) fn outputs(&self) -> Range<usize> {
        self.first..self.first + self.channels
    }

    /// Returns whether the vectors read different input channels.
    pub(super) fn grouped(&self) -> bool {
        self.inputs.iter().any(|input| *input != self.inputs[0])
    }
}

impl Panels {
    /// Splits the output channels into panels.
    pub(super) fn new(geometry: &Geometry, vectors: Vectors) -> Self {
        let Vectors { lanes, beside } = vectors;
        let [all, ..] = geometry.out;
        let of_group = geometry.outputs_of_group();
        // The channels that a panel may span.
        let block = match of_group % lanes {
            0 => all,
            _ => of_group,
        };
        let inputs = geometry.inputs_of_group();
        let panel = |first: usize| {
            let end = (first / block * block + block).min(first + beside * lanes);
            let first_input = |channel: usize| channel / of_group * inputs;
            Panel {
                first,
                channels: end - first,
                inputs: (first..end).step_by(lanes).map(first_input).collect(),
            }
        };
        let firsts = (0..all)
            .step_by(block)
            .flat_map(|block_start| (block_start..block_start + block).step_by(beside * lanes));
        Self {
            panels: firsts.map(panel).collect(),
            channels: inputs,
            depth: geometry.taps() * inputs,
            lanes,
        }
    }

    /// Returns the number of channels of a panel, padded to whole vectors.
    pub(super) fn width(&self, panel: &Panel) -> usize {
        panel.inputs.len() * self.lanes
    }

    fn stretches(&self, panel: &Panel, geometry: &Geometry) -> impl Iterator<Item = Stretch> {
        let of_group = geometry.outputs_of_group();
        let Range { start, end } = panel.outputs();
        (start / of_group..=(end - 1) / of_group).map(move |group| {
            let first = start.max(group * of_group);
            Stretch {
                group,
                outputs: first - group * of_group..of_group.min(end - group * of_group),
                lane: first - start,
            }
        })
    }
}

/// The outputs of a panel that belong to one group.
#[derive(Clone)]
struct Stretch {
    group: usize,
    /// Output channels within the group.
    outputs: Range<usize>,
    /// Index of the first output in the panel.
    lane: usize,
}

/// Packed weights.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) panels: Panels,
    /// Values of each panel: the weights of the panel's channels for each input.
    pub(super) values: Vec<AVec<f32>>,
}

impl Packed {
    pub(super) fn new(weights: &Weights<'_>, geometry: &Geometry, panels: Panels) -> Self {
        let pack = |panel: &Panel| {
            let mut values = avec![0.0; panels.depth * panels.width(panel)];
            match weights.output < weights.input {
                true => weights.pack_inputs(&panels, panel, geometry, &mut values),
                false => weights.pack_outputs(&panels, panel, geometry, &mut values),
            }
            values
        };
        let values = parallel::map(panels.panels.iter(), pack);
        Self { panels, values }
    }

    /// Returns the number of values.
    pub(super) fn len(&self) -> usize {
        self.values.iter().map(|values| values.len()).sum()
    }
}

/// The weights of a panel for one output channel and some input channels.
pub(super) struct Run {
    pub(super) group: usize,
    /// Output channel within the group.
    pub(super) output: usize,
    /// Index of the output in the panel.
    pub(super) lane: usize,
    /// Input channels within the group.
    pub(super) inputs: Range<usize>,
}

impl Run {
    /// Returns the range of these weights in the packed panel, for a tap.
    pub(super) fn rows(&self, tap: usize, panels: &Panels, panel: &Panel) -> Range<usize> {
        let first = tap * panels.channels + self.inputs.start;
        let width = panels.width(panel);
        first * width..(first + self.inputs.len()) * width
    }
}

/// Splits the weights of a panel into runs. The order is cache-friendly if the weights of an output
/// are contiguous.
pub(super) fn runs(
    panels: &Panels,
    panel: &Panel,
    geometry: &Geometry,
) -> impl Iterator<Item = Run> {
    const BLOCK: usize = 16;
    let of_group = geometry.inputs_of_group();
    let of_block = move |stretch: Stretch, block: usize| {
        let lanes = stretch.lane..;
        lanes.zip(stretch.outputs).map(move |(lane, output)| Run {
            group: stretch.group,
            output,
            lane,
            inputs: block..of_group.min(block + BLOCK),
        })
    };
    panels.stretches(panel, geometry).flat_map(move |stretch| {
        let blocks = (0..of_group).step_by(BLOCK);
        blocks.flat_map(move |block| of_block(stretch.clone(), block))
    })
}

/// The unpacked weights of a convolution, and their strides.
#[derive(Clone, Debug)]
pub(super) struct Weights<'a> {
    pub(super) values: &'a [f32],
    /// Stride between groups.
    pub(super) group: usize,
    /// Stride between the output channels of a group.
    pub(super) output: usize,
    /// Stride between the input channels of a group.
    pub(super) input: usize,
    /// Offset of each tap from the first one.
    pub(super) taps: Vec<usize>,
}

impl<'a> Weights<'a> {
    /// Creates weights from a contiguous slice, `[out, in / groups, height, width]`.
    pub(super) fn new(values: &'a [f32], geometry: &Geometry) -> Self {
        let (taps, inputs) = (geometry.taps(), geometry.inputs_of_group());
        Self {
            values,
            group: geometry.outputs_of_group() * inputs * taps,
            output: inputs * taps,
            input: taps,
            taps: (0..taps).collect(),
        }
    }

    /// Packs weights whose input-channel stride is smaller than their output-channel stride.
    fn pack_outputs(
        &self,
        panels: &Panels,
        panel: &Panel,
        geometry: &Geometry,
        packed: &mut [f32],
    ) {
        let width = panels.width(panel);
        for run in runs(panels, panel, geometry) {
            let Run {
                group,
                output,
                lane,
                ref inputs,
                ..
            } = run;
            let first = group * self.group + output * self.output + inputs.start * self.input;
            let from = &self.values[first..][..inputs.len() * self.input];
            for (index, tap) in self.taps.iter().enumerate() {
                let to = packed[run.rows(index, panels, panel)].chunks_exact_mut(width);
                for (to, from) in to.zip(from.chunks_exact(self.input)) {
                    to[lane] = from[*tap];
                }
            }
        }
    }

    /// Packs weights whose output-channel stride is smaller than their input-channel stride.
    fn pack_inputs(&self, panels: &Panels, panel: &Panel, geometry: &Geometry, packed: &mut [f32]) {
        let width = panels.width(panel);
        for stretch in panels.stretches(panel, geometry) {
            let Stretch {
                group,
                outputs,
                lane,
            } = stretch;
            for input in 0..geometry.inputs_of_group() {
                let first = group * self.group + outputs.start * self.output + input * self.input;
                let from = &self.values[first..][..outputs.len() * self.output];
                for (index, tap) in self.taps.iter().enumerate() {
                    let row = index * panels.channels + input;
                    let to = packed[row * width + lane..].iter_mut();
                    for (to, from) in to.zip(from.chunks_exact(self.output)) {
                        *to = from[*tap];
                    }
                }
            }
        }
    }
}
