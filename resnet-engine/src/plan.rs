//! The sizes and places of all values for one input size.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use resnet_core::GlobalPool;
use resnet_kernels::conv::Conv;
use resnet_kernels::int8::Int8Conv;
use resnet_kernels::layout::Border;
use resnet_kernels::sizes::{Dims, count};

use crate::arena::Arena;
use crate::borders::borders;
use crate::graph::{Graph, INPUT, Node, Op, Pool, Value, ValueType};
use crate::layers::Layer;
use crate::{Outputs, RunError};

/// The steps of a run with the places of their values.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    pub(crate) dims: Vec<Dims>,
    /// Bytes of each value in the arena.
    pub(crate) places: Vec<Range<usize>>,
    /// Border of each value.
    pub(crate) borders: Vec<Border>,
    /// Number of bytes of the arena.
    pub(crate) length: usize,
}

/// A step of a run.
#[derive(Debug)]
pub(crate) struct Step {
    /// Index of the node.
    pub(crate) node: usize,
    pub(crate) conv: Option<StepConv>,
    /// Bytes of temporary values.
    pub(crate) scratch: Range<usize>,
    /// Whether the output overwrites the residual or the input.
    pub(crate) in_place: bool,
    /// Whether the border of the output must be set to its zero.
    pub(crate) clears_border: bool,
}

/// The convolution of a step.
#[derive(Clone, Debug)]
pub(crate) enum StepConv {
    F32(Conv),
    Int8(Int8Conv),
}

impl StepConv {
    /// Returns the padding of the input.
    pub(crate) fn padding(&self) -> Border {
        match self {
            Self::F32(conv) => conv.padding(),
            Self::Int8(conv) => conv.padding(),
        }
    }

    /// Returns the convolution for an input and an output with borders.
    fn with_borders(&self, input: Border, output: Border) -> Option<Self> {
        Some(match self {
            Self::F32(conv) => Self::F32(conv.with_borders(input, output)?),
            Self::Int8(conv) => Self::Int8(conv.with_borders(input, output)?),
        })
    }

    /// Returns the number of bytes of the padded input.
    fn padded_bytes(&self) -> usize {
        match self {
            Self::F32(conv) => conv.padded_len() * size_of::<f32>(),
            Self::Int8(conv) => conv.input_len(),
        }
    }
}

/// The values that a run keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// The requested outputs.
    Outputs,
    /// Every value that a step reads or writes, without borders, until the step is done.
    Steps,
}

impl Plan {
    /// Plans a run.
    pub(crate) fn new(
        graph: &Graph,
        layers: &[Layer],
        input: Dims,
        outputs: Outputs,
        keep: Keep,
    ) -> Result<Self, RunError> {
        let requested = requested(graph, outputs)?;
        let memory = || RunError::Memory {
            batch: input[0],
            height: input[2],
            width: input[3],
        };
        let dims = dims_of_values(graph, input);
        let nodes = needed(graph, &requested);
        let mut convs = Vec::with_capacity(nodes.len());
        for node in &nodes {
            let Node { op, input, .. } = &graph.nodes[*node];
            let conv = match op {
                Op::Conv { layer, .. } => match &layers[*layer] {
                    Layer::Conv(conv) => {
                        Some(StepConv::F32(conv.conv(dims[*input]).ok_or_else(memory)?))
                    }
                    Layer::Int8(conv) => {
                        Some(StepConv::Int8(conv.conv(dims[*input]).ok_or_else(memory)?))
                    }
                    _ => None,
                },
                _ => None,
            };
            convs.push(conv);
        }
        let borders = match keep {
            Keep::Outputs => borders(graph, &nodes, &convs, &requested),
            Keep::Steps => vec![Border::default(); graph.channels.len()],
        };
        let bytes = |value: Value| {
            let [rows, columns] = borders[value].map(|[before, after]| before + after);
            let [n, c, h, w] = dims[value];
            let framed = [n, c, h.saturating_add(rows), w.saturating_add(columns)];
            let count = count(&framed).ok_or_else(memory)?;
            match graph.types[value] {
                // Kernels read up to three integers in excess.
                ValueType::U8(_) => count.checked_add(4),
                kind => count.checked_mul(kind.bytes()),
            }
            .ok_or_else(memory)
        };
        let last_uses = last_uses(graph, &nodes);
        let mut arena = Arena::default();
        let mut places = vec![0..0; graph.channels.len()];
        let mut steps = Vec::with_capacity(nodes.len());
        for (index, (node, conv)) in nodes.iter().zip(convs).enumerate() {
            let Node { op, input, output } = &graph.nodes[*node];
            let dies = |value: Value| {
                value != INPUT && last_uses[value] == index && !requested.contains(&value)
            };
            // The value that the output may overwrite.
            let overwritten = match op {
                Op::Conv { residual, .. } => *residual,
                Op::Silu => Some(*input),
                _ => None,
            };
            let overwritten = overwritten.filter(|value| keep == Keep::Outputs && dies(*value));
            places[*output] = match overwritten {
                Some(value) => places[value].clone(),
                None => arena.take(bytes(*output)?),
            };
            let [inner, outer] = [*input, *output].map(|value| borders[value]);
            let scratch = match (op, &conv) {
                // A channels-first input is always copied.
                (_, Some(conv)) if *input == INPUT => conv.padded_bytes(),
                (_, Some(conv)) if inner == Border::default() && conv.padding() != inner => {
                    conv.padded_bytes()
                }
                (Op::GlobalPool(GlobalPool::AvgMax), _) => bytes(*output)?,
                _ => 0,
            };
            let scratch = arena.take(scratch);
            arena.give(&scratch);
            let conv = match conv {
                // A copy of the input has just the padding.
                Some(conv) => {
                    let inner = match scratch.is_empty() {
                        true => inner,
                        false => conv.padding(),
                    };
                    Some(conv.with_borders(inner, outer).ok_or_else(memory)?)
                }
                None => None,
            };
            for value in op.inputs(*input).filter(|value| dies(*value)) {
                if Some(value) != overwritten {
                    arena.give(&places[value]);
                }
            }
            steps.push(Step {
                node: *node,
                conv,
                scratch,
                in_place: overwritten.is_some(),
                // The border of a residual has its own zero point.
                clears_border: outer != Border::default()
                    && overwritten.is_none_or(|value| graph.zero(value) != graph.zero(*output)),
            });
        }
        Ok(Self {
            steps,
            dims,
            places,
            borders,
            length: arena.length(),
        })
    }
}

