use aligned_vec::AVec;

use super::geometry::Geometry;
use crate::simd::Vectors;

/// Weights in the order in which the kernel reads them.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) panels: Vec<Panel>,
    /// Inputs of each vector of outputs, all taps together.
    pub(super) depth: usize,
    /// Input channels of each vector of outputs.
    pub(super) channels: usize,
    /// For each panel, input and vector: the weights of a vector's channels.
    pub(super) values: AVec<f32>,
}

/// Output channels that are computed together.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    pub(super) first: usize,
    /// The last vector may be filled in part.
    pub(super) channels: usize,
    /// The first input channel of each vector.
    pub(super) inputs: Vec<usize>,
    /// Where its weights begin.
    pub(super) start: usize,
}

impl Packed {
    /// `None` where groups and vectors do not go together.
    ///
    /// Where a vector spans several groups, it has the input channels of all of them, those of other groups with weight zero.
    pub(super) fn new(weight: &[f32], geometry: &Geometry, vectors: Vectors) -> Option<Self> {
        let Vectors { lanes, beside } = vectors;
        let groups = geometry.options.groups;
        let [all, ..] = geometry.out;
        let (of_group, inputs_of_group) = (all / groups, geometry.input[0] / groups);
        // At most four times the work for groups smaller than a vector.
        let spanned = match of_group {
            of_group if groups == 1 || of_group % lanes == 0 => 1,
            of_group if lanes % of_group == 0 && lanes <= 4 * of_group && all % lanes == 0 => {
                lanes / of_group
            }
            _ => return None,
        };
        let channels = spanned * inputs_of_group;
        let [height, width] = geometry.kernel;
        let depth = height * width * channels;
        let first_group = |channel: usize| channel / of_group / spanned * spanned;
        let mut packed = Self {
            panels: Vec::new(),
            depth,
            channels,
            values: AVec::with_capacity(64, depth * all.next_multiple_of(lanes)),
        };
        for first in (0..all).step_by(beside * lanes) {
            let end = all.min(first + beside * lanes);
            let starts = (first..end).step_by(lanes);
            let inputs: Vec<_> = starts
                .map(|channel| first_group(channel) * inputs_of_group)
                .collect();
            packed.panels.push(Panel {
                first,
                channels: end - first,
                start: packed.values.len(),
                inputs: inputs.clone(),
            });
            for tap in 0..height * width {
                for input in 0..channels {
                    for channel in first..first + inputs.len() * lanes {
                        let group = channel / of_group;
                        let within = inputs_of_group * (group - first_group(channel).min(group));
                        let of_this = input
                            .checked_sub(within)
                            .filter(|input| *input < inputs_of_group);
                        packed.values.push(match of_this {
                            Some(input) if channel < all => {
                                weight[(channel * inputs_of_group + input) * height * width + tap]
                            }
                            _ => 0.0,
                        });
                    }
                }
            }
        }
        Some(packed)
    }
}
