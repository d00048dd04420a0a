//! The config resolved block by block: what `init`, the costs and the feature list are read from.

use alloc::{string::String, vec, vec::Vec};

mod named_conv;

pub use named_conv::NamedConv;

use crate::layers::ConvPlan;
use crate::{
    AntiAlias, AttentionKind, BlockKind, ConfigError, NormKind, ResNetConfig, ShortcutKind,
    StageConfig, StemPool, StridePlacement,
};

/// One residual block in its place.
///
/// [`convs`](Self::convs) and [`shortcut`](Self::shortcut) describe what the block consists of; initialization, costs and the
/// ONNX reader use them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BlockPlan {
    /// Kind of the block.
    pub kind: BlockKind,
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels between the convolutions.
    pub width: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Pixels of the input for one of the output, each way.
    pub stride: usize,
    /// Dilation of the first 3x3 convolution. It equals the dilation of the previous block.
    pub first_dilation: usize,
    /// Dilation of the other 3x3 convolutions.
    pub dilation: usize,
    /// Groups of the 3x3 convolution of a bottleneck.
    pub groups: usize,
    /// The convolution of a bottleneck that has the stride.
    pub stride_placement: StridePlacement,
    /// Anti-aliasing that takes over the stride, where this block has it.
    pub anti_alias: AntiAlias,
    /// Kind of the shortcut, where the block changes the shape.
    pub shortcut_kind: ShortcutKind,
    /// Channel attention at the end of the branch.
    pub attention: AttentionKind,
    /// Probability that training drops the branch, 0 to 1.
    pub drop_path: f64,
}

/// A convolution of a block's residual branch, with its norm.
///
/// Post-activation blocks compute `act(norm(conv(x)))`, pre-activation ones `conv(act(norm(x)))`:
/// [`BlockKind::is_pre_activation`]. The last post-activation comes after the sum with the shortcut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockConv {
    /// Key of the convolution in the block.
    pub name: &'static str,
    /// Channels, kernel, stride, dilation and groups.
    pub conv: ConvPlan,
    /// Key of the norm in the block.
    pub norm: &'static str,
    /// Channels of the norm.
    pub norm_channels: usize,
    /// Whether anti-aliasing follows the activation.
    pub aliased: bool,
}

impl BlockConv {
    /// Describes a convolution that its norm follows.
    pub(crate) const fn then_norm(name: &'static str, conv: ConvPlan, norm: &'static str) -> Self {
        Self {
            name,
            conv,
            norm,
            norm_channels: conv.channels[1],
            aliased: false,
        }
    }

    /// Describes a convolution that its norm precedes.
    pub(crate) const fn after_norm(norm: &'static str, name: &'static str, conv: ConvPlan) -> Self {
        Self {
            name,
            conv,
            norm,
            norm_channels: conv.channels[0],
            aliased: false,
        }
    }
}

/// What the shortcut of a block consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShortcutPlan {
    /// 1x1 convolution and norm.
    Projection(ConvPlan),
    /// Pool, 1x1 convolution and norm. The pool counts in the keys even where it does nothing.
    PooledProjection {
        /// The pool.
        pool: ShortcutPool,
        /// The convolution.
        conv: ConvPlan,
    },
    /// 1x1 convolution alone.
    Conv(ConvPlan),
    /// Subsampling, new channels zero.
    ZeroPad,
}

/// The average pool of a ResNet-D shortcut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShortcutPool {
    /// No pool, where the size stays.
    None,
    /// 2x2 pool.
    Avg {
        /// Stride of the pool.
        stride: usize,
    },
    /// 2x2 pool of stride 1 that keeps the size, in a dilated stage: timm's `AvgPool2dSame`.
    AvgSame,
}

impl BlockPlan {
    /// Returns whether the shortcut has to change the shape.
    pub fn changes_shape(&self) -> bool {
        self.stride != 1 || self.in_channels != self.out_channels
    }

    /// Returns the convolutions of the residual branch, from input to output.
    ///
    /// ```
    /// let plan = resnet_core::Arch::ResNet50.config().plan();
    /// let convs = plan[1][0].convs();
    /// let names: Vec<_> = convs.iter().map(|c| (c.name, c.conv.kernel, c.conv.stride)).collect();
    /// assert_eq!(names, [("conv1", 1, 1), ("conv2", 3, 2), ("conv3", 1, 1)]);
    /// ```
    pub fn convs(&self) -> Vec<BlockConv> {
        (self.kind.family().convs)(self)
    }

