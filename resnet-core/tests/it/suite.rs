//! What every backend has to give: PyTorch's numbers, by functions generic over the backend.
//!
//! The tests of `resnet-backend` include this file by its path.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::backend::Autodiff;
use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, Optimizer, SgdConfig};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{FloatDType, Int, Tensor, TensorData};
use resnet_core::{Network, Outputs, ResNet, ResNetConfig};
use safetensors::SafeTensors;
use serde_json::Value;

use crate::keyed;

/// Hands the names of `cases.json` to a macro that makes a test of each.
macro_rules! every_case {
    ($tests:ident) => {
        $tests! {
            resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d
            resnext101_64x4d wide_resnet50_2 resnet10t resnet14t resnet18d resnet26 resnet26d resnet34d
            resnet50c resnet50d resnet50t resnet101d resnet152d resnet200d resnext50d_32x4d
            resnext101_32x4d test_resnet seresnet18 seresnet50 seresnext50_32x4d ecaresnet50d
            ecaresnet26t resnetrs50 resnetaa50 resnetblur50 resnet50_gn resnet50d_odd resnet18_odd
            resnet50_os8 resnet50_os16 resnet18d_os8 resnet50_7classes_1channel cifar_resnet20
            cifar_resnet56 cifar_resnet110 cifar_resnet20_b cifar_resnet32_b cifar_wide_resnet16_4
            cifar_wide_resnet28_10 cifar_preact_resnet164 cifar_resnet8_b
        }
    };
}
pub(crate) use every_case;

pub(crate) fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../resnet-core/tests/fixtures")
        .join(path)
}

pub(crate) fn json(path: &str) -> Value {
    let text = std::fs::read_to_string(fixture(path)).unwrap();
    serde_json::from_str(&text).unwrap()
}

pub(crate) fn cases() -> Vec<Value> {
    serde_json::from_value(json("parity/cases.json")).unwrap()
}

/// The largest difference over the largest expected magnitude.
fn relative_error(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().all(|value| value.is_finite()));
    let largest = expected
        .iter()
        .fold(0.0_f32, |max, value| max.max(value.abs()));
    let difference = found
        .iter()
        .zip(expected)
        .fold(0.0_f32, |max, (a, b)| max.max((a - b).abs()));
    difference / largest
}

fn floats(data: TensorData) -> Vec<f32> {
    data.to_vec().unwrap()
}

fn expected(case: &str) -> HashMap<String, Vec<f32>> {
    let bytes = std::fs::read(fixture("parity/expected.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let of_case = tensors.iter().filter_map(|(key, view)| {
        let values = view
            .data()
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        Some((
            key.strip_prefix(&format!("{case}/"))?.to_string(),
            values.collect(),
        ))
    });
    of_case.collect()
}

fn check<B: Backend>(
    label: &str,
    outputs: Outputs<B>,
    expected: &HashMap<String, Vec<f32>>,
    tolerance: f32,
) {
    let mean = |map: Tensor<B, 4>| floats(map.mean_dim(3).mean_dim(2).into_data());
    let mut found = vec![
        ("logits".to_string(), floats(outputs.logits.into_data())),
        (
            "embedding".to_string(),
            floats(outputs.embedding.into_data()),
        ),
    ];
    found.extend(
        outputs
            .pyramid
            .into_iter()
            .enumerate()
            .map(|(i, map)| (format!("c{}", i + 1), mean(map))),
    );
    assert_eq!(found.len(), expected.len());
    for (output, values) in found {
        let error = relative_error(&values, &expected[&output]);
        println!("{label} {output}: {error:.1e}");
        assert!(
            error <= tolerance,
            "{label} {output}: relative error {error:.2e} > {tolerance:.0e}"
        );
    }
}

pub(crate) fn config_of(case: &Value) -> ResNetConfig {
    let mut config = ResNetConfig::named(case["arch"].as_str().unwrap()).unwrap();
    let number = |key: &str| case[key].as_u64().map(|n| n as usize);
    if let Some(stride) = number("output_stride") {
        config = config.with_output_stride(stride);
    }
    if let Some(classes) = number("num_classes") {
        config = config.with_num_classes(classes);
    }
    if let Some(channels) = number("in_channels") {
        config = config.with_in_channels(channels);
    }
    config
}

/// Logits, embedding, stage means and shapes of a case of `cases.json`, plain and fused.
pub(crate) fn case<B: Backend>(name: &str, device: &B::Device, tolerance: f32) {
    let cases = cases();
    let case = cases.iter().find(|case| case["name"] == name).unwrap();
    let config = config_of(case);
    let seed = case["seed"].as_u64().unwrap();
    let shape = |value: &Value| -> [usize; 4] { serde_json::from_value(value.clone()).unwrap() };
    let input = shape(&case["input"]);
    let x = keyed::images::<B>(seed, input, device);
    let model: ResNet<B> = keyed::fill(config.init(device), seed);
    assert_eq!(
        model.num_parameters() as u64,
        case["parameters"].as_u64().unwrap()
    );

    let plain = model.forward_all(x.clone());
    let shapes: Vec<_> = plain.pyramid.iter().map(|map| map.dims()).collect();
    let expected_shapes: Vec<_> = case["maps"].as_array().unwrap().iter().map(shape).collect();
    assert_eq!(shapes, expected_shapes);
    for (feature, [_, channels, height, width]) in config.features().iter().zip(shapes) {
        assert_eq!(feature.channels, channels, "{}", feature.name);
        assert_eq!(
            input[2].div_ceil(feature.stride),
            height,
            "{}",
            feature.name
        );
        assert_eq!(input[3].div_ceil(feature.stride), width, "{}", feature.name);
    }
    let logits = floats(model.forward(x.clone()).into_data());
    let error = relative_error(&logits, &floats(plain.logits.clone().into_data()));
    assert!(
        error <= tolerance / 10.0,
        "{name}: `forward` differs from `forward_all` by {error:.2e}"
    );

    let expected = expected(name);
    let backend = B::name(device);
    check(
        &format!("{backend} {name} plain"),
        plain,
        &expected,
        tolerance,
    );
    let fused = model.fuse().forward_all(x);
    check(
        &format!("{backend} {name} fused"),
        fused,
        &expected,
        tolerance,
    );
}

