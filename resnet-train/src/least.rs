//! The smallest batch that the norm layers can train on.

use resnet_core::{AntiAlias, NormKind, NormMode, ResNetConfig};

/// Returns the smallest batch of images of `height` by `width` pixels that a training step accepts,
/// or `None` if no batch size is large enough.
///
/// A single value per channel has no variance. PyTorch raises "Expected more than 1 value per
/// channel when training".
pub fn least_images(network: &ResNetConfig, norms: NormMode, size: [usize; 2]) -> Option<usize> {
    let [height, width] = last_map(network, size);
    let single = height.saturating_mul(width) <= 1;
    match (network.norm, norms) {
        (NormKind::Batch, NormMode::Eval | NormMode::Frozen) => Some(1),
        (NormKind::Batch, NormMode::Train) | (NormKind::BatchStats, _) if single => Some(2),
        (NormKind::Group { groups }, _) if single && has_single_channels(network, groups) => {
            Some(2)
        }
        (NormKind::Instance, _) if single => None,
        _ => Some(1),
    }
}

/// Returns whether a group norm of the last stage has one channel per group.
fn has_single_channels(network: &ResNetConfig, groups: usize) -> bool {
    let plan = network.plan();
    let blocks = plan.last().into_iter().flatten();
    let mut channels = blocks.flat_map(|block| [block.width, block.out_channels]);
    channels.any(|channels| channels <= groups)
}

/// Returns height and width of the feature maps of the last stage, the smallest in the network.
pub(crate) fn last_map(network: &ResNetConfig, size: [usize; 2]) -> [usize; 2] {
    let features = network.features();
    let stride = |feature: Option<&resnet_core::Feature>| feature.map_or(1, |f| f.stride.max(1));
    let (stem, last) = (stride(features.first()), stride(features.last()));
    size.map(|side| {
        let side = side.div_ceil(stem);
        match network.anti_alias {
            AntiAlias::AvgPool => side / (last / stem),
            _ => side.div_ceil(last / stem),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_image_is_enough_if_the_last_maps_have_two_pixels() {
        let network = |name: &str| ResNetConfig::named(name).unwrap();
        let train = NormMode::Train;
        for (name, size, map, least) in [
            ("resnet18", [32, 32], [1, 1], 2),
            ("resnet18", [33, 32], [2, 1], 1),
            ("resnet18", [64, 64], [2, 2], 1),
            ("resnet50", [224, 224], [7, 7], 1),
            ("cifar_resnet20", [4, 4], [1, 1], 2),
            ("cifar_resnet20", [32, 32], [8, 8], 1),
            ("resnet50d", [32, 8], [1, 1], 2),
            ("resnetaa50", [64, 64], [2, 2], 1),
            ("resnetaa50", [32, 32], [1, 1], 2),
        ] {
            let network = network(name);
            assert_eq!(last_map(&network, size), map, "{name} {size:?}");
            assert_eq!(least_images(&network, train, size), Some(least), "{name}");
            for frozen in [NormMode::Eval, NormMode::Frozen] {
                assert_eq!(least_images(&network, frozen, size), Some(1), "{name}");
            }
        }
        let with = |norm| ResNetConfig {
            norm,
            ..network("resnet18")
        };
        for (norm, least) in [
            (NormKind::BatchStats, Some(2)),
            (NormKind::Instance, None),
            (NormKind::Group { groups: 32 }, Some(1)),
            (NormKind::Group { groups: 512 }, Some(2)),
        ] {
            for mode in [NormMode::Train, NormMode::Eval] {
                assert_eq!(least_images(&with(norm), mode, [32, 32]), least);
                assert_eq!(least_images(&with(norm), mode, [64, 64]), Some(1));
            }
        }
    }
}
