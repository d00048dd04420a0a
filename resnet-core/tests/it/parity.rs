//! Every case of `cases.json`: logits, embedding, stage means and shapes, plain and fused.

use std::collections::HashMap;

use burn::tensor::{Tensor, TensorData};
use resnet_core::{Outputs, ResNet, ResNetConfig};
use safetensors::SafeTensors;
use serde_json::Value;

use crate::{Cpu, fixture, json, keyed};

const TOLERANCE: f32 = 1e-4;

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

fn check(name: &str, kind: &str, outputs: Outputs<Cpu>, expected: &HashMap<String, Vec<f32>>) {
    let mean = |map: Tensor<Cpu, 4>| floats(map.mean_dim(3).mean_dim(2).into_data());
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
        println!("{name} {kind} {output}: {error:.1e}");
        assert!(
            error <= TOLERANCE,
            "{name} {kind} {output}: relative error {error:.2e} > {TOLERANCE:.0e}"
        );
    }
}

fn config_of(case: &Value) -> ResNetConfig {
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

fn case(name: &str) {
    let cases = json("parity/cases.json");
    let case = cases
        .as_array()
        .unwrap()
        .iter()
        .find(|case| case["name"] == name)
        .unwrap();
    let config = config_of(case);
    let seed = case["seed"].as_u64().unwrap();
    let shape = |value: &Value| -> [usize; 4] { serde_json::from_value(value.clone()).unwrap() };
    let input = shape(&case["input"]);
    let x = keyed::images::<Cpu>(seed, input);
    let model: ResNet<Cpu> = keyed::fill(config.init(&Default::default()), seed);
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
    let logits = model.forward(x.clone());
    assert_eq!(logits.into_data(), plain.logits.clone().into_data());

    let expected = expected(name);
    check(name, "plain", plain, &expected);
    check(name, "fused", model.fuse().forward_all(x), &expected);
}

macro_rules! cases {
    ($($name:ident)*) => {
        $(#[test] fn $name() { case(stringify!($name)); })*

        #[test]
        fn every_case_has_a_test() {
            let cases = json("parity/cases.json");
            let names: Vec<_> = cases.as_array().unwrap().iter().map(|case| case["name"].as_str().unwrap()).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

cases! {
    resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d
    resnext101_64x4d wide_resnet50_2 resnet10t resnet14t resnet18d resnet26 resnet26d resnet34d
    resnet50c resnet50d resnet50t resnet101d resnet152d resnet200d resnext50d_32x4d
    resnext101_32x4d test_resnet seresnet18 seresnet50 seresnext50_32x4d ecaresnet50d
    ecaresnet26t resnetrs50 resnetaa50 resnetblur50 resnet50_gn resnet50d_odd resnet18_odd
    resnet50_os8 resnet50_os16 resnet18d_os8 resnet50_7classes_1channel cifar_resnet20
    cifar_resnet56 cifar_resnet110 cifar_resnet20_b cifar_resnet32_b cifar_wide_resnet16_4
    cifar_wide_resnet28_10 cifar_preact_resnet164 cifar_resnet8_b
}
