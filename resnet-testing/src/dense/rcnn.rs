//! Faster R-CNN, Mask R-CNN and Keypoint R-CNN.

use burn::tensor::backend::Backend;
use resnet_core::Network;
use resnet_dense::{Rcnn, RcnnConfig};

use super::{Case, images, keyed_network, means};

pub(super) fn run<B: Backend>(case: &Case, config: &RcnnConfig, device: &B::Device) {
    let network: Rcnn<B> = keyed_network(config.init(device), &case.value);
    case.check_state(&network);
    let network = network.fuse();
    let images = images(&case.value);
    let batch = config.transform.forward::<B>(&images, device);
    case.check_input(&batch);
    let stages = network.backbone().forward_body(batch.images.clone());
    for (i, map) in stages.maps().enumerate().skip(1) {
        case.compare(&format!("c{}", i + 1), &means(map));
    }
    let maps = network.backbone().forward_fpn(stages);
    let names = ["0", "1", "2", "3", "pool"];
    case.check_maps(&maps, &names);
    let levels = network.rpn().forward(&maps);
    for (i, name) in names.iter().enumerate().skip(2) {
        if case.find(&format!("rpn_logits_{name}")).is_none() {
            continue;
        }
        let logits: Vec<f32> = levels
            .iter()
            .flat_map(|image| image[i].logits.clone())
            .collect();
        case.compare(&format!("rpn_logits_{name}"), &logits);
        let deltas: Vec<f32> = levels
            .iter()
            .flat_map(|image| image[i].deltas.concat())
            .collect();
        case.compare(&format!("rpn_deltas_{name}"), &deltas);
    }
    let proposals = network.propose(&maps, &batch);
    let order_free = case.value["order_free"].as_bool().unwrap_or(false);
    for (i, proposals) in proposals.iter().enumerate() {
        let mut proposals: Vec<_> = proposals
            .iter()
            .map(|proposal| (proposal.corners, proposal.score))
            .collect();
        if order_free {
            let expected = case.find(&format!("proposals_{i}")).unwrap().boxes();
            assert_eq!(proposals.len(), expected.len());
            // The nearest box of the other set, for each box.
            proposals = expected
                .iter()
                .map(|corners| {
                    let far = |other: &[f32; 4]| {
                        other
                            .iter()
                            .zip(corners)
                            .map(|(a, b)| (a - b).abs())
                            .fold(0.0, f32::max)
                    };
                    *proposals
                        .iter()
                        .min_by(|a, b| far(&a.0).total_cmp(&far(&b.0)))
                        .unwrap()
                })
                .collect();
        }
        let scores: Vec<f32> = proposals.iter().map(|(_, score)| *score).collect();
        case.compare(&format!("proposal_scores_{i}"), &scores);
        let boxes: Vec<f32> = proposals.iter().flat_map(|(corners, _)| *corners).collect();
        case.compare(&format!("proposals_{i}"), &boxes);
    }
    let boxes = network.detect_boxes(&maps, &proposals, &batch);
    for (i, boxes) in boxes.iter().enumerate() {
        let boxes: Vec<f32> = boxes.iter().flat_map(|found| found.corners).collect();
        case.compare(&format!("raw_boxes_{i}"), &boxes);
    }
    if let Some(masks) = network.mask_probabilities(&maps, &boxes, &batch) {
        case.compare("mask_probs_0", &masks);
    }
    if let Some((heatmaps, points)) = network.heatmaps(&maps, &boxes, &batch) {
        let means: Vec<f32> = heatmaps
            .chunks(56 * 56)
            .map(|map| map.iter().sum::<f32>() / (56.0 * 56.0))
            .collect();
        assert_eq!(means.len(), points * boxes.concat().len());
        case.compare("heatmap_mean", &means);
        case.compare("heatmap", &heatmaps[..4 * 56 * 56]);
    }
    case.check_detections(&network.finish(&maps, boxes, &batch));
}
