//! Initialization of heads, as in torchvision.

use burn::module::{Initializer, Param};
use burn::nn::conv::{Conv2d, ConvTranspose2d};
use burn::tensor::backend::Backend;
use resnet_core::layers::ConvPlan;

/// The initialization of a convolution's weight.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Weight {
    /// `N(0, std)`.
    Normal(f64),
    /// Kaiming uniform with `a = 1`, for layers without activation: `U(±sqrt(3 / fan_in))`.
    Linear,
    /// Kaiming normal with `fan_out`, for layers before a ReLU: `N(0, sqrt(2 / fan_out))`.
    Relu,
    /// PyTorch's default: `U(±sqrt(1 / fan_in))`.
    Default,
}

/// Initializes a transposed convolution before a ReLU, like [`Weight::Relu`], with biases of 0.
/// PyTorch's `fan_out` of its weight `[in, out, k, k]` is `in * k * k`.
pub(crate) fn transposed<B: Backend>(
    mut conv: ConvTranspose2d<B>,
    device: &B::Device,
) -> ConvTranspose2d<B> {
    let [input, output, height, width] = conv.weight.dims();
    let std = (2.0 / (input * height * width) as f64).sqrt();
    let weight = Initializer::Normal { mean: 0.0, std };
    conv.weight = weight.init(conv.weight.shape(), device);
    conv.bias = conv.bias.map(|_| constant([output], 0.0, device));
    conv
}

/// Creates a convolution. `bias` is the value of every bias; `None` means no bias.
pub(crate) fn conv<B: Backend>(
    plan: ConvPlan,
    weight: Weight,
    bias: Option<f64>,
    device: &B::Device,
) -> Conv2d<B> {
    let [input, output] = plan.channels;
    let area = plan.kernel * plan.kernel;
    let [fan_in, fan_out] = [input * area, output * area].map(|fan| fan as f64);
    let uniform = |bound: f64| Initializer::Uniform {
        min: -bound,
        max: bound,
    };
    let normal = |std: f64| Initializer::Normal { mean: 0.0, std };
    let weight = match weight {
        Weight::Normal(std) => normal(std),
        Weight::Linear => uniform((3.0 / fan_in).sqrt()),
        Weight::Relu => normal((2.0 / fan_out).sqrt()),
        Weight::Default => uniform((1.0 / fan_in).sqrt()),
    };
    let mut conv = plan.init(device);
    conv.weight = weight.init(conv.weight.shape(), device);
    conv.bias = bias.map(|value| constant([output], value, device));
    conv
}

fn constant<B: Backend, const D: usize>(
    shape: [usize; D],
    value: f64,
    device: &B::Device,
) -> Param<burn::tensor::Tensor<B, D>> {
    Initializer::Constant { value }.init(shape, device)
}
