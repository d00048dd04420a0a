//! The parity suite of detectors and segmentation networks against torchvision, with intermediate
//! values, generic over the backend.

mod one_stage;
mod rcnn;
pub mod reference;
mod segmentation;

use std::convert::Infallible;

use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};
use resnet_core::{Network, NormKind};
use resnet_dense::{DenseArch, DenseConfig, Detections, DetectorConfig, ImageBatch, ImageTensor};
use serde_json::Value;

use crate::keyed;
use reference::{check, find, json, picture};

pub use segmentation::segmentation_input;

/// Passes the names of all cases to a macro that creates one test per name.
#[macro_export]
macro_rules! every_dense_case {
    ($tests:ident) => {
        $tests! {
            fasterrcnn fasterrcnn_batch fasterrcnn_wide fasterrcnn_default fasterrcnn_v2 maskrcnn
            maskrcnn_v2 keypointrcnn retinanet retinanet_v2 fcos fcn_resnet50 fcn_resnet50_no_aux
            fcn_resnet101 deeplabv3_resnet50 deeplabv3_resnet50_wide deeplabv3_resnet101
        }
    };
}

/// Compares a network with torchvision's results: keys, parameters, intermediate values and outputs.
/// Differences are at most `tolerance`, or five times the rounding noise of the array, relative to
/// its largest value.
///
/// # Panics
///
/// Panics if something differs.
pub fn run<B: Backend>(name: &str, device: &B::Device, tolerance: f64) {
    let case = Case::new(name, tolerance);
    match case_config(&case.value) {
        DenseConfig::Segmentation(config) => segmentation::run::<B>(&case, &config, device),
        DenseConfig::Detection(DetectorConfig::Rcnn(config)) => {
            rcnn::run::<B>(&case, &config, device)
        }
        DenseConfig::Detection(config) => one_stage::run::<B>(&case, config, device),
    }
}

/// A case of the suite.
struct Case {
    value: Value,
    tolerance: f64,
}

impl Case {
    fn new(name: &str, tolerance: f64) -> Self {
        let cases = json("cases.json");
        let mut models = cases["models"].as_array().unwrap().iter();
        let value = models.find(|case| case["name"] == name);
        Self {
            value: value.unwrap_or_else(|| panic!("no case {name}")).clone(),
            tolerance,
        }
    }

    fn name(&self) -> &str {
        self.value["name"].as_str().unwrap()
    }

    /// Returns torchvision's array, or `None` if there is none.
    fn find(&self, array: &str) -> Option<reference::Array> {
        find(&format!("{}/{array}", self.name()))
    }

    /// Compares values with torchvision's.
    #[track_caller]
    fn compare(&self, array: &str, found: &[f32]) {
        let label = format!("{}/{array}", self.name());
        let noise = self.value["facts"]["noise"][array].as_f64().unwrap_or(0.0);
        let expected = find(&label).unwrap_or_else(|| panic!("no array {label}"));
        check(&label, found, &expected, (5.0 * noise).max(self.tolerance));
    }

    /// Compares keys, shapes and the number of parameters.
    fn check_state<B: Backend>(&self, network: &impl Network<B>) {
        let name = self.name();
        let expected = json("shapes.json");
        let expected = expected[name]
            .as_object()
            .unwrap_or_else(|| panic!("no shapes of {name}"));
        let mut found: Vec<(String, Vec<usize>)> = network.state_shapes();
        found.sort();
        let counter = |key: &&String| !key.ends_with("num_batches_tracked");
        let mut keys: Vec<&String> = expected.keys().filter(counter).collect();
        keys.sort();
        assert_eq!(found.iter().map(|(key, _)| key).collect::<Vec<_>>(), keys);
        for (key, shape) in &found {
            assert_eq!(serde_json::json!(shape), expected[key], "{key}");
        }
        assert_eq!(
            network.num_parameters() as u64,
            self.value["parameters"].as_u64().unwrap()
        );
    }

    fn check_input<B: Backend>(&self, batch: &ImageBatch<B>) {
        let [_, _, h, w] = batch.images.dims();
        let every_16th = |side: usize| -> Tensor<B, 1, Int> {
            let at: Vec<i64> = (0..side.div_ceil(16)).map(|i| 16 * i as i64).collect();
            let count = at.len();
            Tensor::from_data(TensorData::new(at, [count]), &batch.images.device())
        };
        let some = batch
            .images
            .clone()
            .select(2, every_16th(h))
            .select(3, every_16th(w));
        self.compare("input", &values(some));
        self.compare("input_mean", &means(&batch.images));
    }

    fn check_maps<B: Backend>(&self, maps: &[Tensor<B, 4>], names: &[&str]) {
        for (i, (name, map)) in names.iter().zip(maps).enumerate() {
            self.compare(&format!("p_{name}"), &means(map));
            let [_, c, h, w] = map.dims();
            let all = values(map.clone().narrow(0, 0, 1));
            let whole = i + 2 >= maps.len() && h <= 8;
            let (channels, apart) = if whole { (1, 1) } else { (32, h.div_ceil(40)) };
            let mut some = Vec::new();
            for channel in (0..c).step_by(channels) {
                for y in (0..h).step_by(apart) {
                    some.extend(
                        (0..w)
                            .step_by(apart)
                            .map(|x| all[(channel * h + y) * w + x]),
                    );
                }
            }
            self.compare(&format!("p_{name}_map"), &some);
        }
    }

