//! Infers the options of a network from its parts. The translation finds parts that do not fit the
//! options.

use resnet_core::{
    AntiAlias, BlockKind, NormKind, ResNetConfig, ShortcutKind, StageConfig, StemKind, StemPool,
    StridePlacement,
};

use super::attention;
use crate::recognize::{Block, Network, Norm, Pool, pools, units};

/// The parts from which the config of a stage is inferred.
struct Stage {
    kind: BlockKind,
    depth: usize,
    inner: usize,
    groups: usize,
    out: usize,
    stride: usize,
}

pub(super) fn config(network: &Network<'_>) -> Result<ResNetConfig, String> {
    let stages = stages(network)?;
    let (expansion, base_width) = widths(&stages)?;
    let cardinality = stages.iter().map(|stage| stage.groups).max().unwrap_or(1);
    let (stem, stem_pool) = stem(network)?;
    let first = units(&network.stem)
        .next()
        .ok_or("expected a convolution at the input")?;

    let configs = stages.iter().map(|stage| StageConfig {
        block: stage.kind,
        depth: stage.depth,
        width: if stage.kind.is_bottleneck() {
            stage.out / expansion
        } else {
            stage.out
        },
    });
    let mut config = ResNetConfig::new(configs.collect())
        .with_expansion(expansion)
        .with_cardinality(cardinality)
        .with_base_width(base_width)
        .with_stem(stem)
        .with_stem_pool(stem_pool)
        .with_in_channels(first.conv.plan.channels[0])
        .with_num_classes(
            network
                .classifier
                .as_ref()
                .map_or(0, |dense| dense.weight.shape[0]),
        )
        .with_global_pool(network.global_pool);
    config.shortcut = shortcut(network);
    config.stride_placement = placement(network);
    config.attention = attention::attention(network);
    config.norm = norm(network);
    config.activation = network.activation;
    config.anti_alias = anti_alias(network);

    let stem_stride = config.stem.stride() * if stem_pool == StemPool::None { 1 } else { 2 };
    let stride = stages.iter().fold(stem_stride, |stride, stage| {
        stride.saturating_mul(stage.stride)
    });
    if stages.iter().skip(1).any(|stage| stage.stride == 1) {
        config.output_stride = stride;
    }
    Ok(config)
}

fn stem(network: &Network<'_>) -> Result<(StemKind, StemPool), String> {
    let mut convs: Vec<_> = units(&network.stem).map(|unit| &unit.conv).collect();
    let pool = match (pools(&network.stem).next(), convs.len()) {
        (Some(_), _) => StemPool::Max,
        (None, 2 | 4) => {
            convs.pop();
            StemPool::Conv
        }
        (None, _) => StemPool::None,
    };
    let stem = match convs[..] {
        [conv] if conv.plan.kernel == 7 => StemKind::Conv7x7 {
            channels: conv.out_channels(),
        },
        [conv] if conv.plan.kernel == 3 => StemKind::Conv3x3 {
            channels: conv.out_channels(),
        },
        [first, second, _] if first.out_channels() == second.out_channels() => StemKind::Deep {
            width: second.out_channels(),
        },
        [_, second, _] => StemKind::Tiered {
            width: second.out_channels(),
        },
        [conv] => {
            return Err(conv.node.expected("a kernel of", [3, 7], conv.plan.kernel));
        }
        _ => {
            return Err(format!(
                "expected 1 or 3 convolutions before the first block, found {}",
                convs.len()
            ));
        }
    };
    Ok((stem, pool))
}

/// Splits the blocks into stages. A stage begins with a block whose shortcut is not the identity.
fn stages(network: &Network<'_>) -> Result<Vec<Stage>, String> {
    let mut stages: Vec<Stage> = Vec::new();
    for (index, block) in network.blocks.iter().enumerate() {
        let convs: Vec<_> = units(&block.main).map(|unit| &unit.conv).collect();
        let kind = match (convs.len(), network.pre_activation) {
            (2, false) => BlockKind::Basic,
            (3, false) => BlockKind::Bottleneck,
            (2, true) => BlockKind::PreActBasic,
            (3, true) => BlockKind::PreActBottleneck,
            (found, _) => {
                return Err(block
                    .add
                    .expected("a branch of convolutions,", [2, 3], found));
            }
        };
        match stages.last_mut() {
            Some(stage) if index > 0 && block.shortcut.is_empty() => stage.depth += 1,
            _ => {
                let strides = convs
                    .iter()
                    .map(|conv| conv.plan.stride)
                    .chain(pools(&block.main).map(Pool::stride));
                stages.push(Stage {
                    kind,
                    depth: 1,
                    inner: convs[0].out_channels(),
                    groups: convs[1].plan.groups,
                    out: block.out_channels().unwrap_or(0),
                    stride: strides.fold(1, usize::saturating_mul),
                });
            }
        }
    }
    Ok(stages)
}

