//! What goes into a layer that is one step of Burn's graph.

use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use burn::tensor::ops::{ConvOptions, FloatTensor};
use resnet_core::{Layer, LayerNorm};

/// Input, the convolution's weight and bias, the norm's scale and shift, residual.
pub(super) type Inputs<B> = [FloatTensor<B>; 6];

/// What a layer consists of.
#[derive(Clone, Debug)]
pub(super) struct Form {
    /// Of the convolution.
    pub(super) options: Option<ConvOptions<2>>,
    /// Of a norm by the batch's own statistics.
    pub(super) epsilon: Option<f64>,
    pub(super) bias: bool,
    pub(super) norm: bool,
    pub(super) residual: bool,
    pub(super) relu: bool,
}

/// Where there is no tensor, one without elements is in its place.
pub(super) fn inputs<B: Backend>(layer: Layer<Autodiff<B>>) -> (Inputs<Autodiff<B>>, Form) {
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