    fn check_detections(&self, images: &[Detections]) {
        for (i, found) in images.iter().enumerate() {
            let labels: Vec<f32> = found.iter().map(|found| found.label as f32).collect();
            self.compare(&format!("labels_{i}"), &labels);
            let scores: Vec<f32> = found.iter().map(|found| found.score).collect();
            self.compare(&format!("scores_{i}"), &scores);
            let boxes: Vec<f32> = found.iter().flat_map(|found| found.corners).collect();
            self.compare(&format!("boxes_{i}"), &boxes);
            if found.iter().any(|found| found.mask.is_some()) {
                let masks: Vec<_> = found
                    .iter()
                    .map(|found| found.mask.as_ref().unwrap().paste())
                    .collect();
                let sums: Vec<f32> = masks.iter().map(|mask| mask.values.iter().sum()).collect();
                self.compare(&format!("mask_sums_{i}"), &sums);
                let inside = masks.iter().map(|mask| mask.above(0.5));
                let counts: Vec<f32> = inside
                    .clone()
                    .map(|mask| mask.iter().filter(|above| **above).count() as f32)
                    .collect();
                self.compare(&format!("mask_counts_{i}"), &counts);
                let bits = inside.flat_map(|mask| {
                    let byte = |bits: &[bool]| {
                        bits.iter()
                            .enumerate()
                            .fold(0_u8, |byte, (i, bit)| byte | u8::from(*bit) << (7 - i))
                    };
                    mask.chunks(8)
                        .map(|bits| f32::from(byte(bits)))
                        .collect::<Vec<_>>()
                });
                self.compare(&format!("mask_bits_{i}"), &bits.collect::<Vec<_>>());
            }
            if found.iter().any(|found| found.keypoints.is_some()) {
                let points = found
                    .iter()
                    .flat_map(|found| found.keypoints.clone().unwrap());
                let positions: Vec<f32> = points
                    .clone()
                    .flat_map(|point| [point.x, point.y, 1.0])
                    .collect();
                self.compare(&format!("keypoints_{i}"), &positions);
                let scores: Vec<f32> = points.map(|point| point.score).collect();
                self.compare(&format!("keypoint_scores_{i}"), &scores);
            }
        }
    }
}

/// Returns the network with keyed weights, changed by the rules of the case.
///
/// # Panics
///
/// Panics if the case has no seed.
pub fn keyed_network<B: Backend, N: Network<B>>(network: N, case: &Value) -> N {
    let seed = case["seed"].as_u64().unwrap();
    let rules = case["rules"].as_array().cloned().unwrap_or_default();
    let loaded = network.load_state(|key, shape| -> Result<_, Infallible> {
        let data = keyed::parameter(seed, key, shape);
        let mut values: Vec<f32> = data.to_vec().unwrap();
        for rule in &rules {
            let fits = |name: &str, fits: fn(&str, &str) -> bool| {
                rule[name].as_str().is_none_or(|text| fits(key, text))
            };
            if fits("starts", |key, text| key.starts_with(text))
                && fits("ends", |key, text| key.ends_with(text))
            {
                let (scale, add) = (
                    rule["scale"].as_f64().unwrap_or(1.0),
                    rule["add"].as_f64().unwrap_or(0.0),
                );
                for value in &mut values {
                    *value = (f64::from(*value) * scale + add) as f32;
                }
            }
        }
        Ok(Some(TensorData::new(values, shape.to_vec())))
    });
    loaded.unwrap_or_else(|never| match never {})
}

/// Returns the images of a case.
///
/// # Panics
///
/// Panics if the case has another form.
pub fn images(case: &Value) -> Vec<ImageTensor> {
    let images = case["images"].as_array().unwrap().iter();
    images
        .map(|image| {
            let size = serde_json::from_value(image["size"].clone()).unwrap();
            picture(image["seed"].as_u64().unwrap(), size)
        })
        .collect()
}

/// Returns the config of a case: torchvision's network with other options.
///
/// # Panics
///
/// Panics if the case has another form or an invalid option.
pub fn case_config(case: &Value) -> DenseConfig {
    let arch: DenseArch = case["model"].as_str().unwrap().parse().unwrap();
    let mut whole = serde_json::to_value(arch.config()).unwrap();
    for (option, value) in case["options"].as_object().into_iter().flatten() {
        let value = match option.as_str() {
            "min_size" => Value::Array(vec![value.clone()]),
            _ => value.clone(),
        };
        let detector = whole["detection"].as_object_mut().unwrap().values_mut();
        let detector = detector.into_iter().next().unwrap();
        let place = match option.as_str() {
            "min_size" | "max_size" => &mut detector["transform"][option],
            _ => &mut detector[option],
        };
        assert!(!place.is_null(), "{option}");
        *place = value;
    }
    let mut config: DenseConfig = serde_json::from_value(whole).unwrap();
    if let Some(classes) = case["num_classes"].as_u64() {
        config.set_num_classes(classes as usize);
    }
    match (&mut config, case["norm"].as_str()) {
        (DenseConfig::Segmentation(config), _) => {
            config.aux_loss = case["aux"].as_bool().unwrap_or(true);
        }
        (DenseConfig::Detection(config), Some("frozen")) => {
            config.body_mut().norm = NormKind::Frozen;
        }
        (DenseConfig::Detection(config), _) => config.body_mut().norm = NormKind::Batch,
    }
    config.validate().unwrap();
    config
}

fn values<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}

fn means<B: Backend>(map: &Tensor<B, 4>) -> Vec<f32> {
    values(map.clone().mean_dim(3).mean_dim(2))
}
