//! Losses and gradients of a training step.

use std::collections::BTreeMap;

use burn::backend::{Autodiff, Flex};
use burn::module::{AutodiffModule, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use resnet_core::{LayerGroup, Network, NormMode};
use resnet_cpu::Cpu;
use resnet_dense::{
    DenseConfig, DetectorConfig, Fcos, IGNORE, ImageTensor, Losses, Rcnn, RetinaNet, Segmentation,
    SegmentationOutput, Target,
};
use resnet_testing::dense::reference::json;
use resnet_testing::dense::{case_config, images, keyed_network, segmentation_input};
use resnet_testing::{autograd_lock, keyed};
use serde_json::Value;

fn case(name: &str) -> Value {
    let cases = json("cases.json");
    let training = cases["training"].as_array().unwrap();
    let found = training.iter().find(|case| case["name"] == name);
    found.unwrap_or_else(|| panic!("no case {name}")).clone()
}

/// Returns the pixels of the ellipse in a box, as `dense.py`'s `ellipse`.
fn ellipse([x1, y1, x2, y2]: [f32; 4], [height, width]: [usize; 2]) -> Vec<bool> {
    let inside = |at: usize, low: f32, high: f32| {
        let (low, high) = (f64::from(low), f64::from(high));
        (at as f64 + 0.5 - (low + high) / 2.0) / ((high - low) / 2.0)
    };
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    pixels
        .map(|(x, y)| inside(x, x1, x2).powi(2) + inside(y, y1, y2).powi(2) <= 1.0)
        .collect()
}

fn targets(case: &Value, images: &[ImageTensor]) -> Vec<Target> {
    let targets = case["targets"].as_array().unwrap().iter().zip(images);
    targets
        .map(|(target, image)| {
            let boxes: Vec<[f32; 4]> = serde_json::from_value(target["boxes"].clone()).unwrap();
            let masks = target["masks"].as_bool().unwrap_or(false);
            Target {
                labels: serde_json::from_value(target["labels"].clone()).unwrap(),
                masks: boxes
                    .iter()
                    .filter(|_| masks)
                    .map(|corners| ellipse(*corners, image.size()))
                    .collect(),
                keypoints: match &target["keypoints"] {
                    Value::Null => Vec::new(),
                    keypoints => serde_json::from_value(keypoints.clone()).unwrap(),
                },
                boxes,
            }
        })
        .collect()
}

/// Returns the class of each pixel, as `dense.py`'s `label_map`.
fn label_map(seed: u64, [n, h, w]: [usize; 3]) -> Vec<usize> {
    let [rows, columns] = [h.div_ceil(8), w.div_ceil(8)];
    let cells: Vec<f64> = keyed::uniform(seed, "target", n * rows * columns).collect();
    let ignored: Vec<f64> = keyed::uniform(seed, "ignore", n * h * w).collect();
    let class = |i: usize| {
        let (image, y, x) = (i / (h * w), i / w % h, i % w);
        let cell = cells[(image * rows + y / 8) * columns + x / 8];
        match ignored[i] > 0.8 {
            true => IGNORE,
            false => ((cell + 1.0) * 10.5).floor() as usize,
        }
    };
    (0..n * h * w).map(class).collect()
}

struct Gradients<'a> {
    all: GradientsParams,
    keys: std::vec::IntoIter<&'a str>,
    found: BTreeMap<&'a str, Vec<f32>>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Gradients<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let key = self.keys.next().unwrap();
        if let Some(gradient) = self.all.get::<B::InnerBackend, D>(param.id) {
            self.found
                .insert(key, gradient.into_data().iter().collect());
        }
    }
}

fn check<B: AutodiffBackend, N: Network<B> + AutodiffModule<B>>(
    case: &Value,
    network: &N,
    losses: &Losses<B>,
) {
    let name = case["name"].as_str().unwrap();
    let result = &case["result"];
    let tolerance = |key: &str| (5.0 * result["noise"][key].as_f64().unwrap_or(0.0)).max(1e-4);
    let near = |key: &str, found: f64, expected: &Value, tolerance: f64| {
        let expected = expected.as_f64().unwrap();
        let error = (found - expected).abs() / expected.abs().max(1e-12);
        println!("{name} {key}: {found:.6} {expected:.6} {error:.1e}");
        assert!(
            error <= tolerance,
            "{name} {key}: {found}, expected {expected}: {error:.2e} > {tolerance:.0e}"
        );
    };
    let expected = result["losses"].as_object().unwrap();
    assert_eq!(losses.0.len(), expected.len());
    for loss in &losses.0 {
        let value = loss.value.clone().into_scalar();
        let value: f64 = burn::tensor::cast::ToElement::to_f64(&value);
        near(loss.name, value, &expected[loss.name], tolerance(loss.name));
    }
    let total: f64 = burn::tensor::cast::ToElement::to_f64(&losses.total().into_scalar());
    near("total", total, &result["total"], 1e-4);
    let shapes = network.state_shapes();
    let keys: Vec<&str> = shapes.iter().map(|(key, _)| key.as_str()).collect();
    let mut gradients = Gradients {
        all: GradientsParams::from_grads(losses.total().backward(), network),
        keys: keys.into_iter(),
        found: BTreeMap::new(),
    };
    network.visit(&mut gradients);
    let norm = |values: &[f32]| -> f64 {
        let squares = values.iter().map(|value| f64::from(*value).powi(2));
        squares.sum::<f64>().sqrt()
    };
    // Rounding moves a value over the kink of a ReLU now and then, which changes all gradients before
    // it. So the noise of one gradient is a sample of the noise of any of them.
    let noise = result["noise"].as_object().unwrap().values();
    let noise = noise.filter_map(Value::as_f64).fold(0.0, f64::max);
    for (key, expected) in result["gradient_norms"].as_object().unwrap() {
        let found = norm(&gradients.found[key.as_str()]);
        near(key, found, expected, (5.0 * noise).max(1e-4));
    }
    let all = gradients.found.values().map(|values| norm(values).powi(2));
    near(
        "gradient_norm_all",
        all.sum::<f64>().sqrt(),
        &result["gradient_norm_all"],
        (5.0 * noise).max(1e-4),
    );
    for key in result["without_gradient"].as_array().unwrap() {
        assert!(
            !gradients.found.contains_key(key.as_str().unwrap()),
            "{key}"
        );
    }
    let running = result["running_norms"].as_object().unwrap();
    let mut seen = 0;
    let visited: Result<(), ()> = network.visit_state(|key, data| {
        if let Some(expected) = running.get(key) {
            let values: Vec<f32> = data.iter().collect();
            near(key, norm(&values), expected, tolerance(key));
            seen += 1;
        }
        Ok(())
    });
    visited.unwrap();
    assert_eq!(seen, running.len());
}

