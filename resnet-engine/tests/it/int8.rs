//! Tests of quantized networks.

use std::collections::BTreeMap;

use resnet_core::ResNetConfig;
use resnet_engine::{
    Batch, CompileOptions, Engine, Outputs, Quantization, QuantizedLayer, QuantizedNetwork, Results,
    Sums,
};
use resnet_testing::{keyed, suite};
use safetensors::SafeTensors;
use serde_json::Value;

use crate::{ALL, images};

/// Returns PyTorch's quantized network of a case, with the values of `quantized.py`.
fn of_case(case: &Value) -> QuantizedNetwork {
    let seed = case["seed"].as_u64().unwrap();
    let config = ResNetConfig::named(case["arch"].as_str().unwrap()).unwrap();
    let uniform = |key: &str, count: usize| keyed::uniform(seed, key, count).collect::<Vec<_>>();
    let mut layers = BTreeMap::new();
    for (key, shape) in config.state_shapes() {
        let Some(layer) = key.strip_suffix(".weight").filter(|_| shape.len() > 1) else {
            continue;
        };
        let fan_in: usize = shape[1..].iter().product();
        let width = 1.2 / (fan_in as f64).sqrt() / 127.0;
        let weight = uniform(&key, shape.iter().product());
        let scale = uniform(&format!("{key}_scale"), shape[0]);
        let bias = uniform(&format!("{layer}.bias"), shape[0]);
        layers.insert(
            layer.to_string(),
            QuantizedLayer {
                weight: weight.into_iter().map(|u| (127.0 * u + 0.5).floor() as i8).collect(),
                scale: scale.into_iter().map(|u| (width * (1.0 + 0.2 * u)) as f32).collect(),
                bias: bias.into_iter().map(|u| (0.1 * u) as f32).collect(),
            },
        );
    }
    let activation = |(name, values): (&String, &Value)| {
        let quantization = Quantization {
            scale: values[0].as_f64().unwrap() as f32,
            zero_point: values[1].as_u64().unwrap() as u8,
        };
        (name.clone(), quantization)
    };
    let activations = case["activations"].as_object().unwrap();
    QuantizedNetwork {
        config,
        sums: Sums::Separate,
        layers,
        activations: activations.iter().map(activation).collect(),
        tensors: BTreeMap::new(),
    }
}

/// Returns the integers that numbers stand for, in PyTorch's order.
fn integers(results: &Results<'_>, map: usize, quantization: Quantization) -> Vec<u8> {
    let numbers = results.map(map).unwrap().to_channels_first();
    let zero = f32::from(quantization.zero_point);
    numbers.iter().map(|x| (x / quantization.scale + zero).round() as u8).collect()
}

#[test]
fn torchvisions_networks_give_the_integers_of_pytorch() {
    let cases: Vec<Value> = serde_json::from_value(suite::json("quantized/quantized.json")).unwrap();
    let bytes = std::fs::read(suite::fixture("quantized/quantized.safetensors")).unwrap();
    let expected = SafeTensors::deserialize(&bytes).unwrap();
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let network = of_case(case);
        let activations = network.activations.clone();
        let sum = match case["arch"].as_str().unwrap() {
            "resnet18" => ["layer1.1.add_relu", "layer2.1.add_relu", "layer3.1.add_relu", "layer4.1.add_relu"],
            _ => ["layer1.2.skip_add_relu", "layer2.3.skip_add_relu", "layer3.5.skip_add_relu", "layer4.2.skip_add_relu"],
        };
        let engine = Engine::compile_quantized(network, CompileOptions::default()).unwrap();
        let dims: Vec<usize> = serde_json::from_value(case["input"].clone()).unwrap();
        let dims: [usize; 4] = dims.try_into().unwrap();
        let x = images(case["seed"].as_u64().unwrap(), dims);
        let mut session = engine.session();
        let results = session.run(Batch::channels_first(&x, dims), ALL).unwrap();
        let view = |output: &str| expected.tensor(&format!("{name}/{output}")).unwrap();
        for (map, activation) in ["conv1"].iter().chain(&sum).enumerate() {
            let found = integers(&results, map + 1, activations[*activation]);
            let expected = view(&format!("c{}", map + 1));
            assert!(found == expected.data(), "{name} c{}", map + 1);
        }
        let logits = resnet_testing::floats(view("logits").data());
        assert!(results.logits().unwrap() == logits, "{name} logits");

        // Any batch gives the same integers.
        let twice = [&x[..], &x].concat();
        let mut both = dims;
        both[0] *= 2;
        let results = session.run(Batch::channels_first(&twice, both), Outputs::LOGITS).unwrap();
        assert!(results.logits().unwrap() == [&logits[..], &logits].concat(), "{name} twice");
    }
}
