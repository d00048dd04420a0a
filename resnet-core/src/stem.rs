//! The stem: the convolutions before the first stage.

use alloc::vec;

use burn::module::{Module, Param};
use burn::nn::conv::Conv2d;
use burn::tensor::{Tensor, backend::Backend};

use crate::layers::{ConvNormAct, Norm, anti_alias, conv, conv_norm_act, fold, max_pool};
use crate::{Activation, AntiAlias, ResNetConfig, StemKind, StemPool};

/// The convolutions before the first stage. The norm and activation after the last one belong to
/// the network.
#[derive(Module, Debug)]
pub enum Stem<B: Backend> {
    /// One convolution: 7x7 with stride 2, or 3x3 with stride 1.
    Single(Conv2d<B>),
    /// Three 3x3 convolutions.
    Deep(DeepStem<B>),
}

/// The deep stem `conv3 ∘ act ∘ bn2 ∘ conv2 ∘ act ∘ bn1 ∘ conv1`.
///
/// All convolutions are 3x3; the first has stride 2 (He et al. 2018, "Bag of Tricks", figure 2b).
#[derive(Module, Debug)]
pub struct DeepStem<B: Backend> {
    conv1: Conv2d<B>,
    bn1: Option<Norm<B>>,
    conv2: Conv2d<B>,
    bn2: Option<Norm<B>>,
    conv3: Conv2d<B>,
    act: Activation,
}

impl<B: Backend> Stem<B> {
    pub(crate) fn new(config: &ResNetConfig, device: &B::Device) -> Self {
        let convs = config.stem_convs();
        let conv = |place: usize| convs[place].conv.init(device);
        let norm = |place: usize| {
            let [_, channels] = convs[place].conv.channels;
            Some(Norm::new(config, channels, device))
        };
        match config.stem {
            StemKind::Conv7x7 { .. } | StemKind::Conv3x3 { .. } => Self::Single(conv(0)),
            StemKind::Deep { .. } | StemKind::Tiered { .. } => Self::Deep(DeepStem {
                conv1: conv(0),
                bn1: norm(0),
                conv2: conv(1),
                bn2: norm(1),
                conv3: conv(2),
                act: config.activation,
            }),
        }
    }

    /// Applies the stem.
    ///
    /// # Shapes
    /// - `x`: `[batch, in_channels, height, width]`
    /// - output: `[batch, channels, height / stride, width / stride]`, rounded up
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let (last, x) = self.before_last(x);
        conv(last, x)
    }

    /// Applies the stem, then the network's norm and activation.
    pub(crate) fn forward_activated(
        &self,
        norm: &Option<Norm<B>>,
        act: Activation,
        x: Tensor<B, 4>,
    ) -> Tensor<B, 4> {
        let (last, x) = self.before_last(x);
        conv_norm_act(last, norm, act, x)
    }

    /// Returns the last convolution and its input.
    fn before_last(&self, x: Tensor<B, 4>) -> (&Conv2d<B>, Tensor<B, 4>) {
        match self {
            Self::Single(conv) => (conv, x),
            Self::Deep(stem) => (&stem.conv3, stem.before_last(x)),
        }
    }

    /// Adapts the first convolution to other input channels.
    pub(crate) fn set_in_channels(&mut self, channels: usize) {
        let (Self::Single(conv) | Self::Deep(DeepStem { conv1: conv, .. })) = self;
        let trained = conv.weight.is_require_grad();
        let weight = adapt_in_channels(conv.weight.val(), channels).detach();
        conv.weight = Param::initialized(conv.weight.id, weight.set_require_grad(trained));
    }

    /// Folds the norms. `last` is the norm that follows the stem.
    pub(crate) fn fuse(&mut self, last: &mut Option<Norm<B>>) {
        match self {
            Self::Single(conv) => fold(conv, last),
            Self::Deep(stem) => {
                fold(&mut stem.conv1, &mut stem.bn1);
                fold(&mut stem.conv2, &mut stem.bn2);
                fold(&mut stem.conv3, last);
            }
        }
    }

    pub(crate) fn norms(&mut self) -> impl Iterator<Item = &mut Norm<B>> {
        let (bn1, bn2) = match self {
            Self::Single(_) => (None, None),
            Self::Deep(stem) => (stem.bn1.as_mut(), stem.bn2.as_mut()),
        };
        bn1.into_iter().chain(bn2)
    }
}

/// Adapts the weight of a first convolution to images with other channels, as timm does.
///
/// For one channel, it sums over the old channels. For more channels, it repeats the old channels
/// and scales them by `old / new`. If `new` is 1 or a multiple of `old`, the output stays the same
/// for an input whose channels are all equal.
///
/// # Shapes
/// - `weight`: `[out, old, kernel, kernel]`
/// - output: `[out, channels, kernel, kernel]`
pub fn adapt_in_channels<B: Backend>(weight: Tensor<B, 4>, channels: usize) -> Tensor<B, 4> {
    let [_, old, ..] = weight.dims();
    match channels {
        _ if channels == old => weight,
        1 => weight.sum_dim(1),
        _ => Tensor::cat(vec![weight; channels.div_ceil(old)], 1)
            .narrow(1, 0, channels)
            .mul_scalar(old as f64 / channels as f64),
    }
}

impl<B: Backend> DeepStem<B> {
    fn before_last(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let x = conv_norm_act(&self.conv1, &self.bn1, self.act, x);
        conv_norm_act(&self.conv2, &self.bn2, self.act, x)
    }
}

/// Creates the convolution, norm and activation that replace the max pool, if the config has them.
pub(crate) fn conv_pool<B: Backend>(
    config: &ResNetConfig,
    device: &B::Device,
) -> Option<ConvNormAct<B>> {
    let conv = config.stem_pool_conv()?.conv;
    let norm = Norm::new(config, conv.channels[1], device);
    Some(ConvNormAct::from_parts(conv.init(device), Some(norm)).with_act(config.activation))
}

/// Applies the layer that halves the feature map between the stem and the first stage.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - output: `[batch, channels, height / 2, width / 2]`, rounded up (down after an average pool)
pub(crate) fn stem_pool<B: Backend>(
    kind: StemPool,
    aliasing: AntiAlias,
    conv: &Option<ConvNormAct<B>>,
    x: Tensor<B, 4>,
) -> Tensor<B, 4> {
    match (kind, conv, aliasing) {
        (StemPool::None, _, _) => x,
        (_, Some(conv), _) => conv.forward(x),
        (_, None, AntiAlias::None) => max_pool(x, 2),
        (_, None, AntiAlias::Blur) => anti_alias(AntiAlias::Blur, max_pool(x, 1), 2),
        (_, None, AntiAlias::AvgPool) => anti_alias(AntiAlias::AvgPool, x, 2),
    }
}
