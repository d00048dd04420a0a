//! The steps of a network, derived from the plan of its config.

mod block;
mod builder;
mod names;
mod quantized;

use alloc::string::String;
use alloc::vec::Vec;

use resnet_core::{ConvPlan, GlobalPool, NormKind, ResNetConfig};
use resnet_kernels::int8::Quantization;

use builder::Builder;
pub use quantized::Sums;

/// A feature map or vector of the network: an index into [`Graph::channels`].
pub(crate) type Value = usize;

/// The input of the network.
pub(crate) const INPUT: Value = 0;

/// The steps of a network in the order of execution.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) layers: Vec<LayerSpec>,
    /// Channels of each value.
    pub(crate) channels: Vec<usize>,
    /// Type of each value.
    pub(crate) types: Vec<ValueType>,
    /// Name of each value. Copies of a value in another type have no name.
    pub(crate) names: Vec<String>,
    /// The feature maps from `c1` on.
    pub(crate) maps: Vec<Value>,
    pub(crate) embedding: Value,
    pub(crate) logits: Option<Value>,
}

/// The type of a value's elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ValueType {
    F32,
    U8(Quantization),
}

impl ValueType {
    /// Returns the size of an element in bytes.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::F32 => size_of::<f32>(),
            Self::U8(_) => 1,
        }
    }
}

/// A step: `output = op(input)`.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) op: Op,
    pub(crate) input: Value,
    pub(crate) output: Value,
}

/// The operation of a step. Layers are indices into [`Graph::layers`].
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// `relu(conv(x) + residual)`; the layer says whether there is a ReLU.
    Conv {
        layer: usize,
        residual: Option<Value>,
    },
    /// Converts floats to 8-bit integers.
    Quantize,
    /// Converts 8-bit integers to floats.
    Dequantize,
    /// `relu(x + other)` of 8-bit integers.
    AddRelu { other: Value },
    /// `relu(weight * x + bias)`
    Linear { layer: usize, relu: bool },
    /// `relu(norm(x) + residual)`
    Norm {
        layer: usize,
        residual: Option<Value>,
        relu: bool,
    },
    /// `x * sigmoid(x)`
    Silu,
    /// `relu(x * sigmoid(gate) + residual)`
    Gate {
        gate: Value,
        residual: Option<Value>,
        relu: bool,
    },
    /// A convolution along the channels.
    ChannelConv { layer: usize },
    /// A pool of windows.
    Pool(Pool),
    /// Subsampling; new channels are zero.
    ZeroPad { stride: usize },
    /// A pool of the whole map.
    GlobalPool(GlobalPool),
}

/// A pool of windows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pool {
    /// 3x3 max pool with padding 1.
    Max { stride: usize },
    /// Average pool whose kernel size equals the stride.
    Average { stride: usize },
    /// 2x2 average pool with a partial last window, in the shortcut of ResNet-D.
    Shortcut { stride: usize },
    /// 2x2 average pool of stride 1 that keeps the size.
    Same,
    /// 3x3 blur.
    Blur { stride: usize },
}

/// The parameters of a layer by their keys.
#[derive(Clone, Debug)]
pub(crate) enum LayerSpec {
    /// A convolution, with a batch norm that is folded into it.
    Conv {
        key: String,
        conv: ConvPlan,
        /// Key of the norm.
        norm: Option<String>,
        relu: bool,
    },
    /// A linear layer with bias. The weight of a 1x1 convolution has two more axes.
    Linear {
        key: String,
        channels: [usize; 2],
        conv: bool,
    },
    /// A norm that is not folded.
    Norm {
        key: String,
        kind: NormKind,
        channels: usize,
    },
    /// A kernel along the channels.
    ChannelConv { key: String, length: usize },
}

impl LayerSpec {
    pub(crate) fn key(&self) -> &str {
        match self {
            Self::Conv { key, .. }
            | Self::Linear { key, .. }
            | Self::Norm { key, .. }
            | Self::ChannelConv { key, .. } => key,
        }
    }

    /// Returns the stride of a convolution.
    pub(crate) fn stride(&self) -> Option<usize> {
        match self {
            Self::Conv { conv, .. } => Some(conv.stride),
            _ => None,
        }
    }
}

impl Graph {
    /// Creates the steps of a valid config.
    pub(crate) fn new(config: &ResNetConfig) -> Self {
        let mut builder = Builder::new(config);
        let c1 = builder.stem(INPUT);
        let mut maps = Vec::from([c1]);
        let mut x = builder.stem_pool(c1);
        for (stage, blocks) in config.plan().iter().enumerate() {
            for (index, plan) in blocks.iter().enumerate() {
                let key = alloc::format!("layer{}.{index}", stage + 1);
                x = builder.block(&key, plan, x);
            }
            maps.push(x);
        }
        if config.is_pre_activation() {
            x = builder.norm_act("bn1", x);
        }
        let embedding = builder.push(Op::GlobalPool(config.global_pool), x, config.num_features());
        let logits = (config.num_classes > 0).then(|| builder.classifier(embedding));
        builder.finish(maps, embedding, logits)
    }
}
