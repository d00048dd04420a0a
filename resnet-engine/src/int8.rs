//! Quantized networks.

mod calibration;
mod histogram;
mod noise;
mod quantize;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use resnet_core::ResNetConfig;
use resnet_kernels::int8::Quantization;

use crate::CompileError;

pub use crate::graph::Sums;
pub use calibration::{Calibration, CalibrationMethod, Calibrator};
pub use noise::{LayerNoise, NoiseMeter};

/// A network with 8-bit weights and activations.
///
/// Convolutions and linear layers have integers or floats; all other layers have floats.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedNetwork {
    /// The config.
    pub config: ResNetConfig,
    /// How residuals are added.
    pub sums: Sums,
    /// The layers with integers by their keys, such as `layer1.0.conv1` and `fc`.
    pub layers: BTreeMap<String, QuantizedLayer>,
    /// Scale and zero point of activations. The output of a layer, with its ReLU and its fused
    /// residual, has the layer's key; `quant` is the input of the network.
    pub activations: BTreeMap<String, Quantization>,
    /// The tensors of all other layers by PyTorch's keys.
    pub tensors: BTreeMap<String, Vec<f32>>,
}

/// A convolution or linear layer with integers. The batch norm that follows is folded into it.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizedLayer {
    /// Weights, `[out, in / groups, height, width]`.
    pub weight: Vec<i8>,
    /// Scale of the weights of each output channel.
    pub scale: Vec<f32>,
    /// Bias of each output channel.
    pub bias: Vec<f32>,
}

impl QuantizedNetwork {
    /// Checks the numbers.
    pub(crate) fn check<E>(&self) -> Result<(), CompileError<E>> {
        let of_layers = self.layers.iter().flat_map(|(key, layer)| {
            let scales = layer.scale.iter();
            scales.map(move |scale| (key, *scale))
        });
        let of_activations = self.activations.iter().map(|(name, q)| (name, q.scale));
        let mut scales = of_layers.chain(of_activations);
        if let Some((name, found)) = scales.find(|(_, scale)| !(scale.is_normal() && *scale > 0.0))
        {
            let name = name.clone();
            return Err(CompileError::Scale { name, found });
        }
        let infinite = |values: &[f32]| values.iter().any(|value| !value.is_finite());
        let mut layers = self.layers.iter();
        if let Some((key, _)) = layers.find(|(_, layer)| infinite(&layer.bias)) {
            let key = alloc::format!("{key}.bias");
            return Err(CompileError::NotFinite { key });
        }
        let mut tensors = self.tensors.iter();
        let wrong = tensors.find(|(key, values)| {
            let negative = || values.iter().any(|value| *value < 0.0);
            infinite(values) || key.ends_with("running_var") && negative()
        });
        match wrong {
            Some((key, _)) => Err(CompileError::NotFinite { key: key.clone() }),
            None => Ok(()),
        }
    }
}
