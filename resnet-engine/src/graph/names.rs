//! The names of values.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{LayerSpec, Node, Op};

/// Name of the input of the network, as in PyTorch's quantized networks.
pub(super) const INPUT_NAME: &str = "quant";

/// Returns the name of each value: the key of its layer, or the name of the input with the
/// operation.
pub(super) fn names(nodes: &[Node], layers: &[LayerSpec]) -> Vec<String> {
    let mut names = Vec::from([INPUT_NAME.to_string()]);
    for node in nodes {
        let input = &names[node.input];
        names.push(match &node.op {
            Op::Conv { layer, .. }
            | Op::Linear { layer, .. }
            | Op::Norm { layer, .. }
            | Op::ChannelConv { layer } => layers[*layer].key().to_string(),
            Op::Silu => format!("{input}.silu"),
            Op::Gate { .. } => format!("{input}.gate"),
            Op::Pool(_) => format!("{input}.pool"),
            Op::ZeroPad { .. } => format!("{input}.zero_pad"),
            Op::GlobalPool(_) => format!("{input}.global_pool"),
            Op::Quantize | Op::Dequantize | Op::AddRelu { .. } => String::new(),
        });
    }
    names
}
