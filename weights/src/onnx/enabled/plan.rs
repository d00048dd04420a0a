//! The config resolved block by block, as in resnet-core.

use resnet_core::{BlockKind, ResNetConfig, StemPool};

use super::options::inner_width;

/// A block as the config describes it.
pub(super) struct BlockPlan {
    pub(super) kind: BlockKind,
    pub(super) in_channels: usize,
    pub(super) width: usize,
    pub(super) out_channels: usize,
    pub(super) stride: usize,
    pub(super) first_dilation: usize,
    pub(super) dilation: usize,
}

/// A stage that would go beyond the output stride is dilated instead, and its first
/// block has the dilation of the stage before.
pub(super) fn plan(config: &ResNetConfig) -> Vec<Vec<BlockPlan>> {
    let features = config.features();
    let (mut dilation, mut in_channels) = (1, config.stem.out_channels());
    let mut pooled = features[0].stride
        * if config.stem_pool == StemPool::None {
            1
        } else {
            2
        };
    let mut stages = Vec::new();
    for (i, (stage, feature)) in config.stages.iter().zip(&features[1..]).enumerate() {
        let stride = feature.stride / pooled;
        pooled = feature.stride;
        let first_dilation = dilation;
        if i > 0 && stride == 1 {
            dilation *= 2;
        }
        let blocks = (0..stage.depth).map(|block| BlockPlan {
            kind: stage.block,
            in_channels: if block == 0 {
                in_channels
            } else {
                feature.channels
            },
            width: inner_width(config, stage),
            out_channels: feature.channels,
            stride: if block == 0 { stride } else { 1 },
            first_dilation: if block == 0 { first_dilation } else { dilation },
            dilation,
        });
        stages.push(blocks.collect());
        in_channels = feature.channels;
    }
    stages
}
