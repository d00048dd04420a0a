use core::ops::Range;

use aligned_vec::{AVec, avec};

use super::geometry::Geometry;
use crate::parallel;
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
    /// Whether panels have all of so many channels, in their order, in vectors of so many lanes. Kernels write what panels have.
    pub(super) fn are_all(panels: &[Self], channels: usize, lanes: usize) -> bool {
        let mut next = 0;
        let follows = |panel: &Self| {
            let vectors = panel.channels.div_ceil(lanes);
            let follows = panel.first == next
                && next % lanes == 0
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

    /// Whether a vector has outputs of several groups.
    pub(super) fn span_groups(&self) -> bool {
        self.spanned > 1
    }

    /// Channels of a panel, to the end of its last vector.
    pub(super) fn width(&self, panel: &Panel) -> usize {
        panel.inputs.len() * self.lanes
    }

    fn stretches(&self, panel: &Panel, geometry: &Geometry) -> impl Iterator<Item = Stretch> {
        let of_group = geometry.outputs_of_group();
        let Range { start, end } = panel.outputs();
        let (spanned, inputs) = (self.spanned, geometry.inputs_of_group());
        (start / of_group..=(end - 1) / of_group).map(move |group| {
            let first = start.max(group * of_group);
            Stretch {
                group,
                outputs: first - group * of_group..of_group.min(end - group * of_group),
                lane: first - start,
                within: group % spanned * inputs,
            }
        })
    }
}

/// Outputs of a panel that are of one group.
#[derive(Clone)]
struct Stretch {
    group: usize,
    /// Of the group's outputs.
    outputs: Range<usize>,
    /// Of the first output in the panel.
    lane: usize,
    /// Where the group's first input is among those of the vectors.
    within: usize,
}

/// Weights in the order in which the kernel reads them.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) panels: Panels,
    /// For each panel: for each input, the weights of its channels.
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
}

/// Some weights of a panel for one output channel.
pub(super) struct Run {
    pub(super) group: usize,
    /// Of the group.
    pub(super) output: usize,
    /// Of the output in the panel.
    pub(super) lane: usize,
    /// Of the group.
    pub(super) inputs: Range<usize>,
    /// The first one among those of the vectors.
    first: usize,
}

impl Run {
    /// Where the inputs' weights for a tap are in the packed panel.
    pub(super) fn rows(&self, tap: usize, panels: &Panels, panel: &Panel) -> Range<usize> {
        let first = tap * panels.channels + self.first;
        let width = panels.width(panel);
        first * width..(first + self.inputs.len()) * width
    }
}

/// All weights of a panel, in an order that is kind to caches where those of an output lie together.
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
            first: stretch.within + block,
        })
    };
    panels.stretches(panel, geometry).flat_map(move |stretch| {
        let blocks = (0..of_group).step_by(BLOCK);
        blocks.flat_map(move |block| of_block(stretch.clone(), block))
    })
}

/// Where the weights of a convolution lie.
#[derive(Clone, Debug)]
pub(super) struct Weights<'a> {
    pub(super) values: &'a [f32],
    /// From group to group.
    pub(super) group: usize,
    /// From output to output of a group.
    pub(super) output: usize,
    /// From input to input of a group.
    pub(super) input: usize,
    /// Of each tap from the first weight for its output and input.
    pub(super) taps: Vec<usize>,
}

impl<'a> Weights<'a> {
    /// Of `[out, in / groups, height, width]`.
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

    /// From weights of which those of an output lie together.
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

    /// From weights of which those of an input lie together.
    fn pack_inputs(&self, panels: &Panels, panel: &Panel, geometry: &Geometry, packed: &mut [f32]) {
        let width = panels.width(panel);
        for stretch in panels.stretches(panel, geometry) {
            let Stretch {
                group,
                outputs,
                lane,
                within,
            } = stretch;
            for input in 0..geometry.inputs_of_group() {
                let first = group * self.group + outputs.start * self.output + input * self.input;
                let from = &self.values[first..][..outputs.len() * self.output];
                for (index, tap) in self.taps.iter().enumerate() {
                    let row = index * panels.channels + within + input;
                    let to = packed[row * width + lane..].iter_mut();
                    for (to, from) in to.zip(from.chunks_exact(self.output)) {
                        *to = from[*tap];
                    }
                }
            }
        }
    }
}
