//! The norms, and folding of a batch norm into a convolution.

use burn::module::{Initializer, Module, Param};
use burn::nn::conv::Conv2d;
use burn::tensor::{Tensor, backend::Backend};

use super::{BatchNorm, BatchStatsNorm, GroupNorm, NormMode};
use crate::{NormKind, ResNetConfig};

/// A normalization layer.
#[derive(Module, Debug)]
pub enum Norm<B: Backend> {
    /// Batch normalization.
    Batch(BatchNorm<B>),
    /// Group normalization. Instance normalization has one channel per group.
    Group(GroupNorm<B>),
    /// Batch normalization without running statistics.
    BatchStats(BatchStatsNorm<B>),
    /// Batch normalization that is always in [`NormMode::Frozen`].
    Frozen(BatchNorm<B>),
}

impl NormKind {
    /// Creates the norm with weight 1 and bias 0.
    ///
    /// # Panics
    ///
    /// Panics if the groups of a group norm do not divide the channels.
    pub fn init<B: Backend>(self, channels: usize, epsilon: f64, device: &B::Device) -> Norm<B> {
        let group = |groups: usize| {
            assert!(
                groups > 0 && channels.is_multiple_of(groups),
                "group norm: expected a divisor of {channels} channels, found {groups} groups"
            );
            Norm::Group(GroupNorm {
                epsilon,
                ..GroupNorm::new(channels, groups, device)
            })
        };
        match self {
            Self::Batch => Norm::Batch(BatchNorm {
                epsilon,
                ..BatchNorm::new(channels, device)
            }),
            Self::Group { groups } => group(groups),
            Self::Instance => group(channels),
            Self::BatchStats => Norm::BatchStats(BatchStatsNorm {
                epsilon,
                ..BatchStatsNorm::new(channels, device)
            }),
            Self::Frozen => Norm::Frozen(BatchNorm {
                epsilon,
                mode: NormMode::Frozen,
                ..BatchNorm::new(channels, device)
            }),
        }
    }
}

impl<B: Backend> Norm<B> {
    /// Creates the norm of the config.
    pub(crate) fn new(config: &ResNetConfig, channels: usize, device: &B::Device) -> Self {
        config.norm.init(channels, config.norm_eps, device)
    }

    /// Sets the weight to 0, so that a residual branch that ends in this norm starts as the
    /// identity.
    pub fn zero_init(self) -> Self {
        let zeros = |weight: Param<Tensor<B, 1>>| {
            Initializer::Zeros.init(weight.lazy_shape(), &weight.lazy_device())
        };
        match self {
            Self::Batch(norm) => Self::Batch(BatchNorm {
                weight: zeros(norm.weight),
                ..norm
            }),
            Self::Group(norm) => Self::Group(GroupNorm {
                weight: zeros(norm.weight),
                ..norm
            }),
            Self::BatchStats(norm) => Self::BatchStats(BatchStatsNorm {
                weight: zeros(norm.weight),
                ..norm
            }),
            Self::Frozen(norm) => Self::Frozen(BatchNorm {
                weight: zeros(norm.weight),
                ..norm
            }),
        }
    }

    /// Applies the norm.
    ///
    /// # Shapes
    /// - `x`, output: `[batch, channels, height, width]`
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        match self {
            Self::Batch(norm) | Self::Frozen(norm) => norm.forward(x),
            Self::Group(norm) => norm.forward(x),
            Self::BatchStats(norm) => norm.forward(x),
        }
    }

    /// Sets the mode of a batch norm. Other norms have no mode.
    pub fn set_mode(&mut self, mode: NormMode) {
        if let Self::Batch(norm) = self {
            norm.mode = mode;
        }
    }
}

/// Folds a batch norm into the convolution before it: `w' = scale * w`, `b' = scale * b + shift`.
///
/// Other norms depend on their input, so they stay. If your own module folds norms, give it a
/// [`FoldMark`](super::FoldMark).
pub fn fold<B: Backend>(conv: &mut Conv2d<B>, norm: &mut Option<Norm<B>>) {
    let Some(Norm::Batch(batch_norm) | Norm::Frozen(batch_norm)) = norm else {
        return;
    };
    let (scale, shift) = batch_norm.scale_and_shift();
    let [channels] = scale.dims();
    let weight = conv.weight.val() * scale.clone().reshape([channels, 1, 1, 1]);
    let bias = match &conv.bias {
        Some(bias) => bias.val() * scale + shift,
        None => shift,
    };
    conv.weight = Param::initialized(conv.weight.id, weight.detach());
    conv.bias = Some(Param::initialized(batch_norm.bias.id, bias.detach()));
    *norm = None;
}
