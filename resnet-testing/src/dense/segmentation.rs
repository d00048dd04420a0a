//! FCN and DeepLabV3.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use resnet_core::Network;
use resnet_dense::{Segmentation, SegmentationConfig};
use serde_json::Value;

use super::reference::scene;
use super::{Case, keyed_network, means, values};
use crate::keyed;

pub(super) fn run<B: Backend>(case: &Case, config: &SegmentationConfig, device: &B::Device) {
    let network: Segmentation<B> = keyed_network(config.init(device), &case.value);
    case.check_state(&network);
    let network = network.fuse();
    let x = segmentation_input::<B>(&case.value, device);
    let stages = network.forward_backbone(x.clone());
    for (i, map) in stages.maps().enumerate().skip(3) {
        let map_name = format!("c{}", i + 1);
        if case.find(&map_name).is_some() {
            case.compare(&map_name, &means(map));
        }
    }
    let low = network.forward_heads(&stages);
    case.compare("low", &values(low.out));
    if let Some(aux) = low.aux {
        case.compare("aux_low", &values(aux));
    }
    let output = network.forward(x);
    let [n, classes, h, w] = output.out.dims();
    let fifth = |logits: &[f32]| -> Vec<f32> {
        let rows = logits
            .chunks(w)
            .enumerate()
            .filter(|(i, _)| (i % h).is_multiple_of(5));
        rows.flat_map(|(_, row)| row.iter().step_by(5).copied())
            .collect()
    };
    let logits = values(output.out);
    match case.find("out_0") {
        Some(_) => case.compare("out_0", &logits[..classes * h * w]),
        None => case.compare("out_5", &fifth(&logits)),
    }
    if let Some(aux) = output.aux
        && case.find("aux_5").is_some()
    {
        case.compare("aux_5", &fifth(&values(aux)));
    }
    let expected = case.find("argmax").unwrap();
    let at = |image: usize, class: usize, pixel: usize| {
        logits[(image * classes + class) * h * w + pixel]
    };
    let mut different = 0;
    for image in 0..n {
        for pixel in 0..h * w {
            let best = (0..classes).fold(0, |best, class| {
                if at(image, class, pixel) > at(image, best, pixel) {
                    class
                } else {
                    best
                }
            });
            different += usize::from(best as f64 != expected.values[image * h * w + pixel]);
        }
    }
    assert!(
        different == 0,
        "{}: {different} pixels of another class",
        case.name()
    );
}

/// Returns the normalized images of a segmentation case.
///
/// # Panics
///
/// Panics if the case has another form.
pub fn segmentation_input<B: Backend>(case: &Value, device: &B::Device) -> Tensor<B, 4> {
    let shape: [usize; 4] = serde_json::from_value(case["shape"].clone()).unwrap();
    let seed = case["image_seed"].as_u64().unwrap();
    if case["input"] == "noise" {
        return keyed::images(seed, shape, device);
    }
    let [n, c, h, w] = shape;
    let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let values: Vec<f32> = (0..n as u64)
        .flat_map(|i| {
            let pixels = scene(seed + i, [h, w]).into_iter().enumerate();
            pixels.map(|(i, pixel)| {
                let channel = i / (h * w) % c;
                (pixel / 255.0 - mean[channel]) / std[channel]
            })
        })
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}