    /// Returns the shortcut; none for the identity.
    pub fn shortcut(&self) -> Option<ShortcutPlan> {
        let conv = ConvPlan::new(self.in_channels, self.out_channels, 1);
        let strided = conv.stride(self.stride);
        let pool = match (self.dilation, self.stride) {
            (1, 1) => ShortcutPool::None,
            (1, stride) => ShortcutPool::Avg { stride },
            _ => ShortcutPool::AvgSame,
        };
        self.changes_shape().then_some(match self.shortcut_kind {
            ShortcutKind::ZeroPad => ShortcutPlan::ZeroPad,
            _ if self.kind.is_pre_activation() => ShortcutPlan::Conv(strided),
            ShortcutKind::Projection => ShortcutPlan::Projection(strided),
            ShortcutKind::AvgPoolProjection => ShortcutPlan::PooledProjection { pool, conv },
        })
    }

    /// The stride of the convolution that halves the map, and whether anti-aliasing does so in its place.
    pub(crate) fn conv_stride(&self) -> (usize, bool) {
        match self.anti_alias {
            AntiAlias::None => (self.stride, false),
            _ => (1, true),
        }
    }
}

/// A feature map of [`ResNet::forward_pyramid`](crate::ResNet::forward_pyramid), known before any input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// `c1` for the stem's output, `c2` and on for the stages.
    pub name: String,
    /// Channels of the map.
    pub channels: usize,
    /// Pixels of the input for one of the map, each way.
    pub stride: usize,
}

impl ResNetConfig {
    /// The maps of the pyramid, `c1` (stem) to `c5` (last stage), with channels and strides.
    ///
    /// ```
    /// let features = resnet_core::Arch::ResNet50.config().with_output_stride(16).features();
    /// let strides: Vec<_> = features.iter().map(|f| (f.channels, f.stride)).collect();
    /// assert_eq!(strides, [(64, 2), (256, 4), (512, 8), (1024, 16), (2048, 16)]);
    /// ```
    pub fn features(&self) -> Vec<Feature> {
        let feature = |i, channels, stride| Feature {
            name: alloc::format!("c{i}"),
            channels,
            stride,
        };
        let mut features = vec![feature(1, self.stem.out_channels(), self.stem.stride())];
        let mut stride = self.stem.stride() * self.stem_pool_stride();
        for (i, stage) in self.plan().iter().enumerate() {
            let Some(first) = stage.first() else { continue };
            stride *= first.stride;
            features.push(feature(i + 2, first.out_channels, stride));
        }
        features
    }

    /// Checks that a batch of images of `height` by `width` pixels can pass the network.
    ///
    /// Most networks take any size. Anti-aliased ones need two pixels to blur, and an even map
    /// wherever an average pool halves it, since their shortcut would round the other way.
    ///
    /// # Errors
    ///
    /// Names the size that cannot pass.
    pub fn check_input(&self, [height, width]: [usize; 2]) -> Result<(), ConfigError> {
        for side in [height, width] {
            let refuse = |expected| Err(ConfigError::new("input size", expected, side));
            if side == 0 {
                return refuse("1 pixel or more");
            }
            let mut size = side.div_ceil(self.stem.stride());
            let stem_pool = (self.stem_pool != StemPool::None).then_some((2, false));
            let blocks = self.plan();
            let blocks = blocks.iter().flatten();
            let blocks = blocks
                .filter(|block| block.stride > 1 || block.first_dilation != block.dilation)
                .map(|block| (block.stride, true));
            for (stride, has_shortcut) in stem_pool.into_iter().chain(blocks) {
                match self.anti_alias {
                    AntiAlias::None => {}
                    AntiAlias::Blur if size < 2 => {
                        return refuse("more pixels, 2 in every blurred map");
                    }
                    AntiAlias::AvgPool if size < stride || (has_shortcut && size % stride != 0) => {
                        return refuse("a multiple of the network's stride");
                    }
                    _ => {}
                }
                size = if stride > 1 { self.halved(size) } else { size };
            }
        }
        Ok(())
    }

    /// Channels of the embedding, which the classifier receives.
    pub fn num_features(&self) -> usize {
        match self.global_pool {
            crate::GlobalPool::CatAvgMax | crate::GlobalPool::CatMaxAvg => {
                self.last_channels().saturating_mul(2)
            }
            _ => self.last_channels(),
        }
    }

    /// Channels of the last map.
    pub(crate) fn last_channels(&self) -> usize {
        self.stages
            .last()
            .map_or(0, |stage| self.out_channels(stage))
    }

