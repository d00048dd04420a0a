//! The kinds of blocks, stems, norms and other parts that a config chooses from.

use burn::tensor::{Tensor, activation, backend::Backend};
use serde::{Deserialize, Serialize};

/// The residual block of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BlockKind {
    /// Two 3x3 convolutions (He et al. 2015, figure 5 left).
    Basic,
    /// 1x1, 3x3, 1x1 convolutions (He et al. 2015, figure 5 right).
    Bottleneck,
    /// Two 3x3 convolutions, norm and activation before each (He et al. 2016; Zagoruyko 2016).
    PreActBasic,
    /// 1x1, 3x3, 1x1 convolutions, norm and activation before each (He et al. 2016).
    PreActBottleneck,
}

impl BlockKind {
    /// Whether norm and activation come before the convolutions.
    pub fn is_pre_activation(self) -> bool {
        self.family().pre_activation
    }

    /// Whether the block is the 1x1, 3x3, 1x1 kind, whose output is `expansion` times its width.
    pub fn is_bottleneck(self) -> bool {
        self.family().expands
    }
}

/// One stage: `depth` blocks of one kind and width. Every stage but the first halves the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageConfig {
    /// The kind of its blocks.
    pub block: BlockKind,
    /// The number of its blocks.
    pub depth: usize,
    /// The channels of a block before expansion (`planes` in torchvision and timm).
    pub width: usize,
}

/// The convolutions before the first stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum StemKind {
    /// One 7x7 convolution of stride 2 (He et al. 2015, table 1).
    Conv7x7 {
        /// Output channels.
        channels: usize,
    },
    /// One 3x3 convolution of stride 1, for images of 32 pixels (He et al. 2015, section 4.2).
    Conv3x3 {
        /// Output channels.
        channels: usize,
    },
    /// Three 3x3 convolutions of `width, width, 2 width` channels, the first of stride 2
    /// (He et al. 2018, "Bag of Tricks", figure 2b).
    Deep {
        /// Channels of the first two convolutions; the stem has twice as many.
        width: usize,
    },
    /// As `Deep`, with `3/4 width, width, 2 width` channels (timm's `t` networks).
    Tiered {
        /// Channels of the second convolution; the stem has twice as many.
        width: usize,
    },
}

impl StemKind {
    /// The channels that the stem hands to the first stage.
    pub fn out_channels(self) -> usize {
        match self {
            Self::Conv7x7 { channels } | Self::Conv3x3 { channels } => channels,
            Self::Deep { width } | Self::Tiered { width } => width.saturating_mul(2),
        }
    }

    /// The stride of the stem's convolutions together.
    pub fn stride(self) -> usize {
        match self {
            Self::Conv3x3 { .. } => 1,
            _ => 2,
        }
    }
}

/// What halves the map between the stem and the first stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum StemPool {
    /// 3x3 max pool of stride 2, anti-aliased where [`AntiAlias`] asks for it.
    Max,
    /// 3x3 convolution of stride 2, norm, activation (ResNet-RS; Bello et al. 2021).
    Conv,
    /// Nothing: the map keeps its size (CIFAR networks).
    None,
}

/// The shortcut of a block that changes the shape. Every other block has the identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ShortcutKind {
    /// Strided 1x1 convolution and norm (He et al. 2015, option B).
    Projection,
    /// 2x2 average pool, then 1x1 convolution and norm (ResNet-D; He et al. 2018, figure 2c).
    AvgPoolProjection,
    /// Every second pixel, new channels filled with zeros (He et al. 2015, option A).
    ZeroPad,
}

/// Which convolution of a bottleneck has the stride.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum StridePlacement {
    /// The 3x3 convolution: "v1.5", as in torchvision and timm.
    Conv3x3,
    /// The first 1x1 convolution: "v1", the original of He et al. 2015.
    Conv1x1,
}

/// Channel attention at the end of a block's residual branch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AttentionKind {
    /// No attention.
    None,
    /// Squeeze-and-excitation (Hu et al. 2017).
    SqueezeExcite {
        /// Share of the channels that is left after the squeeze; rounded to a multiple of 8.
        ratio: f64,
    },
    /// Efficient channel attention (Wang et al. 2019); the kernel follows from the channels.
    EfficientChannel,
}

/// The normalisation after (or, pre-activation, before) each convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum NormKind {
    /// Batch normalisation (Ioffe & Szegedy 2015).
    Batch,
    /// Group normalisation (Wu & He 2018).
    Group {
        /// Groups of channels.
        groups: usize,
    },
    /// Instance normalization: group normalization with one channel per group (Ulyanov et al. 2016).
    Instance,
    /// Batch normalization by the statistics of the batch, also in evaluation: PyTorch's
    /// `track_running_stats=False`.
    BatchStats,
}

/// The activation function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `x * sigmoid(x)`.
    Silu,
}

impl Activation {
    /// Applies the function to every element.
    pub fn forward<B: Backend, const D: usize>(self, x: Tensor<B, D>) -> Tensor<B, D> {
        match self {
            Self::Relu => activation::relu(x),
            Self::Silu => activation::silu(x),
        }
    }
}

/// What takes over the stride of a block's 3x3 convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AntiAlias {
    /// Nothing: the convolution is strided.
    None,
    /// 3x3 binomial blur (Zhang 2019).
    Blur,
    /// Average pool as wide as the stride.
    AvgPool,
}

/// How the last map becomes the embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum GlobalPool {
    /// Mean over all positions.
    Avg,
    /// Maximum over all positions.
    Max,
    /// Half the sum of mean and maximum.
    AvgMax,
    /// Mean and maximum side by side: twice the channels (timm's `catavgmax`).
    CatAvgMax,
    /// Maximum and mean side by side: twice the channels (fastai's `AdaptiveConcatPool2d`).
    CatMaxAvg,
}