fn prepare<B: Backend, N: Network<B>>(network: N, case: &Value, from: LayerGroup) -> N {
    let mode = match case["batch_norm"].as_str().unwrap() {
        "train" => NormMode::Train,
        _ => NormMode::Eval,
    };
    keyed_network(network, case)
        .freeze_to(from)
        .with_norm_mode(mode)
}

fn run<B: AutodiffBackend>(name: &str) {
    let _lock = autograd_lock();
    let case = case(name);
    let device = B::Device::default();
    // Every candidate is sampled.
    let mut draw = |of: usize, count: usize| -> Vec<usize> {
        assert_eq!(of, count);
        (0..of).collect()
    };
    let from = LayerGroup::Layer2;
    match case_config(&case) {
        DenseConfig::Segmentation(mut config) => {
            config.dropout = false;
            let network: Segmentation<B> = config.init(&device);
            let network = prepare(network, &case, LayerGroup::Stem);
            let x: Tensor<B, 4> = segmentation_input(&case, &device);
            let [n, _, h, w] = x.dims();
            let classes = label_map(case["image_seed"].as_u64().unwrap(), [n, h, w]);
            let losses = network.forward(x).losses(&classes);
            check(&case, &network, &losses);
        }
        DenseConfig::Detection(config) => {
            let images = images(&case);
            let targets = targets(&case, &images);
            let sizes = vec![*config.transform().min_size.last().unwrap(); images.len()];
            match config {
                DetectorConfig::Rcnn(config) => {
                    let network: Rcnn<B> = prepare(config.init(&device), &case, from);
                    let losses = network.losses(&images, &targets, &sizes, &mut draw, &device);
                    check(&case, &network, &losses);
                }
                DetectorConfig::RetinaNet(config) => {
                    let network: RetinaNet<B> = prepare(config.init(&device), &case, from);
                    let losses = network.losses(&images, &targets, &sizes, &device);
                    check(&case, &network, &losses);
                }
                DetectorConfig::Fcos(config) => {
                    let network: Fcos<B> = prepare(config.init(&device), &case, from);
                    let losses = network.losses(&images, &targets, &sizes, &device);
                    check(&case, &network, &losses);
                }
            }
        }
    }
}

macro_rules! cases {
    ($($name:ident)*) => {
        mod cpu {
            $(#[test] fn $name() { super::run::<super::Autodiff<super::Cpu>>(concat!("train_", stringify!($name))); })*
        }
        mod flex {
            $(#[test] fn $name() { super::run::<super::Autodiff<super::Flex>>(concat!("train_", stringify!($name))); })*
        }
    };
}

cases! {
    fasterrcnn fasterrcnn_v2 maskrcnn keypointrcnn retinanet retinanet_v2 fcos fcn deeplabv3
    deeplabv3_frozen
}

#[test]
fn large_logits_have_finite_segmentation_losses() {
    let device = Default::default();
    let out = Tensor::<Autodiff<Cpu>, 4>::from_floats(
        [[[[300.0, -200.0]], [[100.0, -400.0]], [[-50.0, -200.0]]]],
        &device,
    )
    .require_grad();
    let output = SegmentationOutput {
        out: out.clone(),
        aux: None,
    };
    let loss = output.losses(&[1, 2]).0.remove(0).value;
    // Pixel 0 has 200 more for another class; in pixel 1, two classes are equally likely.
    let expected = (200.0 + 2f32.ln()) / 2.0;
    assert!((loss.clone().into_scalar() - expected).abs() < 1e-4);
    let gradient = out.grad(&loss.backward()).unwrap().into_data();
    gradient.assert_eq(
        &[[[[0.5f32, 0.25]], [[-0.5, 0.0]], [[0.0, -0.25]]]].into(),
        false,
    );
}
