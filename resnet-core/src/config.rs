//! The options of a residual network. [`Arch`](crate::Arch) lists the named networks.

use alloc::{vec, vec::Vec};

use serde::{Deserialize, Serialize};

mod kinds;
mod validate;

pub use kinds::{
    Activation, AntiAlias, AttentionKind, BlockKind, GlobalPool, NormKind, ShortcutKind,
    StageConfig, StemKind, StemPool, StridePlacement,
};
pub use validate::ConfigError;

/// The options of a residual network.
///
/// A config serializes with serde, and saves and loads like any Burn `Config`. An option that a
/// saved config lacks takes its default. An unknown option is an error.
///
/// # Examples
///
/// A ResNet-50 for ten classes and one input channel:
///
/// ```
/// use burn::backend::Flex;
/// use resnet_core::{Arch, ResNet};
///
/// let config = Arch::ResNet50.config().with_num_classes(10).with_in_channels(1);
/// config.validate()?;
/// let model: ResNet<Flex> = config.init(&Default::default());
/// # Ok::<(), resnet_core::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default = "ResNetConfig::unset")]
pub struct ResNetConfig {
    /// One to four stages.
    pub stages: Vec<StageConfig>,
    /// Ratio of a bottleneck's output channels to its width.
    pub expansion: usize,
    /// Groups of the 3x3 convolution of a bottleneck (ResNeXt; Xie et al. 2016).
    pub cardinality: usize,
    /// Channels per group in a stage of width 64: 4 in `32x4d`, 128 in Wide ResNet-50-2.
    pub base_width: usize,
    /// The convolutions before the first stage.
    pub stem: StemKind,
    /// The layer that halves the feature map between the stem and the first stage.
    pub stem_pool: StemPool,
    /// The shortcut of blocks that change the shape.
    pub shortcut: ShortcutKind,
    /// The convolution of a bottleneck that has the stride.
    pub stride_placement: StridePlacement,
    /// Channel attention.
    pub attention: AttentionKind,
    /// The normalization.
    pub norm: NormKind,
    /// Epsilon of every norm. It is added to the variance before the square root.
    pub norm_eps: f64,
    /// The activation.
    pub activation: Activation,
    /// The anti-aliasing layer that replaces the stride of a block's 3x3 convolution.
    pub anti_alias: AntiAlias,
    /// Whether every block starts as the identity. If set, the last norm of each residual branch
    /// has weight 0 (Goyal et al. 2017, section 5.1).
    pub zero_init_last: bool,
    /// Probability that training skips the last block for a sample. It falls linearly to 0 at the
    /// first block (stochastic depth; Huang et al. 2016).
    pub drop_path: f64,
    /// Dropout probability before the classifier, in training.
    pub dropout: f64,
    /// Largest stride of a feature map relative to the input: 32, 16 or 8. Stages that would exceed
    /// it are dilated instead (Chen et al. 2017, DeepLab).
    pub output_stride: usize,
    /// Input channels.
    pub in_channels: usize,
    /// Number of classes; 0 for a network without a classifier.
    pub num_classes: usize,
    /// The pooling that turns the last feature map into the embedding.
    pub global_pool: GlobalPool,
}

/// Defines a setter such as `with_expansion(4)` for each option except the stages.
macro_rules! setters {
    ($($with:ident $option:ident: $type:ty,)*) => {
        impl ResNetConfig {
            $(
                #[doc = concat!("Sets [`", stringify!($option), "`](Self::", stringify!($option), ").")]
                pub fn $with(mut self, $option: $type) -> Self {
                    self.$option = $option;
                    self
                }
            )*
        }
    };
}

setters! {
    with_expansion expansion: usize,
    with_cardinality cardinality: usize,
    with_base_width base_width: usize,
    with_stem stem: StemKind,
    with_stem_pool stem_pool: StemPool,
    with_shortcut shortcut: ShortcutKind,
    with_stride_placement stride_placement: StridePlacement,
    with_attention attention: AttentionKind,
    with_norm norm: NormKind,
    with_norm_eps norm_eps: f64,
    with_activation activation: Activation,
    with_anti_alias anti_alias: AntiAlias,
    with_zero_init_last zero_init_last: bool,
    with_drop_path drop_path: f64,
    with_dropout dropout: f64,
    with_output_stride output_stride: usize,
    with_in_channels in_channels: usize,
    with_num_classes num_classes: usize,
    with_global_pool global_pool: GlobalPool,
}