    /// Height or width of the map after a step of stride 2 over `size` pixels.
    pub(crate) fn halved(&self, size: usize) -> usize {
        match self.anti_alias {
            AntiAlias::AvgPool => size / 2,
            _ => size.div_ceil(2),
        }
    }

    pub(crate) fn stem_pool_stride(&self) -> usize {
        match self.stem_pool {
            StemPool::None => 1,
            StemPool::Max | StemPool::Conv => 2,
        }
    }

    /// Channels between the convolutions of a block of this stage.
    pub(crate) fn inner_width(&self, stage: &StageConfig) -> usize {
        match stage.block.family().grouped {
            true => {
                (stage.width.saturating_mul(self.base_width) / 64).saturating_mul(self.cardinality)
            }
            false => stage.width,
        }
    }

    fn out_channels(&self, stage: &StageConfig) -> usize {
        match stage.block.is_bottleneck() {
            true => stage.width.saturating_mul(self.expansion),
            false => stage.width,
        }
    }

    /// Every block, stage by stage. A stage that would go beyond the output stride is dilated instead, and its first
    /// block has the dilation of the stage before.
    ///
    /// ```
    /// let plan = resnet_core::Arch::ResNet50.config().plan();
    /// let first = &plan[3][0];
    /// assert_eq!([first.in_channels, first.width, first.out_channels, first.stride], [1024, 512, 2048, 2]);
    /// ```
    pub fn plan(&self) -> Vec<Vec<BlockPlan>> {
        let blocks: usize = self.stages.iter().map(|stage| stage.depth).sum();
        let mut done = 0;
        let mut in_channels = self.stem.out_channels();
        let mut net_stride = self.stem.stride() * self.stem_pool_stride();
        let (mut dilation, mut first_dilation) = (1, 1);
        let mut stages = Vec::new();
        for (i, stage) in self.stages.iter().enumerate() {
            let mut stride = if i == 0 { 1 } else { 2 };
            if net_stride * stride > self.output_stride {
                dilation *= stride;
                stride = 1;
            }
            net_stride *= stride;
            let mut plans = Vec::new();
            for _ in 0..stage.depth {
                // As in timm, a block is anti-aliased where it has a stride, or had one before the network was dilated.
                let aliased = stride > 1 || first_dilation != dilation;
                plans.push(BlockPlan {
                    kind: stage.block,
                    in_channels,
                    width: self.inner_width(stage),
                    out_channels: self.out_channels(stage),
                    stride,
                    first_dilation,
                    dilation,
                    groups: self.cardinality,
                    stride_placement: self.stride_placement,
                    anti_alias: if aliased {
                        self.anti_alias
                    } else {
                        AntiAlias::None
                    },
                    shortcut_kind: self.shortcut,
                    attention: self.attention,
                    drop_path: self.drop_path * done as f64 / (blocks.max(2) - 1) as f64,
                });
                in_channels = self.out_channels(stage);
                first_dilation = dilation;
                stride = 1;
                done += 1;
            }
            stages.push(plans);
        }
        stages
    }

    /// The channels of every norm, for the check that groups divide them.
    pub(crate) fn norm_channels(&self) -> Vec<usize> {
        debug_assert!(matches!(self.norm, NormKind::Group { .. }));
        let mut channels: Vec<usize> = self.stem_channels().into();
        for block in self.plan().iter().flatten() {
            channels.extend([block.width, block.out_channels, block.in_channels]);
        }
        channels
    }
}

#[cfg(test)]
mod tests {
    use crate::Arch;

    #[test]
    fn dilated_stages_start_with_the_dilation_of_the_stage_before() {
        let plan = Arch::ResNet50.config().with_output_stride(8).plan();
        let dilations: alloc::vec::Vec<_> = plan
            .iter()
            .map(|stage| (stage[0].stride, stage[0].first_dilation, stage[0].dilation))
            .collect();
        assert_eq!(dilations, [(1, 1, 1), (2, 1, 1), (1, 1, 2), (1, 2, 4)]);
    }

    #[test]
    fn drop_path_rises_linearly_from_zero_to_the_rate() {
        let plan = Arch::ResNet18.config().with_drop_path(0.7).plan();
        let rates: alloc::vec::Vec<_> =
            plan.iter().flatten().map(|block| block.drop_path).collect();
        assert_eq!((rates[0], rates[7]), (0.0, 0.7));
        assert!((rates[3] - 0.3).abs() < 1e-12);
    }
}
