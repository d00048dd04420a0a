//! How few images batch norm can be trained with.

use resnet_core::{NormKind, NormMode, ResNetConfig};

/// Returns the fewest images of `height` by `width` pixels that a step can take: PyTorch refuses a single value per channel,
/// as it has no variance ("Expected more than 1 value per channel when training").
pub fn least_images(network: &ResNetConfig, norms: NormMode, size: [usize; 2]) -> usize {
    let [height, width] = last_map(network, size);
    let pixels = height.saturating_mul(width);
    match (network.norm, norms) {
        (NormKind::Batch, NormMode::Eval | NormMode::Frozen) => 1,
        (NormKind::Batch | NormKind::BatchStats, _) if pixels > 1 => 1,
        (NormKind::Batch | NormKind::BatchStats, _) => 2,
        (NormKind::Group { .. } | NormKind::Instance, _) => 1,
    }
}

/// Height and width of the maps of the last stage, the smallest that a norm sees.
pub(crate) fn last_map(network: &ResNetConfig, size: [usize; 2]) -> [usize; 2] {
    let features = network.features();
    let stride = |feature: Option<&resnet_core::Feature>| feature.map_or(1, |f| f.stride.max(1));
    let (stem, last) = (stride(features.first()), stride(features.last()));
    size.map(|side| side.div_ceil(stem).div_ceil(last / stem))
}
