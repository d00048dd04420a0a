//! Appends steps to a graph.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use resnet_core::{Activation, AntiAlias, ConvPlan, NamedConv, NormKind, ResNetConfig, StemPool};

use super::names::names;
use super::{Graph, LayerSpec, Node, Op, Pool, Value, ValueType};

/// A graph under construction.
pub(super) struct Builder<'a> {
    config: &'a ResNetConfig,
    nodes: Vec<Node>,
    layers: Vec<LayerSpec>,
    channels: Vec<usize>,
}

/// The operations after a convolution.
#[derive(Clone, Copy, Default)]
pub(super) struct Finish<'a> {
    /// Key of the norm.
    pub(super) norm: Option<&'a str>,
    pub(super) residual: Option<Value>,
    pub(super) act: bool,
}

impl<'a> Builder<'a> {
    pub(super) fn new(config: &'a ResNetConfig) -> Self {
        Self {
            config,
            nodes: Vec::new(),
            layers: Vec::new(),
            channels: Vec::from([config.in_channels]),
        }
    }

    pub(super) fn finish(self, maps: Vec<Value>, embedding: Value, logits: Option<Value>) -> Graph {
        Graph {
            names: names(&self.nodes, &self.layers),
            types: vec![ValueType::F32; self.channels.len()],
            nodes: self.nodes,
            layers: self.layers,
            channels: self.channels,
            maps,
            embedding,
            logits,
        }
    }

    /// Appends a step and returns its output.
    pub(super) fn push(&mut self, op: Op, input: Value, channels: usize) -> Value {
        let output = self.channels.len();
        self.channels.push(channels);
        self.nodes.push(Node { op, input, output });
        output
    }

    pub(super) fn layer(&mut self, spec: LayerSpec) -> usize {
        self.layers.push(spec);
        self.layers.len() - 1
    }

    pub(super) fn channels(&self, value: Value) -> usize {
        self.channels[value]
    }

    fn folds_norms(&self) -> bool {
        matches!(self.config.norm, NormKind::Batch | NormKind::Frozen)
    }

    /// Appends `act(norm(conv(x)) + residual)`.
    pub(super) fn conv(
        &mut self,
        key: String,
        conv: ConvPlan,
        x: Value,
        finish: Finish<'_>,
    ) -> Value {
        let Finish {
            norm,
            residual,
            act,
        } = finish;
        let relu = act && self.config.activation == Activation::Relu;
        let folded = norm.filter(|_| self.folds_norms());
        let separate = norm.filter(|_| !self.folds_norms());
        let layer = self.layer(LayerSpec::Conv {
            key,
            conv,
            norm: folded.map(String::from),
            relu: relu && separate.is_none(),
        });
        let of_conv = residual.filter(|_| separate.is_none());
        let op = Op::Conv {
            layer,
            residual: of_conv,
        };
        let [_, channels] = conv.channels;
        let mut y = self.push(op, x, channels);
        if let Some(norm) = separate {
            y = self.norm(norm, y, residual, relu);
        }
        self.silu(y, act)
    }

    /// Appends `relu(norm(x) + residual)` for a norm that is not folded.
    fn norm(&mut self, key: &str, x: Value, residual: Option<Value>, relu: bool) -> Value {
        let channels = self.channels(x);
        let layer = self.layer(LayerSpec::Norm {
            key: key.to_string(),
            kind: self.config.norm,
            channels,
        });
        let op = Op::Norm {
            layer,
            residual,
            relu,
        };
        self.push(op, x, channels)
    }

    /// Appends `act(norm(x))`.
    pub(super) fn norm_act(&mut self, key: &str, x: Value) -> Value {
        let relu = self.config.activation == Activation::Relu;
        let y = self.norm(key, x, None, relu);
        self.silu(y, true)
    }

    /// Appends the activation if it is not a ReLU, which other steps include.
    pub(super) fn silu(&mut self, x: Value, act: bool) -> Value {
        match self.config.activation {
            Activation::Silu if act => self.push(Op::Silu, x, self.channels(x)),
            _ => x,
        }
    }

    pub(super) fn has_relu(&self) -> bool {
        self.config.activation == Activation::Relu
    }

    /// Appends the anti-aliasing layer.
    pub(super) fn anti_alias(&mut self, kind: AntiAlias, x: Value, stride: usize) -> Value {
        let pool = match kind {
            AntiAlias::None => return x,
            AntiAlias::Blur => Pool::Blur { stride },
            AntiAlias::AvgPool => Pool::Average { stride },
        };
        self.push(Op::Pool(pool), x, self.channels(x))
    }

    pub(super) fn stem(&mut self, x: Value) -> Value {
        let convs = self.config.stem_convs();
        convs
            .into_iter()
            .fold(x, |x, conv| self.named_conv(conv, x))
    }

    /// Appends a convolution of the stem. An activation follows every norm.
    fn named_conv(&mut self, named: NamedConv, x: Value) -> Value {
        let NamedConv {
            name, conv, norm, ..
        } = named;
        let finish = Finish {
            norm,
            act: norm.is_some(),
            residual: None,
        };
        self.conv(name.to_string(), conv, x, finish)
    }

    /// Appends the layer between the stem and the first stage.
    pub(super) fn stem_pool(&mut self, x: Value) -> Value {
        if let Some(conv) = self.config.stem_pool_conv() {
            return self.named_conv(conv, x);
        }
        let max = |stride| Op::Pool(Pool::Max { stride });
        let channels = self.channels(x);
        match (self.config.stem_pool, self.config.anti_alias) {
            (StemPool::Max, AntiAlias::None) => self.push(max(2), x, channels),
            (StemPool::Max, AntiAlias::Blur) => {
                let x = self.push(max(1), x, channels);
                self.anti_alias(AntiAlias::Blur, x, 2)
            }
            (StemPool::Max, AntiAlias::AvgPool) => self.anti_alias(AntiAlias::AvgPool, x, 2),
            (StemPool::None | StemPool::Conv, _) => x,
        }
    }

    pub(super) fn classifier(&mut self, x: Value) -> Value {
        let layer = self.layer(LayerSpec::Linear {
            key: String::from("fc"),
            channels: [self.channels(x), self.config.num_classes],
            conv: false,
        });
        let op = Op::Linear { layer, relu: false };
        self.push(op, x, self.config.num_classes)
    }

    /// Appends a 1x1 convolution with bias of a vector.
    pub(super) fn dense(&mut self, key: String, outputs: usize, x: Value, relu: bool) -> Value {
        let layer = self.layer(LayerSpec::Linear {
            key,
            channels: [self.channels(x), outputs],
            conv: true,
        });
        self.push(Op::Linear { layer, relu }, x, outputs)
    }

    pub(super) fn key(block: &str, name: &str) -> String {
        format!("{block}.{name}")
    }
}
