//! The quantization of weights.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use resnet_core::{ConvPlan, ResNetConfig};

use super::calibration::Calibration;
use super::{QuantizedLayer, QuantizedNetwork, Sums};
use crate::graph::{Graph, LayerSpec, Op};
use crate::layers::Reader;
use crate::{CompileError, Precision, StateDict};

impl QuantizedNetwork {
    /// Returns the keys of the layers that can have integers: all convolutions and the classifier.
    ///
    /// # Panics
    ///
    /// Panics if the config is invalid.
    pub fn layers_of(config: &ResNetConfig) -> Vec<String> {
        let layers = Graph::new(config).layers;
        let keys = layers.iter().filter_map(|spec| match spec {
            LayerSpec::Conv { key, .. }
            | LayerSpec::Linear {
                key, conv: false, ..
            } => Some(key.clone()),
            _ => None,
        });
        keys.collect()
    }

    /// Quantizes a network: the weights of each output channel have their own scale and symmetric
    /// integers from -127 to 127. Layers for which `is_int8` is false stay in floats.
    ///
    /// The bias makes up for the mean error of the rounded weights: `b' = b - sum (w' - w) * E[x]`
    /// with the mean of each input channel.
    ///
    /// # Errors
    ///
    /// Returns an error if the config is invalid, a tensor is missing, or the calibration is of
    /// another network.
    pub fn new<S: StateDict>(
        config: &ResNetConfig,
        state: S,
        calibration: &Calibration,
        is_int8: impl Fn(&str) -> bool,
    ) -> Result<Self, CompileError<S::Error>> {
        config.validate()?;
        let graph = Graph::new(config);
        let names = Self::layers_of(config);
        let is_int8 = |key: &str| names.iter().any(|name| name == key) && is_int8(key);
        let (mut layers, mut tensors) = (BTreeMap::new(), BTreeMap::new());
        let mut state = Recorder {
            state,
            tensors: BTreeMap::new(),
        };
        let mut reader = Reader {
            state: &mut state,
            epsilon: config.norm_eps,
            precision: Precision::F32,
        };
        for (index, spec) in graph.layers.iter().enumerate() {
            let key = spec.key();
            let int8 = is_int8(key);
            match spec {
                LayerSpec::Conv { .. } | LayerSpec::Linear { .. } => {
                    let (weight, bias) = reader.folded(spec)?;
                    if int8 {
                        let mean = graph.input_name(index);
                        let mean = mean.and_then(|name| calibration.means.get(name));
                        let mean = mean.ok_or_else(|| CompileError::NoScale {
                            name: key.to_string(),
                        })?;
                        let layer = quantized(spec.conv_plan(), &weight, bias, mean);
                        layers.insert(key.to_string(), layer);
                    }
                }
                LayerSpec::Norm { .. } | LayerSpec::ChannelConv { .. } => {
                    reader.layer(spec, None)?;
                }
            }
            let read = core::mem::take(&mut reader.state.tensors);
            if !int8 {
                tensors.extend(read);
            }
        }
        let mut activations = BTreeMap::new();
        for name in graph.integers(is_int8) {
            let quantization = calibration.activations.get(name);
            let quantization = quantization.ok_or_else(|| CompileError::NoScale {
                name: name.to_string(),
            })?;
            activations.insert(name.to_string(), *quantization);
        }
        Ok(Self {
            config: config.clone(),
            sums: Sums::Fused,
            layers,
            activations,
            tensors,
        })
    }
}

/// A state dict that keeps what it reads.
struct Recorder<S> {
    state: S,
    tensors: BTreeMap<String, Vec<f32>>,
}

impl<S: StateDict> StateDict for Recorder<S> {
    type Error = S::Error;

    fn read(&mut self, key: &str, shape: &[usize]) -> Result<Vec<f32>, S::Error> {
        let values = self.state.read(key, shape)?;
        self.tensors.insert(key.to_string(), values.clone());
        Ok(values)
    }
}

impl LayerSpec {
    /// Returns the plan of a convolution, or of a linear layer as a 1x1 convolution.
    pub(super) fn conv_plan(&self) -> ConvPlan {
        match self {
            Self::Conv { conv, .. } => *conv,
            Self::Linear {
                channels: [inputs, outputs],
                ..
            } => ConvPlan::new(*inputs, *outputs, 1),
            _ => unreachable!("called for layers with a weight only"),
        }
    }
}

impl Graph {
    /// Returns the name of the input of a layer.
    pub(super) fn input_name(&self, layer: usize) -> Option<&str> {
        let node = self.nodes.iter().find(|node| match node.op {
            Op::Conv { layer: of_node, .. } | Op::Linear { layer: of_node, .. } => of_node == layer,
            _ => false,
        })?;
        Some(&self.names[node.input])
    }
}

/// The least scale of weights. The product with the scale of an input is a normal number.
const LEAST_SCALE: f32 = 1e-20;

/// Quantizes a weight. `mean` is the mean of each input channel.
fn quantized(
    plan: ConvPlan,
    weight: &[f32],
    bias: Option<Vec<f32>>,
    mean: &[f32],
) -> QuantizedLayer {
    let [inputs, outputs] = plan.channels;
    let inputs = inputs / plan.groups;
    let taps = plan.kernel * plan.kernel;
    let mut layer = QuantizedLayer {
        weight: Vec::with_capacity(weight.len()),
        scale: Vec::with_capacity(outputs),
        bias: bias.unwrap_or_else(|| alloc::vec![0.0; outputs]),
    };
    for (output, weights) in weight.chunks_exact(inputs * taps).enumerate() {
        let largest = weights
            .iter()
            .fold(0.0_f32, |most, weight| most.max(weight.abs()));
        // A channel without weights that matter becomes one of zeros.
        let scale = match largest / 127.0 {
            scale if scale > LEAST_SCALE => scale,
            _ => 1.0,
        };
        let first = output / (outputs / plan.groups) * inputs;
        let mut error = 0.0;
        for (weights, mean) in weights.chunks_exact(taps).zip(&mean[first..]) {
            for weight in weights {
                let integer = libm::rintf(weight / scale).clamp(-127.0, 127.0);
                layer.weight.push(integer as i8);
                error += f64::from(integer * scale - weight) * f64::from(*mean);
            }
        }
        layer.scale.push(scale);
        layer.bias[output] -= error as f32;
    }
    layer
}
