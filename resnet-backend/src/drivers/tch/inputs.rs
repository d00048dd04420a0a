//! The inputs of a fused layer as parents of one node of Burn's autograd graph.

use burn::backend::{Autodiff, LibTorch};
use burn::tensor::Tensor;
use burn::tensor::ops::{ConvOptions, FloatTensor};
use resnet_fused::{Layer, LayerNorm};

type Train = Autodiff<LibTorch>;

/// Input, weight and bias of the convolution, scale and shift of the norm, residual. A missing one is a tensor without
/// elements.
pub(super) type Inputs = [FloatTensor<Train>; 6];

/// Which parts a [`Layer`] has.
#[derive(Clone, Debug)]
pub(super) struct Form {
    /// Options of the convolution.
    pub(super) options: Option<ConvOptions<2>>,
    /// Epsilon of a norm by the statistics of the batch.
    pub(super) epsilon: Option<f64>,
    /// Whether the convolution has a bias.
    pub(super) bias: bool,
    /// Whether there is a norm.
    pub(super) norm: bool,
    /// Whether there is a residual.
    pub(super) residual: bool,
    /// Whether the output is `max(y, 0)`.
    pub(super) relu: bool,
}

/// Splits a layer into its inputs and its form.
pub(super) fn inputs(layer: Layer<Train>) -> (Inputs, Form) {
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

fn primitive<const D: usize>(tensor: Option<Tensor<Train, D>>) -> FloatTensor<Train> {
    let tensor = tensor.unwrap_or_else(|| Tensor::empty([0; D], &Default::default()));
    tensor.into_primitive().tensor()
}
