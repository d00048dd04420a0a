//! Fused layers: convolution, norm, residual sum and activation in as few passes as possible.

#[cfg(feature = "autodiff")]
mod training;

use std::sync::Once;

use burn_tensor::ops::{ConvOptions, FloatTensor};
use burn_tensor::{Tensor, TensorPrimitive, activation};
use resnet_fused::{FusedLayers, Layer, LayerNorm, LayerOutput};

use crate::{Cpu, Epilogue, Phase, conv2d_with};

/// Registers the fused layers of [`Cpu`], and of its autodiff backend, once. Every function that creates a tensor calls
/// it, so a network has them before its first forward pass.
#[inline]
pub(crate) fn register() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        let inference = FusedLayers {
            supports: |_| true,
            forward: layer,
        };
        inference.register();
        #[cfg(feature = "autodiff")]
        training::register();
    });
}

fn layer(layer: Layer<Cpu>) -> LayerOutput<Cpu> {
    let (scale, shift) = match layer.norm {
        Some(LayerNorm::Running { scale, shift }) => {
            (Some(primitive(scale)), Some(primitive(shift)))
        }
        _ => (None, None),
    };
    let conv = layer.conv.map(|conv| Convolution {
        weight: primitive(conv.weight),
        bias: conv.bias.map(primitive),
        options: conv.options,
        phase: Phase::Inference,
    });
    let affine = Affine {
        scale,
        shift,
        residual: layer.residual.map(primitive),
        relu: layer.relu,
    };
    let output = affine.forward(primitive(layer.x), conv);
    LayerOutput {
        output: tensor(output),
        statistics: None,
    }
}

struct Convolution {
    weight: FloatTensor<Cpu>,
    bias: Option<FloatTensor<Cpu>>,
    options: ConvOptions<2>,
    phase: Phase,
}

/// `relu(x * scale + shift + residual)`
#[derive(Default)]
struct Affine {
    scale: Option<FloatTensor<Cpu>>,
    shift: Option<FloatTensor<Cpu>>,
    residual: Option<FloatTensor<Cpu>>,
    relu: bool,
}

impl Affine {
    /// Of `x` after a convolution, if there is one.
    fn forward(self, x: FloatTensor<Cpu>, conv: Option<Convolution>) -> FloatTensor<Cpu> {
        match conv {
            Some(conv) => {
                // `scale * (conv(x) + bias) + shift`
                let [scale, shift, bias] =
                    [self.scale, self.shift, conv.bias].map(|values| values.map(tensor::<1>));
                let bias = match (bias, &scale) {
                    (Some(bias), Some(scale)) => Some(bias * scale.clone()),
                    (bias, _) => bias,
                };
                let bias = bias.into_iter().chain(shift).reduce(Tensor::add);
                let epilogue = Epilogue {
                    scale: scale.map(primitive),
                    bias: bias.map(primitive),
                    residual: self.residual,
                    relu: self.relu,
                };
                conv2d_with(x, conv.weight, conv.options, epilogue, conv.phase)
            }
            None => {
                let channels = |values| tensor::<1>(values).reshape([1, -1, 1, 1]);
                let x = tensor::<4>(x);
                let x = self.scale.map(channels).into_iter().fold(x, Tensor::mul);
                let x = self.shift.map(channels).into_iter().fold(x, Tensor::add);
                let x = self.residual.map(tensor).into_iter().fold(x, Tensor::add);
                primitive(if self.relu { activation::relu(x) } else { x })
            }
        }
    }
}

fn primitive<const D: usize>(tensor: Tensor<Cpu, D>) -> FloatTensor<Cpu> {
    tensor.into_primitive().tensor()
}

fn tensor<const D: usize>(primitive: FloatTensor<Cpu>) -> Tensor<Cpu, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}