/// The relative error of the logits of a case in another float type, folded before; none where the device lacks it.
pub(crate) fn error_in<B: Backend>(
    name: &str,
    dtype: FloatDType,
    device: &B::Device,
) -> Option<f32> {
    let cases = cases();
    let case = cases.iter().find(|case| case["name"] == name).unwrap();
    let seed = case["seed"].as_u64().unwrap();
    let input: [usize; 4] = serde_json::from_value(case["input"].clone()).unwrap();
    let model: ResNet<B> = keyed::fill(config_of(case).init(device), seed);
    let model = model.fuse().cast(dtype).ok()?;
    let x = keyed::images::<B>(seed, input, device).cast(dtype);
    let logits: Vec<f32> = model.forward(x).into_data().iter().collect();
    Some(relative_error(&logits, &expected(name)["logits"]))
}

/// One step of SGD with Nesterov's momentum and weight decay on a CIFAR ResNet-20, as `training/step.py` does it: losses,
/// gradients, and every tensor after it.
pub(crate) fn training<B: Backend>(device: &B::Device, tolerance: f64) {
    step::<Autodiff<B>>(device, tolerance);
}

fn step<B: AutodiffBackend>(device: &B::Device, tolerance: f64) {
    let expected = json("training/step.json");
    let config = ResNetConfig::named("cifar_resnet20_b").unwrap();
    let model: ResNet<B> = keyed::fill(config.init(device), 7);
    let x = keyed::images::<B>(7, [16, 3, 32, 32], device);
    let classes: Vec<i32> = (0..16).map(|i| i % 10).collect();
    let classes = Tensor::<B, 1, Int>::from_data(TensorData::from(&classes[..]), device);
    let loss = |model: &ResNet<B>| {
        let entropy = CrossEntropyLossConfig::new().init(device);
        entropy.forward(model.forward(x.clone()), classes.clone())
    };
    let check_loss = |loss: &Tensor<B, 1>, expected: &Value| {
        let found = f64::from(floats(loss.clone().into_data())[0]);
        let expected = expected.as_f64().unwrap();
        let error = (found - expected).abs() / expected;
        assert!(
            error <= tolerance,
            "loss: expected {expected}, found {found}"
        );
    };

    let before = loss(&model);
    check_loss(&before, &expected["losses"][0]);
    let gradients = GradientsParams::from_grads(before.backward(), &model);
    let mut worst = 0.0_f64;
    let mut visitor = Gradients {
        gradients: &gradients,
        found: Vec::new(),
    };
    model.visit(&mut visitor);
    let parameters = expected["gradients"].as_object().unwrap();
    assert_eq!(visitor.found.len(), parameters.len());
    let keys = model.state_shapes().into_iter().map(|(key, _)| key);
    let keys = keys.filter(|key| !key.contains("running"));
    for (key, gradient) in keys.zip(visitor.found) {
        worst = worst.max(digest_error(&key, gradient, &parameters[&key]));
    }
    // Burn's default dampening is 0.1.
    let momentum = MomentumConfig::new()
        .with_dampening(0.0)
        .with_nesterov(true);
    let mut optimizer = SgdConfig::new()
        .with_momentum(Some(momentum))
        .with_weight_decay(Some(WeightDecayConfig::new(5e-4)))
        .init();
    let model: ResNet<B> = optimizer.step(0.1, model, gradients);
    let visited: Result<(), ()> = model.visit_state(|key, data| {
        worst = worst.max(digest_error(key, data, &expected["state"][key]));
        Ok(())
    });
    visited.unwrap();
    println!("{} training step: {worst:.1e}", B::name(device));
    assert!(
        worst <= tolerance,
        "relative error {worst:.2e} > {tolerance:.0e}"
    );
    check_loss(&loss(&model), &expected["losses"][1]);
}

/// The difference of norm and keyed product to those of `training/step.py`, over the norm.
fn digest_error(key: &str, data: TensorData, expected: &Value) -> f64 {
    let values: Vec<f64> = data.iter().collect();
    let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    let numbers = keyed::uniform(8, key, values.len());
    let product: f64 = values.iter().zip(numbers).map(|(value, u)| value * u).sum();
    let [expected_norm, expected_product]: [f64; 2] =
        serde_json::from_value(expected.clone()).unwrap();
    (norm - expected_norm)
        .abs()
        .max((product - expected_product).abs())
        / expected_norm
}

/// The gradients in the order of the parameters, in PyTorch's layout.
struct Gradients<'a> {
    gradients: &'a GradientsParams,
    found: Vec<TensorData>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Gradients<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if let Some(gradient) = self.gradients.get::<B::InnerBackend, D>(param.id) {
            let gradient = if D == 2 {
                gradient.transpose()
            } else {
                gradient
            };
            self.found.push(gradient.into_data());
        }
    }
}
