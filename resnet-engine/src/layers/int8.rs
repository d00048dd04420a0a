//! Layers with integers.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use resnet_core::ConvPlan;
use resnet_kernels::int8::{Dequantize, Int8Conv, Int8Weights, Quantization, Requantize};
use resnet_kernels::sizes::Dims;

use super::ConvLayer;
use crate::graph::ValueType;
use crate::{CompileError, QuantizedLayer};

/// A quantized convolution with packed weights.
pub(crate) struct Int8Layer {
    pub(crate) plan: ConvPlan,
    pub(crate) weights: Int8Weights,
    pub(crate) finish: Finish,
}

/// The conversion of sums.
pub(crate) enum Finish {
    Bytes(Requantize),
    Floats(Dequantize),
}

/// The types of a layer's values.
pub(crate) struct Types {
    pub(crate) input: Quantization,
    pub(crate) residual: Option<ValueType>,
    pub(crate) output: ValueType,
}

impl Int8Layer {
    pub(crate) fn new<E>(
        key: &str,
        plan: ConvPlan,
        layer: &QuantizedLayer,
        types: &Types,
        relu: bool,
    ) -> Result<Self, CompileError<E>> {
        let [inputs, outputs] = plan.channels;
        let QuantizedLayer {
            weight,
            scale,
            bias,
        } = layer;
        let taps = plan.kernel * plan.kernel;
        let lengths = [
            (
                "weight",
                weight.len(),
                outputs * inputs / plan.groups * taps,
            ),
            ("scale", scale.len(), outputs),
            ("bias", bias.len(), outputs),
        ];
        for (name, found, expected) in lengths {
            if found != expected {
                let key = format!("{key}.{name}");
                return Err(CompileError::Length {
                    key,
                    expected,
                    found,
                });
            }
        }
        let conv = ConvLayer::smallest(plan).and_then(Int8Conv::new);
        let conv = conv.ok_or_else(|| CompileError::Memory {
            key: key.to_string(),
        })?;
        // The scale of a sum, computed like PyTorch's.
        let scales: Vec<f32> = scale
            .iter()
            .map(|scale| types.input.scale * scale)
            .collect();
        if let Some(found) = scales.iter().find(|scale| !scale.is_normal()) {
            return Err(CompileError::Scale {
                name: key.to_string(),
                found: *found,
            });
        }
        let bias: Vec<f32> = bias
            .iter()
            .zip(&scales)
            .map(|(bias, scale)| bias / scale)
            .collect();
        let finish = match types.output {
            ValueType::F32 => Finish::Floats(Dequantize::new(&bias, &scales, relu)),
            ValueType::U8(Quantization { scale, zero_point }) => {
                let ratios: Vec<f32> = scales.iter().map(|each| each / scale).collect();
                let low = if relu { zero_point } else { 0 };
                let requantize = Requantize::new(&bias, &ratios, zero_point, low);
                Finish::Bytes(match types.residual {
                    Some(ValueType::U8(residual)) => {
                        requantize.with_residual(residual.zero_point, residual.scale / scale)
                    }
                    _ => requantize,
                })
            }
        };
        Ok(Self {
            plan,
            weights: conv.pack(weight, types.input.zero_point),
            finish,
        })
    }

    /// Returns the convolution for an input, or `None` if it does not fit into memory.
    pub(crate) fn conv(&self, x: Dims) -> Option<Int8Conv> {
        Int8Conv::new(ConvLayer::geometry(self.plan, x)?)
    }

    /// Returns the size of the parameters in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.weights.bytes() + 2 * self.plan.channels[1] * size_of::<f32>()
    }
}
