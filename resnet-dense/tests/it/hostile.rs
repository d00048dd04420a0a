//! Inputs that must not cause a panic, an endless loop or unbounded memory.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use burn::tensor::TensorData;
use resnet_core::{Arch, Network};
use resnet_cpu::Cpu;
use resnet_dense::ops::nms::{batched_nms, nms};
use resnet_dense::{
    Detections, DetectorConfig, DetectorNetwork, FcosConfig, ImageTensor, RcnnConfig,
    RetinaNetConfig,
};

/// Detectors on a small residual network, whose weights are all `value`.
fn detectors(value: f32) -> impl Iterator<Item = DetectorNetwork<Cpu>> {
    detectors_with(move |_| value)
}

/// Detectors on a small residual network. `value` returns the value of all weights with a key.
fn detectors_with(value: impl Fn(&str) -> f32) -> impl Iterator<Item = DetectorNetwork<Cpu>> {
    let body = || Arch::TestResNet.config();
    let mut rcnn = RcnnConfig::faster_rcnn(body(), 3).with_masks();
    rcnn.representation_size = 32;
    let mut keypoints = RcnnConfig::faster_rcnn(body(), 2).with_keypoints(4);
    (keypoints.representation_size, keypoints.keypoint_channels) = (32, 16);
    let configs = [
        DetectorConfig::Rcnn(rcnn),
        DetectorConfig::Rcnn(keypoints),
        DetectorConfig::RetinaNet(RetinaNetConfig::new(body(), 3)),
        DetectorConfig::Fcos(FcosConfig::new(body(), 3)),
    ];
    configs.into_iter().map(move |mut config| {
        config.transform_mut().min_size = vec![64];
        config.transform_mut().max_size = 128;
        config.validate().unwrap();
        let network: DetectorNetwork<Cpu> = config.init(&Default::default());
        let loaded = network.load_state(|key, shape| -> Result<_, Infallible> {
            let values = vec![value(key); shape.iter().product()];
            Ok(Some(TensorData::new(values, shape.to_vec())))
        });
        loaded.unwrap_or_else(|never| match never {})
    })
}

fn detect(network: &DetectorNetwork<Cpu>, images: &[ImageTensor]) -> Vec<Detections> {
    network.detect(images, &Default::default())
}

fn gray(size: [usize; 2]) -> ImageTensor {
    ImageTensor::from_bytes(size, vec![100; 3 * size[0] * size[1]])
}

#[test]
fn weights_that_are_not_finite_give_no_detections() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 1e20] {
        for network in detectors(value) {
            for found in detect(&network, &[gray([40, 60])]).into_iter().flatten() {
                assert!(found.score.is_finite());
            }
        }
    }
}

#[test]
fn partly_damaged_weights_give_no_silent_results() {
    let damaged = |layers: &'static [&str]| {
        detectors_with(move |key| {
            let damaged = layers.iter().any(|layer| key.contains(layer));
            if damaged { f32::NAN } else { 0.01 }
        })
    };
    let count = |networks: &mut dyn Iterator<Item = DetectorNetwork<Cpu>>| -> Vec<[usize; 2]> {
        let found = networks.map(|network| detect(&network, &[gray([40, 60])]).concat());
        found
            .map(|found| {
                [
                    found.len(),
                    found.iter().filter(|object| object.is_finite()).count(),
                ]
            })
            .collect()
    };
    let intact = count(&mut damaged(&[]));
    assert!(
        intact
            .iter()
            .all(|[found, finite]| *found > 0 && finite == found),
        "{intact:?}"
    );
    assert_eq!(count(&mut damaged(&["bbox"])), [[0; 2]; 4]);
    let heads = count(&mut damaged(&["mask_fcn_logits", "kps_score"]));
    assert!(
        heads[..2]
            .iter()
            .all(|[found, finite]| *found > 0 && *finite == 0),
        "{heads:?}"
    );
}

#[test]
fn images_of_any_size() {
    for network in detectors(0.0) {
        for size in [[1, 1], [1, 3000], [20_000, 2], [7, 5]] {
            assert_eq!(detect(&network, &[gray(size)]).len(), 1, "{size:?}");
        }
        let found = detect(&network, &[gray([1, 50]), gray([60, 40])]);
        assert_eq!(found.len(), 2);
    }
}

#[test]
fn large_images_need_no_memory_beyond_their_bytes() {
    let mut networks = detectors(0.0);
    let network = networks.next().unwrap();
    detect(&network, &[gray([8_000, 8_000])]);
}

#[test]
fn thousands_of_overlapping_boxes() {
    let start = Instant::now();
    let count = 20_000;
    let scores: Vec<f32> = (0..count).map(|i| (i % 1000) as f32 / 1000.0).collect();
    let same = vec![[10.0, 10.0, 50.0, 50.0]; count];
    assert_eq!(nms(&same, &scores, 0.5).len(), 1);
    // Boxes that do not overlap, in several classes.
    let apart: Vec<[f32; 4]> = (0..count)
        .map(|i| [3 * i, 0, 3 * i + 2, 2].map(|side| side as f32))
        .collect();
    let classes: Vec<usize> = (0..count).map(|i| i % 90).collect();
    assert_eq!(batched_nms(&apart, &scores, &classes, 0.5).len(), count);
    let not_finite = [
        [f32::NAN; 4],
        [f32::INFINITY; 4],
        [0.0, 0.0, f32::INFINITY, 1.0],
    ];
    nms(&not_finite, &[f32::NAN, 1.0, 0.5], 0.5);
    batched_nms(&not_finite, &[f32::NAN, 1.0, 0.5], &[0, 1, 1], 0.5);
    assert!(start.elapsed() < Duration::from_secs(60));
}