/// Returns expansion and base width. If several pairs give the same channels, returns the usual
/// one.
fn widths(stages: &[Stage]) -> Result<(usize, usize), String> {
    let bottlenecks: Vec<_> = stages
        .iter()
        .filter(|stage| stage.kind.is_bottleneck())
        .collect();
    let Some(first) = bottlenecks.first() else {
        return Ok((4, 64));
    };
    let fits = |expansion: usize, base_width: usize| {
        bottlenecks.iter().all(|stage| {
            let width = stage.out / expansion;
            let inner = match stage.kind {
                BlockKind::Bottleneck => {
                    (width.saturating_mul(base_width) / 64).saturating_mul(stage.groups)
                }
                _ => width,
            };
            stage.out % expansion == 0 && inner == stage.inner
        })
    };
    for expansion in [4, 2, 1, 8, 3, 6, 16] {
        let width = (first.out / expansion).max(1);
        let group = first.inner / first.groups;
        // The base width, rounded down and up. Rounded up, it is the smallest one that gives this
        // group width.
        let (exact, least) = (
            group.saturating_mul(64) / width,
            group.saturating_mul(64).div_ceil(width),
        );
        if let Some(base_width) = [64, exact, least]
            .into_iter()
            .find(|base_width| fits(expansion, *base_width))
        {
            return Ok((expansion, base_width));
        }
    }
    Err(format!(
        "the channels of its bottlenecks fit no expansion and base width: {} within {} in the first stage",
        first.inner, first.out
    ))
}

fn shortcut(network: &Network<'_>) -> ShortcutKind {
    let mut pools = network
        .blocks
        .iter()
        .flat_map(|block| pools(&block.shortcut));
    match pools.next() {
        Some(Pool::ZeroPad { .. }) => ShortcutKind::ZeroPad,
        Some(Pool::Average { .. } | Pool::AverageSame) => ShortcutKind::AvgPoolProjection,
        _ => ShortcutKind::Projection,
    }
}

fn placement(network: &Network<'_>) -> StridePlacement {
    let strided = |block: &Block<'_>| {
        let convs: Vec<_> = units(&block.main).collect();
        convs.len() == 3 && convs[0].conv.plan.stride > 1
    };
    match network.blocks.iter().any(strided) {
        true => StridePlacement::Conv1x1,
        false => StridePlacement::Conv3x3,
    }
}

fn anti_alias(network: &Network<'_>) -> AntiAlias {
    let in_blocks = network.blocks.iter().flat_map(|block| pools(&block.main));
    let mut found = pools(&network.stem).chain(in_blocks);
    match found.find(|pool| !matches!(pool, Pool::Max { .. })) {
        Some(Pool::Blur { .. }) => AntiAlias::Blur,
        Some(Pool::Average { .. }) => AntiAlias::AvgPool,
        _ => AntiAlias::None,
    }
}

fn norm(network: &Network<'_>) -> NormKind {
    let blocks = network
        .blocks
        .iter()
        .flat_map(|block| units(&block.main).chain(units(&block.shortcut)));
    let mut norms = units(&network.stem)
        .chain(blocks)
        .filter_map(|unit| unit.norm.as_ref());
    match norms.find(|norm| matches!(norm, Norm::Group { .. })) {
        Some(Norm::Group { groups, .. }) => NormKind::Group { groups: *groups },
        _ => NormKind::Batch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(kind: BlockKind, inner: usize, groups: usize, out: usize) -> Stage {
        Stage {
            kind,
            depth: 1,
            inner,
            groups,
            out,
            stride: 1,
        }
    }

    #[test]
    fn expansion_and_base_width_have_the_usual_values() {
        use BlockKind::{Basic, Bottleneck};
        // ResNet, ResNeXt 32x4d, Wide ResNet-50-2, and basic blocks only.
        assert_eq!(
            widths(&[
                stage(Bottleneck, 64, 1, 256),
                stage(Bottleneck, 128, 1, 512)
            ]),
            Ok((4, 64))
        );
        assert_eq!(
            widths(&[
                stage(Bottleneck, 128, 32, 256),
                stage(Bottleneck, 256, 32, 512)
            ]),
            Ok((4, 4))
        );
        assert_eq!(widths(&[stage(Bottleneck, 128, 1, 256)]), Ok((4, 128)));
        assert_eq!(widths(&[stage(Basic, 64, 1, 64)]), Ok((4, 64)));
        assert_eq!(widths(&[stage(Bottleneck, 8, 1, 16)]), Ok((4, 128)));
        assert!(widths(&[stage(Bottleneck, 8, 1, 32), stage(Bottleneck, 9, 1, 32)]).is_err());
    }
}
