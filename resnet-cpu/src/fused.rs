//! Fused layers: convolution, norm, residual sum and activation in few passes over memory.

mod bags;
#[cfg(feature = "autodiff")]
mod bags_training;
#[cfg(feature = "autodiff")]
mod training;

use std::sync::Once;

use burn_tensor::ops::FloatTensor;
use burn_tensor::{Tensor, TensorPrimitive, activation};
use resnet_fused::{FusedLayers, Layer, LayerConv, LayerNorm, LayerOutput};

use crate::{BatchNormPass, Cpu, Epilogue, Normed, Phase, conv2d_with};

/// Registers the fused layers of [`Cpu`] and of its autodiff backend, once.
///
/// Every function that creates a tensor calls it, so the layers are registered before the first
/// forward pass.
#[inline]
pub(crate) fn register() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        let inference = FusedLayers {
            supports: |_| true,
            forward: layer,
        };
        inference.register();
        bags::register();
        #[cfg(feature = "autodiff")]
        {
            bags_training::register();
            training::register();
        }
    });
}

fn layer(layer: Layer<Cpu>) -> LayerOutput<Cpu> {
    let (output, normed) = forward(layer, Phase::Inference);
    LayerOutput {
        output: tensor(output),
        statistics: normed.as_ref().map(statistics),
    }
}

/// Computes a layer. Returns its output, and the data for its backward pass if it normalizes by the
/// batch statistics.
fn forward(layer: Layer<Cpu>, phase: Phase) -> (FloatTensor<Cpu>, Option<Normed>) {
    let (x, conv, relu) = (layer.x, layer.conv, layer.relu);
    let residual = layer.residual.map(primitive);
    let (scale, bias) = match layer.norm {
        Some(LayerNorm::Batch {
            scale,
            shift,
            epsilon,
        }) => {
            let norm = BatchNormPass {
                scale: primitive(scale),
                shift: primitive(shift),
                epsilon,
                residual,
                relu,
            };
            let normed = norm.forward(affine(x, conv, Epilogue::default(), phase));
            return (normed.output.clone(), Some(normed));
        }
        Some(LayerNorm::Running { scale, shift }) => (Some(scale), Some(shift)),
        None => (None, None),
    };
    let epilogue = Epilogue {
        scale: scale.map(primitive),
        bias: bias.map(primitive),
        residual,
        relu,
    };
    (affine(x, conv, epilogue, phase), None)
}

/// Applies an optional convolution and an epilogue.
fn affine(
    x: Tensor<Cpu, 4>,
    conv: Option<LayerConv<Cpu>>,
    mut epilogue: Epilogue,
    phase: Phase,
) -> FloatTensor<Cpu> {
    let Some(conv) = conv else {
        let channels = |values| tensor::<1>(values).reshape([1, -1, 1, 1]);
        let x = epilogue
            .scale
            .map(channels)
            .into_iter()
            .fold(x, Tensor::mul);
        let x = epilogue.bias.map(channels).into_iter().fold(x, Tensor::add);
        let x = epilogue
            .residual
            .map(tensor)
            .into_iter()
            .fold(x, Tensor::add);
        return primitive(if epilogue.relu {
            activation::relu(x)
        } else {
            x
        });
    };
    if let Some(bias) = conv.bias {
        // `scale * (sum + bias) + shift`
        let [scale, shift] =
            [&epilogue.scale, &epilogue.bias].map(|values| values.clone().map(tensor));
        let bias = scale.into_iter().fold(bias, Tensor::mul);
        let bias = shift.into_iter().fold(bias, Tensor::add);
        epilogue.bias = Some(primitive(bias));
    }
    let [x, weight] = [x, conv.weight].map(primitive);
    conv2d_with(x, weight, conv.options, epilogue, phase)
}

/// Returns the mean and the unbiased variance of each channel.
fn statistics(normed: &Normed) -> [Tensor<Cpu, 1>; 2] {
    let [n, _, h, w] = tensor::<4>(normed.output.clone()).dims();
    let count = (n * h * w) as f64;
    let unbiased = tensor(normed.variance.clone()) * (count / (count - 1.0));
    [tensor(normed.mean.clone()), unbiased]
}

fn primitive<const D: usize>(tensor: Tensor<Cpu, D>) -> FloatTensor<Cpu> {
    tensor.into_primitive().tensor()
}

fn tensor<const D: usize>(primitive: FloatTensor<Cpu>) -> Tensor<Cpu, D> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}
