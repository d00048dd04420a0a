//! RetinaNet and FCOS.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use resnet_core::Network;
use resnet_dense::{DetectorConfig, Fcos, RetinaNet};

use super::{Case, images, keyed_network, values};

pub(super) fn run<B: Backend>(case: &Case, config: DetectorConfig, device: &B::Device) {
    let images = images(&case.value);
    let names = ["0", "1", "2", "p6", "p7"];
    let found = match config {
        DetectorConfig::Fcos(config) => {
            let network: Fcos<B> = keyed_network(config.init(device), &case.value);
            case.check_state(&network);
            let network = network.fuse();
            let batch = config.transform.forward::<B>(&images, device);
            let maps = network.backbone().forward(batch.images.clone());
            case.check_maps(&maps, &names);
            let levels = maps
                .into_iter()
                .map(|map| network.forward_level(map).to_vec());
            check_levels(case, levels, &["cls", "box", "ctr"]);
            network.detect(&images, device)
        }
        DetectorConfig::RetinaNet(config) => {
            let network: RetinaNet<B> = keyed_network(config.init(device), &case.value);
            case.check_state(&network);
            let network = network.fuse();
            let batch = config.transform.forward::<B>(&images, device);
            let maps = network.backbone().forward(batch.images.clone());
            case.check_maps(&maps, &names);
            let levels = maps
                .into_iter()
                .map(|map| network.forward_level(map).to_vec());
            check_levels(case, levels, &["cls", "box"]);
            network.detect(&images, device)
        }
        DetectorConfig::Rcnn(_) => panic!("{} has two stages", case.name()),
    };
    case.check_detections(&found);
}

/// Compares head outputs, `[batch, cells * anchors, values]`: all rows of the small levels and every
/// 53rd row of the large ones.
fn check_levels<B: Backend>(
    case: &Case,
    levels: impl Iterator<Item = Vec<Tensor<B, 4>>>,
    outputs: &[&str],
) {
    for (level, maps) in ["0", "1", "2", "p6", "p7"].into_iter().zip(levels) {
        for (output, map) in outputs.iter().zip(maps) {
            let name = format!("{output}_{level}");
            let expected = case.find(&name).unwrap();
            let width = expected.shape[2];
            let all = values(map.permute([0, 2, 3, 1]));
            let apart = if matches!(level, "0" | "1") { 53 } else { 1 };
            let rows: Vec<f32> = all
                .chunks(width)
                .step_by(apart)
                .flatten()
                .copied()
                .collect();
            case.compare(&name, &rows);
        }
    }
}
