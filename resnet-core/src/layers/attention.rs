//! Channel attention: squeeze-and-excitation and efficient channel attention.

use burn::module::Module;
use burn::nn::PaddingConfig1d;
use burn::nn::conv::{Conv1d, Conv1dConfig, Conv2d};
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Tensor, backend::Backend};

use super::batch_norm::rows;
use super::conv1x1;
use crate::AttentionKind;

/// Channel attention: scales each channel by a gate in (0, 1), computed from the whole feature map.
#[derive(Module, Debug)]
pub enum Attention<B: Backend> {
    /// Squeeze-and-excitation.
    SqueezeExcite(SqueezeExcite<B>),
    /// Efficient channel attention.
    EfficientChannel(EfficientChannelAttention<B>),
}

impl<B: Backend> Attention<B> {
    /// Creates the attention of a block with `channels` channels, or `None` for
    /// [`AttentionKind::None`].
    pub fn new(kind: AttentionKind, channels: usize, device: &B::Device) -> Option<Self> {
        match kind {
            AttentionKind::None => None,
            AttentionKind::SqueezeExcite { .. } => {
                let squeezed = kind.width(channels);
                Some(Self::SqueezeExcite(SqueezeExcite {
                    fc1: conv1x1(channels, squeezed, device),
                    fc2: conv1x1(squeezed, channels, device),
                }))
            }
            AttentionKind::EfficientChannel => Some(Self::EfficientChannel(
                EfficientChannelAttention::new(channels, device),
            )),
        }
    }

    /// Applies the attention.
    ///
    /// # Shapes
    /// - `x`, output: `[batch, channels, height, width]`
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        match self {
            Self::SqueezeExcite(attention) => attention.forward(x),
            Self::EfficientChannel(attention) => attention.forward(x),
        }
    }
}

/// Squeeze-and-excitation: `y = x * sigmoid(fc2(relu(fc1(mean(x)))))` (Hu et al. 2017, section 3).
#[derive(Module, Debug)]
pub struct SqueezeExcite<B: Backend> {
    fc1: Conv2d<B>,
    fc2: Conv2d<B>,
}

impl<B: Backend> SqueezeExcite<B> {
    /// Applies the attention.
    ///
    /// # Shapes
    /// - `x`, output: `[batch, channels, height, width]`
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let gate = x.clone().mean_dim(3).mean_dim(2);
        let gate = relu(self.fc1.forward(gate));
        let gate = sigmoid(self.fc2.forward(gate));
        scale(x, gate)
    }
}

/// Efficient channel attention: `y = x * sigmoid(conv(mean(x)))`, with a 1-D convolution across
/// neighboring channels (Wang et al. 2019, section 3.2).
#[derive(Module, Debug)]
pub struct EfficientChannelAttention<B: Backend> {
    conv: Conv1d<B>,
}

impl<B: Backend> EfficientChannelAttention<B> {
    fn new(channels: usize, device: &B::Device) -> Self {
        let kernel = AttentionKind::EfficientChannel.width(channels);
        let padding = (kernel - 1) / 2;
        let conv = Conv1dConfig::new(1, 1, kernel)
            .with_padding(PaddingConfig1d::Explicit(padding, padding))
            .with_bias(false)
            .init(device);
        Self { conv }
    }

    /// Applies the attention.
    ///
    /// # Shapes
    /// - `x`, output: `[batch, channels, height, width]`
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [n, c, _, _] = x.dims();
        let gate = x.clone().mean_dim(3).mean_dim(2).reshape([n, 1, c]);
        let gate = sigmoid(self.conv.forward(gate));
        scale(x, gate.reshape([n, c, 1, 1]))
    }
}

/// Computes `x * gate`, with one gate per channel, `[n, c, 1, 1]`.
fn scale<B: Backend>(x: Tensor<B, 4>, gate: Tensor<B, 4>) -> Tensor<B, 4> {
    let [n, c, h, w] = x.dims();
    (rows(x) * gate.reshape([n * c, 1])).reshape([n, c, h, w])
}