impl Graph {
    /// Returns the zero point of a value, 0 for floats.
    fn zero(&self, value: Value) -> u8 {
        match self.types[value] {
            ValueType::U8(quantization) => quantization.zero_point,
            ValueType::F32 => 0,
        }
    }
}

/// Returns the values of the requested outputs.
fn requested(graph: &Graph, outputs: Outputs) -> Result<Vec<Value>, RunError> {
    let mut values = Vec::new();
    for (index, _) in outputs.maps().iter().enumerate().filter(|(_, map)| **map) {
        values.push(*graph.maps.get(index).ok_or(RunError::NoStage {
            last: graph.maps.len(),
            requested: index + 1,
        })?);
    }
    if outputs.embedding {
        values.push(graph.embedding);
    }
    if outputs.logits {
        values.push(graph.logits.ok_or(RunError::NoClassifier)?);
    }
    Ok(values)
}

/// Returns the nodes that compute the requested values, in order.
fn needed(graph: &Graph, requested: &[Value]) -> Vec<usize> {
    let mut needed = vec![false; graph.channels.len()];
    requested.iter().for_each(|value| needed[*value] = true);
    let mut nodes = Vec::new();
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        if needed[node.output] {
            node.op
                .inputs(node.input)
                .for_each(|value| needed[value] = true);
            nodes.push(index);
        }
    }
    nodes.reverse();
    nodes
}

/// Returns the last step that reads each value.
fn last_uses(graph: &Graph, nodes: &[usize]) -> Vec<usize> {
    let mut last = vec![0; graph.channels.len()];
    for (index, node) in nodes.iter().enumerate() {
        let node = &graph.nodes[*node];
        node.op
            .inputs(node.input)
            .for_each(|value| last[value] = index);
    }
    last
}

impl Op {
    /// Returns the values that a step reads.
    pub(crate) fn inputs(&self, input: Value) -> impl Iterator<Item = Value> {
        let others = match self {
            Self::Conv { residual, .. } | Self::Norm { residual, .. } => [*residual, None],
            Self::Gate { gate, residual, .. } => [Some(*gate), *residual],
            Self::AddRelu { other } => [Some(*other), None],
            _ => [None, None],
        };
        [input].into_iter().chain(others.into_iter().flatten())
    }

    /// Returns the height and width of the output. Sizes that overflow become the largest ones.
    fn size(&self, graph: &Graph, [_, _, height, width]: Dims) -> [usize; 2] {
        let sides = [height, width];
        let up = |stride: usize| sides.map(|side| side.div_ceil(stride));
        match self {
            Self::Conv { layer, .. } => match graph.layers[*layer].stride() {
                Some(stride) => up(stride),
                None => sides,
            },
            Self::Pool(Pool::Average { stride }) => sides.map(|side| side / stride),
            Self::Pool(
                Pool::Max { stride } | Pool::Shortcut { stride } | Pool::Blur { stride },
            )
            | Self::ZeroPad { stride } => up(*stride),
            Self::GlobalPool(_) | Self::ChannelConv { .. } | Self::Linear { .. } => [1, 1],
            Self::Norm { .. }
            | Self::Silu
            | Self::Gate { .. }
            | Self::Quantize
            | Self::Dequantize
            | Self::AddRelu { .. }
            | Self::Pool(Pool::Same) => sides,
        }
    }
}

/// Returns the sizes of all values.
pub(crate) fn dims_of_values(graph: &Graph, input: Dims) -> Vec<Dims> {
    let mut dims = vec![input; graph.channels.len()];
    for node in &graph.nodes {
        let [height, width] = node.op.size(graph, dims[node.input]);
        dims[node.output] = [input[0], graph.channels[node.output], height, width];
    }
    dims
}
