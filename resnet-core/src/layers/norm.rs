use burn::module::{Initializer, Module, Param};
use burn::nn::conv::Conv2d;
use burn::tensor::{Tensor, backend::Backend};

use super::{BatchNorm, BatchStatsNorm, GroupNorm, NormMode};
use crate::{NormKind, ResNetConfig};

/// The normalization of a network.
#[derive(Module, Debug)]
pub enum Norm<B: Backend> {
    /// Batch normalization.
    Batch(BatchNorm<B>),
    /// Group normalization; instance normalization has one channel per group.
    Group(GroupNorm<B>),
    /// Batch normalization without running statistics.
    BatchStats(BatchStatsNorm<B>),
}

impl<B: Backend> Norm<B> {
    pub(crate) fn new(config: &ResNetConfig, channels: usize, device: &B::Device) -> Self {
        let epsilon = config.norm_eps;
        let group = |groups| GroupNorm {
            epsilon,
            ..GroupNorm::new(channels, groups, device)
        };
        match config.norm {
            NormKind::Batch => Self::Batch(BatchNorm {
                epsilon,
                ..BatchNorm::new(channels, device)
            }),
            NormKind::Group { groups } => Self::Group(group(groups)),
            NormKind::Instance => Self::Group(group(channels)),
            NormKind::BatchStats => Self::BatchStats(BatchStatsNorm {
                epsilon,
                ..BatchStatsNorm::new(channels, device)
            }),
        }
    }

    /// The last norm of a residual branch: its weight starts at 0 where the config asks for it.
    pub(crate) fn last(config: &ResNetConfig, channels: usize, device: &B::Device) -> Self {
        let norm = Self::new(config, channels, device);
        if config.zero_init_last {
            norm.zero_init()
        } else {
            norm
        }
    }

    fn zero_init(self) -> Self {
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
        }
    }

    /// # Shapes
    /// - `x`, output: `[batch, channels, height, width]`
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        match self {
            Self::Batch(norm) => norm.forward(x),
            Self::Group(norm) => norm.forward(x),
            Self::BatchStats(norm) => norm.forward(x),
        }
    }

    pub(crate) fn set_mode(&mut self, mode: NormMode) {
        if let Self::Batch(norm) = self {
            norm.mode = mode;
        }
    }
}

/// Folds a batch norm into the convolution before it: `w' = scale * w`, `b' = scale * b + shift`.
/// Other norms depend on their input and stay.
pub(crate) fn fold<B: Backend>(conv: &mut Conv2d<B>, norm: &mut Option<Norm<B>>) {
    let Some(Norm::Batch(batch_norm)) = norm else {
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
