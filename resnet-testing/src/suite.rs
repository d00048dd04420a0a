//! The parity suite: compares networks with PyTorch on any backend, for `ResNet` and for a custom
//! `Network`.

mod state;
mod subject;
mod training;

use std::collections::HashMap;
use std::path::PathBuf;

use burn::tensor::backend::Backend;
use burn::tensor::{FloatDType, Tensor, TensorData};
use resnet_core::{Network, Outputs, ResNet, ResNetConfig};
use safetensors::SafeTensors;
use serde_json::Value;

use crate::{keyed, relative_error, workspace};

pub use self::state::state;
use self::subject::{Headed, Subject};
pub use self::training::training;

/// Passes the names in `cases.json` to a macro that creates one test per name.
#[macro_export]
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
            cifar_wide_resnet28_10 cifar_preact_resnet164 cifar_resnet8_b resnext50_32x4d_64px
            ecaresnet26t_64px resnetrs50_64px resnetaa50_64px resnetblur50_64px resnet50_gn_64px
        }
    };
}

/// Returns the path of a fixture of resnet-core.
pub fn fixture(path: &str) -> PathBuf {
    workspace("resnet-core/tests/fixtures").join(path)
}

/// Reads a JSON fixture of resnet-core.
///
/// # Panics
///
/// Panics if the file is missing or not JSON.
pub fn json(path: &str) -> Value {
    let text = std::fs::read_to_string(fixture(path)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Reads `parity/cases.json`: name, architecture, seed, input and results of PyTorch.
///
/// # Panics
///
/// Panics if the file is missing or not a list.
pub fn cases() -> Vec<Value> {
    serde_json::from_value(json("parity/cases.json")).unwrap()
}

fn floats(data: TensorData) -> Vec<f32> {
    data.to_vec().unwrap()
}

/// Reads PyTorch's outputs of a case by name: `logits`, `embedding`, and the channel means of each
/// stage.
///
/// # Panics
///
/// Panics if `parity/expected.safetensors` lacks the case.
pub fn expected(case: &str) -> HashMap<String, Vec<f32>> {
    let bytes = std::fs::read(fixture("parity/expected.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let prefix = format!("{case}/");
    let of_case = tensors.iter().filter_map(|(key, view)| {
        let output = key.strip_prefix(&prefix)?;
        Some((output.to_string(), crate::floats(view.data())))
    });
    let of_case: HashMap<_, _> = of_case.collect();
    assert!(!of_case.is_empty(), "no outputs of {case}");
    of_case
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
    let maps = outputs.pyramid.into_maps().into_iter().enumerate();
    found.extend(maps.map(|(i, map)| (format!("c{}", i + 1), mean(map))));
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

/// Returns the config of a case.
///
/// # Panics
///
/// Panics if the case names no architecture.
pub fn config_of(case: &Value) -> ResNetConfig {
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

fn check_parameters<B: Backend>(model: &impl Network<B>, case: &Value) {
    let parameters = case["parameters"].as_u64().unwrap();
    assert_eq!(model.num_parameters() as u64, parameters);
}

/// Checks logits, embedding, stage means and shapes of a case of `cases.json`, plain and fused. Small
/// cases also check the logits of a custom `Network` with the same layers.
///
/// # Panics
///
/// Panics if an error exceeds `tolerance` times the largest expected magnitude.
pub fn case<B: Backend>(name: &str, device: &B::Device, tolerance: f32) {
    let cases = cases();
    let case = cases.iter().find(|case| case["name"] == name).unwrap();
    let config = config_of(case);
    let seed = case["seed"].as_u64().unwrap();
    let shape = |value: &Value| -> [usize; 4] { serde_json::from_value(value.clone()).unwrap() };
    let input = shape(&case["input"]);
    let x = keyed::images::<B>(seed, input, device);
    let model = ResNet::<B>::keyed(&config, seed, device);
    let model_is_small = model.num_parameters() < 1_000_000;
    check_parameters(&model, case);

    let plain = model.forward_all(x.clone());
    let shapes: Vec<_> = plain.pyramid.maps().map(|map| map.dims()).collect();
    let expected_shapes: Vec<_> = case["maps"].as_array().unwrap().iter().map(shape).collect();
    assert_eq!(shapes, expected_shapes);
    let features = config.features().into_iter().map(|feature| {
        let size = [input[2], input[3]].map(|side| side.div_ceil(feature.stride));
        [input[0], feature.channels, size[0], size[1]]
    });
    assert_eq!(features.collect::<Vec<_>>(), shapes, "announced features");
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
    let fused = model.fuse().forward_all(x.clone());
    check(
        &format!("{backend} {name} fused"),
        fused,
        &expected,
        tolerance,
    );

    // Large networks would only take longer.
    if model_is_small {
        let model = Headed::<B>::keyed(&config, seed, device);
        check_parameters(&model, case);
        check_logits(model.fuse(), x, &expected["logits"], tolerance);
    }
}

fn check_logits<B: Backend, N: Subject<B>>(
    model: N,
    x: Tensor<B, 4>,
    expected: &[f32],
    tolerance: f32,
) {
    let error = relative_error(&floats(model.logits(x).into_data()), expected);
    assert!(
        error <= tolerance,
        "logits: relative error {error:.2e} > {tolerance:.0e}"
    );
}

/// Returns the relative error of the logits of a fused network in another float type, or `None` if
/// the device does not support the type.
///
/// # Panics
///
/// Panics if `cases.json` lacks the case.
pub fn error_in<B: Backend>(name: &str, dtype: FloatDType, device: &B::Device) -> Option<f32> {
    let cases = cases();
    let case = cases.iter().find(|case| case["name"] == name).unwrap();
    let seed = case["seed"].as_u64().unwrap();
    let input: [usize; 4] = serde_json::from_value(case["input"].clone()).unwrap();
    let model = ResNet::<B>::keyed(&config_of(case), seed, device);
    let model = model.fuse().cast(dtype).ok()?;
    let x = keyed::images::<B>(seed, input, device).cast(dtype);
    let logits: Vec<f32> = model.forward(x).into_data().iter().collect();
    Some(relative_error(&logits, &expected(name)["logits"]))
}