impl ResNetConfig {
    /// Creates a config with these stages and the defaults of torchvision's ResNet.
    pub fn new(stages: Vec<StageConfig>) -> Self {
        Self {
            stages,
            expansion: 4,
            cardinality: 1,
            base_width: 64,
            stem: StemKind::Conv7x7 { channels: 64 },
            stem_pool: StemPool::Max,
            shortcut: ShortcutKind::Projection,
            stride_placement: StridePlacement::Conv3x3,
            attention: AttentionKind::None,
            norm: NormKind::Batch,
            norm_eps: 1e-5,
            activation: Activation::Relu,
            anti_alias: AntiAlias::None,
            zero_init_last: false,
            drop_path: 0.0,
            dropout: 0.0,
            output_stride: 32,
            in_channels: 3,
            num_classes: 1000,
            global_pool: GlobalPool::Avg,
        }
    }

    /// Returns the defaults for options that a saved config lacks. Its empty `stages` fail
    /// [`validate`](Self::validate).
    fn unset() -> Self {
        Self::new(Vec::new())
    }

    /// Creates an ImageNet network of four stages of one block kind, with widths 64, 128, 256, 512.
    pub fn imagenet(block: BlockKind, depths: [usize; 4]) -> Self {
        let stage = |(i, depth)| StageConfig {
            block,
            depth,
            width: 64_usize << i,
        };
        Self::new(depths.into_iter().enumerate().map(stage).collect())
    }

    /// Creates a CIFAR network of depth `6n + 2` (He et al. 2015, section 4.2).
    ///
    /// It has three stages of `n` basic blocks with widths 16, 32, 64, for images of 32x32 pixels
    /// and 10 classes.
    ///
    /// # Errors
    ///
    /// Returns an error if `depth` is not `6n + 2` with `n >= 1`.
    ///
    /// # Examples
    ///
    /// ```
    /// use resnet_core::{ResNetConfig, ShortcutKind};
    ///
    /// assert!(ResNetConfig::cifar(20, ShortcutKind::ZeroPad).is_ok());
    /// let error = ResNetConfig::cifar(21, ShortcutKind::ZeroPad).unwrap_err();
    /// assert_eq!(error.to_string(), "`depth`: expected 6n + 2 with n >= 1, found 21");
    /// ```
    pub fn cifar(depth: usize, shortcut: ShortcutKind) -> Result<Self, ConfigError> {
        let n = blocks_per_stage(depth, 6, 2, "6n + 2 with n >= 1")?;
        Ok(Self::cifar_stages(BlockKind::Basic, n, 1).with_shortcut(shortcut))
    }

    /// Creates a CIFAR Wide ResNet of depth `6n + 4` (Zagoruyko & Komodakis 2016, table 1).
    ///
    /// It has pre-activation basic blocks with `widen` times the width.
    ///
    /// # Errors
    ///
    /// Returns an error if `depth` is not `6n + 4` with `n >= 1`.
    pub fn cifar_wide(depth: usize, widen: usize) -> Result<Self, ConfigError> {
        let n = blocks_per_stage(depth, 6, 4, "6n + 4 with n >= 1")?;
        Ok(Self::cifar_stages(BlockKind::PreActBasic, n, widen))
    }

    /// Creates a CIFAR pre-activation ResNet of depth `9n + 2` (He et al. 2016, "Identity Mappings
    /// in Deep Residual Networks").
    ///
    /// It has pre-activation bottlenecks with widths 16, 32, 64.
    ///
    /// # Errors
    ///
    /// Returns an error if `depth` is not `9n + 2` with `n >= 1`.
    pub fn cifar_pre_activation(depth: usize) -> Result<Self, ConfigError> {
        let n = blocks_per_stage(depth, 9, 2, "9n + 2 with n >= 1")?;
        Ok(Self::cifar_stages(BlockKind::PreActBottleneck, n, 1))
    }

    pub(crate) fn cifar_stages(block: BlockKind, depth: usize, widen: usize) -> Self {
        let widths = [16_usize, 32, 64].map(|width| width.saturating_mul(widen));
        let stages = widths.map(|width| StageConfig {
            block,
            depth,
            width,
        });
        Self::new(vec![stages[0], stages[1], stages[2]])
            .with_stem(StemKind::Conv3x3 { channels: 16 })
            .with_stem_pool(StemPool::None)
            .with_num_classes(10)
    }

    /// Returns whether norm and activation come before the convolutions.
    pub fn is_pre_activation(&self) -> bool {
        self.stages
            .iter()
            .any(|stage| stage.block.is_pre_activation())
    }
}

fn blocks_per_stage(
    depth: usize,
    convolutions: usize,
    others: usize,
    expected: &'static str,
) -> Result<usize, ConfigError> {
    match depth.checked_sub(others) {
        Some(inner) if inner > 0 && inner % convolutions == 0 => Ok(inner / convolutions),
        _ => Err(ConfigError::new("depth", expected, depth)),
    }
}
