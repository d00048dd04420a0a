//! The config resolved into blocks. Initialization, costs and the feature list use it.

use alloc::{string::String, vec, vec::Vec};

mod attention;
mod block_plan;
mod conv_plan;
mod families;
mod named_conv;
mod state_shapes;

pub use block_plan::{BlockConv, BlockPlan, ShortcutPlan, ShortcutPool};
pub use conv_plan::ConvPlan;
pub use named_conv::NamedConv;

#[cfg(feature = "burn")]
pub(crate) use families::{basic, bottleneck, pre_act_basic, pre_act_bottleneck};

use crate::{AntiAlias, ConfigError, NormKind, ResNetConfig, StageConfig, StemPool};

/// The channels and stride of a feature map of
/// [`ResNet::forward_pyramid`](crate::ResNet::forward_pyramid).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// `c1` for the stem's output, `c2` to `c5` for the stages.
    pub name: String,
    /// Channels of the feature map.
    pub channels: usize,
    /// Stride of the feature map relative to the input.
    pub stride: usize,
}

impl ResNetConfig {
    /// Returns the feature maps of the pyramid, from `c1` (stem) to `c5` (last stage).
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

    /// Checks that the network accepts images of `height` by `width` pixels.
    ///
    /// Most networks accept any size. A blur needs a feature map of at least 2x2 pixels. An average
    /// pool for anti-aliasing needs an even size, because the shortcut rounds odd sizes up.
    ///
    /// # Errors
    ///
    /// Returns an error that names the invalid size.
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

    /// Returns the channels of the embedding, the input of the classifier.
    pub fn num_features(&self) -> usize {
        match self.global_pool {
            crate::GlobalPool::CatAvgMax | crate::GlobalPool::CatMaxAvg => {
                self.last_channels().saturating_mul(2)
            }
            _ => self.last_channels(),
        }
    }

    /// Returns the channels of the last feature map.
    pub(crate) fn last_channels(&self) -> usize {
        self.stages
            .last()
            .map_or(0, |stage| self.out_channels(stage))
    }

    /// Returns the height or width after a layer of stride 2.
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

    /// Returns the channels between the convolutions of a block of this stage.
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

    /// Returns the plans of all blocks, one list per stage.
    ///
    /// A stage that would exceed the output stride is dilated instead. Its first block has the
    /// dilation of the previous stage.
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
                // As in timm, a block is anti-aliased if it has a stride, or had one before
                // dilation replaced it.
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

    /// Returns the channels of every norm, to check that the groups divide them.
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
