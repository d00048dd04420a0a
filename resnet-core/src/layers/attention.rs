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
            AttentionKind::SqueezeExcite { ratio } => {
                let squeezed = squeezed_channels(channels, ratio);
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
        let kernel = eca_kernel(channels);
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

impl AttentionKind {
    /// Returns the size of the attention in a block with `channels` channels.
    ///
    /// The size is the number of squeezed channels for squeeze-and-excitation, the kernel size for
    /// efficient channel attention, and 0 for none.
    ///
    /// # Examples
    ///
    /// ```
    /// use resnet_core::AttentionKind;
    ///
    /// assert_eq!(AttentionKind::SqueezeExcite { ratio: 1.0 / 16.0 }.width(2048), 128);
    /// assert_eq!(AttentionKind::EfficientChannel.width(2048), 7);
    /// ```
    pub fn width(self, channels: usize) -> usize {
        match self {
            Self::None => 0,
            Self::SqueezeExcite { ratio } => squeezed_channels(channels, ratio),
            Self::EfficientChannel => eca_kernel(channels.max(1)),
        }
    }
}

/// Returns `ratio * channels`, rounded to the nearest multiple of 8, at least 8.
pub(crate) fn squeezed_channels(channels: usize, ratio: f64) -> usize {
    let nearest = (channels as f64 * ratio + 4.0) as usize / 8 * 8;
    nearest.max(8)
}

/// Returns the kernel size `t = (log2(channels) + 1) / 2`, truncated, rounded up to an odd number
/// of at least 3.
pub(crate) fn eca_kernel(channels: usize) -> usize {
    let t = (channels.ilog2() as usize).div_ceil(2);
    (t + 1 - t % 2).max(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squeeze_and_kernel_sizes_match_timm() {
        assert_eq!(squeezed_channels(64, 1.0 / 16.0), 8);
        assert_eq!(squeezed_channels(2048, 1.0 / 16.0), 128);
        assert_eq!(squeezed_channels(256, 0.25), 64);
        // log2: 6, 8, 9, 10, 11 -> t: 3, 4, 5, 5, 6
        assert_eq!([64, 256, 512, 1024, 2048].map(eca_kernel), [3, 5, 5, 5, 7]);
    }
}
