//! The inputs of a fused layer that is one node of Burn's autograd graph.

use burn_autodiff::Autodiff;
use burn_tensor::Tensor;
use burn_tensor::backend::Backend;
use burn_tensor::ops::{ConvOptions, FloatTensor};

use crate::{Layer, LayerNorm};

/// Input, weight and bias of the convolution, scale and shift of the norm, residual. A missing one is a tensor without
/// elements.
pub type Inputs<B> = [FloatTensor<B>; 6];

/// The parts of a [`Layer`].
#[derive(Clone, Debug)]
pub struct Form {
    /// Options of the convolution.
    pub options: Option<ConvOptions<2>>,
    /// Epsilon of a norm by the statistics of the batch.
    pub epsilon: Option<f64>,
    /// Whether the convolution has a bias.
    pub bias: bool,
    /// Whether there is a norm.
    pub norm: bool,
    /// Whether there is a residual.
    pub residual: bool,
    /// Whether the output is `max(y, 0)`.
    pub relu: bool,
}

/// Takes a layer apart.
pub fn inputs<B: Backend>(layer: Layer<Autodiff<B>>) -> (Inputs<Autodiff<B>>, Form) {
    let (weight, bias, options) = match layer.conv {
        Some(conv) => (Some(conv.weight), conv.bias, Some(conv.options)),
        None => (None, None, None),
    };
    let (scale, shift, epsilon) = match layer.norm {
        Some(LayerNorm::Batch {
            scale,
            shift,
            epsilon,
        }) => (Some(scale), Some(shift), Some(epsilon)),
        Some(LayerNorm::Running { scale, shift }) => (Some(scale), Some(shift), None),
        None => (None, None, None),
    };
    let form = Form {
        options,
        epsilon,
        bias: bias.is_some(),
        norm: scale.is_some(),
        residual: layer.residual.is_some(),
        relu: layer.relu,
    };
    let inputs = [
        primitive(Some(layer.x)),
        primitive(weight),
        primitive(bias),
        primitive(scale),
        primitive(shift),
        primitive(layer.residual),
    ];
    (inputs, form)
}

fn primitive<B: Backend, const D: usize>(
    tensor: Option<Tensor<Autodiff<B>, D>>,
) -> FloatTensor<Autodiff<B>> {
    let tensor = tensor.unwrap_or_else(|| Tensor::empty([0; D], &Default::default()));
    tensor.into_primitive().tensor()
}
