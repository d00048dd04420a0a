//! The values of the config options: kinds of blocks, stems, norms and other layers.

use serde::{Deserialize, Serialize};

/// The residual block of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BlockKind {
    /// Two 3x3 convolutions (He et al. 2015, figure 5 left).
    Basic,
    /// 1x1, 3x3, 1x1 convolutions (He et al. 2015, figure 5 right).
    Bottleneck,
    /// Two 3x3 convolutions, each after norm and activation (He et al. 2016; Zagoruyko 2016).
    PreActBasic,
    /// 1x1, 3x3, 1x1 convolutions, each after norm and activation (He et al. 2016).
    PreActBottleneck,
}

impl BlockKind {
    /// Returns whether norm and activation come before the convolutions.
    pub fn is_pre_activation(self) -> bool {
        self.family().pre_activation
    }

    /// Returns whether the block has 1x1, 3x3, 1x1 convolutions and outputs `expansion` times its
    /// width.
    pub fn is_bottleneck(self) -> bool {
        self.family().expands
    }
}

/// A stage: `depth` blocks of one kind and width. Every stage except the first halves the feature
/// map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageConfig {
    /// Kind of the blocks.
    pub block: BlockKind,
    /// Number of blocks.
    pub depth: usize,
    /// Channels of a block before expansion (`planes` in torchvision and timm).
    pub width: usize,
}

/// The convolutions before the first stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum StemKind {
    /// One 7x7 convolution with stride 2 (He et al. 2015, table 1).
    Conv7x7 {
        /// Output channels.
        channels: usize,
    },
    /// One 3x3 convolution with stride 1, for images of 32x32 pixels (He et al. 2015, section 4.2).
    Conv3x3 {
        /// Output channels.
        channels: usize,
    },
    /// Three 3x3 convolutions of `width, width, 2 width` channels, the first with stride 2 (He et
    /// al. 2018, "Bag of Tricks", figure 2b).
    Deep {
        /// Channels of the first two convolutions; the stem outputs twice as many.
        width: usize,
    },
    /// Like `Deep`, with `3/4 width, width, 2 width` channels (timm's `t` networks).
    Tiered {
        /// Channels of the second convolution; the stem outputs twice as many.
        width: usize,
    },
}

impl StemKind {
    /// Returns the output channels of the stem.
    pub fn out_channels(self) -> usize {
        match self {
            Self::Conv7x7 { channels } | Self::Conv3x3 { channels } => channels,
            Self::Deep { width } | Self::Tiered { width } => width.saturating_mul(2),
        }
    }

    /// Returns the combined stride of the stem's convolutions.
    pub fn stride(self) -> usize {
        match self {
            Self::Conv3x3 { .. } => 1,
            _ => 2,
        }
    }
}

/// The layer that halves the feature map between the stem and the first stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum StemPool {
    /// 3x3 max pool with stride 2, anti-aliased if [`AntiAlias`] is set.
    Max,
    /// 3x3 convolution with stride 2, then norm and activation (ResNet-RS; Bello et al. 2021).
    Conv,
    /// No pool: the feature map keeps its size (CIFAR networks).
    None,
}

/// The shortcut of blocks that change the shape. Every other block has the identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ShortcutKind {
    /// Strided 1x1 convolution and norm (He et al. 2015, option B).
    Projection,
    /// 2x2 average pool, then a 1x1 convolution and norm (ResNet-D; He et al. 2018, figure 2c).
    AvgPoolProjection,
    /// Every second pixel; new channels are zero (He et al. 2015, option A).
    ZeroPad,
}

/// The convolution of a bottleneck that has the stride.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum StridePlacement {
    /// The 3x3 convolution: "v1.5", as in torchvision and timm.
    Conv3x3,
    /// The first 1x1 convolution: "v1", as in He et al. 2015.
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
        /// Ratio of the squeezed channels to the block's channels. The result is rounded to a
        /// multiple of 8.
        ratio: f64,
    },
    /// Efficient channel attention (Wang et al. 2019). Its kernel size depends on the channels.
    EfficientChannel,
}

/// The normalization after each convolution, or before it in pre-activation networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum NormKind {
    /// Batch normalization (Ioffe & Szegedy 2015).
    Batch,
    /// Group normalization (Wu & He 2018).
    Group {
        /// Number of channel groups.
        groups: usize,
    },
    /// Instance normalization: group normalization with one channel per group (Ulyanov et al.
    /// 2016).
    Instance,
    /// Batch normalization that uses the batch statistics in evaluation as well: PyTorch's
    /// `track_running_stats=False`.
    BatchStats,
    /// Batch normalization with constant statistics, scale and shift: torchvision's
    /// `FrozenBatchNorm2d`, the norm of detection backbones. Nothing of it is trained or counted as
    /// a parameter.
    Frozen,
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

/// The anti-aliasing layer that replaces the stride of a block's 3x3 convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AntiAlias {
    /// No anti-aliasing: the convolution has the stride.
    None,
    /// 3x3 binomial blur (Zhang 2019).
    Blur,
    /// Average pool whose kernel size equals the stride.
    AvgPool,
}

/// The pooling that turns the last feature map into the embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum GlobalPool {
    /// Mean over all positions.
    Avg,
    /// Maximum over all positions.
    Max,
    /// Average of mean and maximum.
    AvgMax,
    /// Mean and maximum, concatenated: twice the channels (timm's `catavgmax`).
    CatAvgMax,
    /// Maximum and mean, concatenated: twice the channels (fastai's `AdaptiveConcatPool2d`).
    CatMaxAvg,
}
