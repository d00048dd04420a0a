//! The inputs of a fused layer: the parents of its node in Burn's autograd graph.

use burn::backend::{Autodiff, LibTorch};
use burn::tensor::Tensor;
use burn::tensor::ops::{ConvOptions, FloatTensor};
use resnet_fused::{Layer, LayerNorm};

type Train = Autodiff<LibTorch>;

/// The input of the layer, the weight and bias of the convolution, the scale and shift of the norm,
/// and the residual. An absent input is an empty tensor.
pub(super) type Inputs = [FloatTensor<Train>; 6];

/// The parts of a [`Layer`] that are present, with their options.
#[derive(Clone, Debug)]
pub(super) struct Form {
    /// Options of the convolution, if there is one.
    pub(super) options: Option<ConvOptions<2>>,
    /// Epsilon of the norm, if it uses batch statistics.
    pub(super) epsilon: Option<f64>,
    /// Whether the convolution has a bias.
    pub(super) bias: bool,
    /// Whether the layer has a norm.
    pub(super) norm: bool,
    /// Whether the layer adds a residual.
    pub(super) residual: bool,
    /// Whether the layer ends in a ReLU.
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
