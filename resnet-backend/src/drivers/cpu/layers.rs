//! Layers of networks, each in as few passes over its maps as can be.

use burn::tensor::ops::{ConvOptions, FloatTensor};
use burn::tensor::{DType, Tensor, TensorPrimitive, activation};
use resnet_core::{Kernels, Layer, LayerNorm, LayerOutput};
use resnet_cpu::{Cpu, Epilogue, Phase, conv2d_with};

/// Networks on `cpu` infer and train by these functions from now on.
pub(crate) fn register() {
    let inference = Kernels {
        takes: |_| true,
        layer,
    };
    inference.register();
    let training = Kernels {
        takes: |dtype| dtype == DType::F32,
        layer: super::gradients::layer,
    };
    training.register();
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

pub(super) struct Convolution {
    pub(super) weight: FloatTensor<Cpu>,
    pub(super) bias: Option<FloatTensor<Cpu>>,
    pub(super) options: ConvOptions<2>,
    pub(super) phase: Phase,
}

/// `relu(x * scale + shift + residual)`
#[derive(Default)]
pub(super) struct Affine {
    pub(super) scale: Option<FloatTensor<Cpu>>,
    pub(super) shift: Option<FloatTensor<Cpu>>,
    pub(super) residual: Option<FloatTensor<Cpu>>,
    pub(super) relu: bool,
}

impl Affine {
    /// Of `x` after a convolution, if there is one.
    pub(super) fn forward(
        self,
        x: FloatTensor<Cpu>,
        conv: Option<Convolution>,
    ) -> FloatTensor<Cpu> {
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

pub(super) fn primitive<const D: usize>(tensor: Tensor<Cpu, D>) -> FloatTensor<Cpu> {
    tensor.into_primitive().tensor()
}

pub(super) fn tensor<const D: usize>(primitive: FloatTensor<Cpu>) -> Tensor<Cpu, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}
