//! Tests of quantized networks.

use std::collections::BTreeMap;

use resnet_core::{Arch, NormKind, ResNetConfig};
use resnet_engine::{
    Batch, CalibrationMethod, Calibrator, CompileOptions, Engine, NoiseMeter, Outputs, Precision,
    Quantization, QuantizedLayer, QuantizedNetwork, Results, Sums,
};
use resnet_testing::{keyed, suite};
use safetensors::SafeTensors;
use serde_json::Value;

use crate::{ALL, compile, images, run, values};

/// Quantizes a network of [`compile`] with the images `x` as examples.
pub(crate) fn quantize(
    config: &ResNetConfig,
    seed: u64,
    x: &[f32],
    dims: [usize; 4],
    is_int8: impl Fn(&str) -> bool,
) -> QuantizedNetwork {
    let mut calibrator = Calibrator::new(&compile(config, seed, Precision::F32));
    calibrator.observe(Batch::channels_first(x, dims)).unwrap();
    let calibration = calibrator.finish(CalibrationMethod::Mse);
    QuantizedNetwork::new(
        config,
        |key: &str, shape: &[usize]| values(seed, key, shape),
        &calibration,
        is_int8,
    )
    .unwrap()
}

/// Returns the signal-to-noise ratio of numbers in decibels.
fn sqnr(found: &[f32], expected: &[f32]) -> f64 {
    let square = |x: f32| f64::from(x) * f64::from(x);
    let signal: f64 = expected.iter().map(|x| square(*x)).sum();
    let noise: f64 = found
        .iter()
        .zip(expected)
        .map(|(found, expected)| square(found - expected))
        .sum();
    10.0 * (signal / noise).log10()
}

/// Asserts that a quantized network computes nearly the same as the network in `f32`, the same for
/// each image of a batch, and exactly the same if no layer has integers.
pub(crate) fn check_quantized(what: &str, config: &ResNetConfig, seed: u64) {
    let dims = [2, config.in_channels, 64, 64];
    let x = images(seed, dims);
    let expected = run(&compile(config, seed, Precision::F32), &x, dims);
    let network = quantize(config, seed, &x, dims, |_| true);
    let engine = Engine::compile_quantized(network, CompileOptions::default()).unwrap();
    let found = run(&engine, &x, dims);
    let ratio = sqnr(&found.embedding, &expected.embedding);
    assert!(ratio > 25.0, "{what}: {ratio} dB");
    // Without the maps as outputs, more maps have borders.
    let logits = |network: QuantizedNetwork| {
        let engine = Engine::compile_quantized(network, CompileOptions::default()).unwrap();
        let mut session = engine.session();
        let batch = Batch::channels_first(&x, dims);
        let results = session.run(batch, Outputs::EMBEDDING).unwrap();
        results.embedding().unwrap().to_vec()
    };
    let whole = quantize(config, seed, &x, dims, |_| true);
    assert!(logits(whole) == found.embedding, "{what}: other outputs");
    for parity in 0..2 {
        let keys = QuantizedNetwork::layers_of(config);
        let is_int8 = |key: &str| {
            keys.iter()
                .position(|each| each == key)
                .is_some_and(|place| place % 2 == parity)
        };
        let ratio = sqnr(
            &logits(quantize(config, seed, &x, dims, is_int8)),
            &expected.embedding,
        );
        assert!(ratio > 25.0, "{what}, every second layer: {ratio} dB");
    }
    let half = x.len() / 2;
    let alone = [1, config.in_channels, 64, 64];
    // `BatchStats` depends on the whole batch.
    if config.norm != NormKind::BatchStats {
        let second = run(&engine, &x[half..], alone);
        let length = second.embedding.len();
        assert!(second.embedding == found.embedding[length..], "{what}");
    }
    let none = quantize(config, seed, &x, dims, |_| false);
    assert!(
        none.layers.is_empty() && none.activations.is_empty(),
        "{what}"
    );
    let engine = Engine::compile_quantized(none, CompileOptions::default()).unwrap();
    assert!(
        run(&engine, &x, dims) == expected,
        "{what} without integers"
    );
}

#[test]
fn mixed_networks_are_close() {
    for arch in [Arch::ResNet18, Arch::ResNet50d, Arch::ResNeXt50_32x4d] {
        check_quantized(arch.name(), &arch.config(), 3);
    }
}

#[test]
fn layers_are_quantized_one_by_one() {
    let config = Arch::SeResNet18.config();
    let dims = [1, 3, 64, 64];
    let x = images(1, dims);
    let float = compile(&config, 1, Precision::F32);
    let expected = run(&float, &x, dims);
    let whole = quantize(&config, 1, &x, dims, |_| true);
    let mut meter = NoiseMeter::new(&float, &whole).unwrap();
    meter.observe(Batch::channels_first(&x, dims)).unwrap();
    let noise = meter.finish();
    let mut keys = QuantizedNetwork::layers_of(&config);
    assert_eq!(keys.len(), noise.len());
    assert!(noise.is_sorted_by(|a, b| a.sqnr <= b.sqnr));
    assert!(noise[0].sqnr > 40.0, "{noise:?}");
    keys.retain(|key| !key.contains("layer3"));
    for key in keys {
        let network = quantize(&config, 1, &x, dims, |layer| layer == key);
        assert_eq!(network.layers.keys().collect::<Vec<_>>(), [&key]);
        let engine = Engine::compile_quantized(network, CompileOptions::default()).unwrap();
        let found = run(&engine, &x, dims);
        let ratio = sqnr(&found.logits, &expected.logits);
        assert!(ratio > 15.0, "{key}: {ratio}");
    }
}

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
                weight: weight
                    .into_iter()
                    .map(|u| (127.0 * u + 0.5).floor() as i8)
                    .collect(),
                scale: scale
                    .into_iter()
                    .map(|u| (width * (1.0 + 0.2 * u)) as f32)
                    .collect(),
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

/// Quantizes a map, in PyTorch's order.
fn integers(results: &Results<'_>, map: usize, quantization: Quantization) -> Vec<u8> {
    let numbers = results.map(map).unwrap().to_channels_first();
    let zero = f32::from(quantization.zero_point);
    numbers
        .iter()
        .map(|x| (x / quantization.scale + zero).round() as u8)
        .collect()
}

#[test]
fn torchvisions_networks_give_the_integers_of_pytorch() {
    let cases: Vec<Value> =
        serde_json::from_value(suite::json("quantized/quantized.json")).unwrap();
    let bytes = std::fs::read(suite::fixture("quantized/quantized.safetensors")).unwrap();
    let expected = SafeTensors::deserialize(&bytes).unwrap();
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let network = of_case(case);
        let activations = network.activations.clone();
        let sum = match case["arch"].as_str().unwrap() {
            "resnet18" => [
                "layer1.1.add_relu",
                "layer2.1.add_relu",
                "layer3.1.add_relu",
                "layer4.1.add_relu",
            ],
            _ => [
                "layer1.2.skip_add_relu",
                "layer2.3.skip_add_relu",
                "layer3.5.skip_add_relu",
                "layer4.2.skip_add_relu",
            ],
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
        let results = session
            .run(Batch::channels_first(&twice, both), Outputs::LOGITS)
            .unwrap();
        assert!(
            results.logits().unwrap() == [&logits[..], &logits].concat(),
            "{name} twice"
        );
    }
}

#[test]
fn the_bias_makes_up_for_rounded_weights() {
    let config = Arch::ResNet18.config();
    let dims = [1, 3, 64, 64];
    let x = images(3, dims);
    let float = compile(&config, 3, Precision::F32);
    let expected = run(&float, &x, dims);
    let network = quantize(&config, 3, &x, dims, |_| true);
    let mut plain = network.clone();
    for (key, layer) in &mut plain.layers {
        if let Some((block, number)) = key.split_once("conv") {
            let norm = format!("{block}bn{number}");
            let read =
                |name: &str| values(3, &format!("{norm}.{name}"), &[layer.bias.len()]).unwrap();
            let [weight, bias, mean, var] =
                ["weight", "bias", "running_mean", "running_var"].map(read);
            for (channel, found) in layer.bias.iter_mut().enumerate() {
                let scale = weight[channel] / (var[channel] + 1e-5).sqrt();
                *found = bias[channel] - mean[channel] * scale;
            }
        }
    }
    assert!(plain != network);
    let error = |network: QuantizedNetwork| {
        let engine = Engine::compile_quantized(network, Precision::F32).unwrap();
        let found = run(&engine, &x, dims);
        let (_, found) = &found.maps[1];
        let (_, expected) = &expected.maps[1];
        // The mean of each channel.
        let mean = |map: &[f32]| -> Vec<f64> {
            let sum = |map: &[f32]| map.iter().map(|x| f64::from(*x)).sum::<f64>();
            map.chunks(map.len() / 64).map(sum).collect()
        };
        let pairs = mean(found).into_iter().zip(mean(expected));
        pairs
            .map(|(found, expected)| (found - expected).powi(2))
            .sum::<f64>()
    };
    let (corrected, plain) = (error(network), error(plain));
    assert!(corrected < 0.7 * plain, "{corrected} {plain}");
}

#[test]
fn a_quantized_network_that_does_not_fit_is_refused() {
    let config = Arch::TestResNet.config();
    let dims = [1, 3, 64, 64];
    let network = quantize(&config, 1, &images(1, dims), dims, |key| {
        key != "conv1.0" && key != "conv1.6"
    });
    let error = |change: &dyn Fn(&mut QuantizedNetwork)| {
        let mut network = network.clone();
        change(&mut network);
        Engine::compile_quantized(network, Precision::F32)
            .unwrap_err()
            .to_string()
    };
    let key = "layer1.0.conv1";
    let found = error(&|network| network.layers.get_mut(key).unwrap().weight.truncate(3));
    assert!(
        found.starts_with("`layer1.0.conv1.weight`: expected "),
        "{found}"
    );
    let found = error(&|network| {
        network.activations.remove(key);
    });
    assert_eq!(
        found,
        "expected the scale and the zero point of `layer1.0.conv1`, found none"
    );
    let found = error(&|network| network.activations.get_mut(key).unwrap().scale = -1.0);
    assert_eq!(
        found,
        "`layer1.0.conv1`: expected positive, finite scales, found -1"
    );
    let found = error(&|network| network.layers.get_mut(key).unwrap().scale[0] = f32::NAN);
    assert_eq!(
        found,
        "`layer1.0.conv1`: expected positive, finite scales, found NaN"
    );
    let found = error(&|network| network.layers.get_mut(key).unwrap().bias[0] = f32::NAN);
    let wrong = "expected finite values and no negative variances, found others";
    assert_eq!(found, format!("`layer1.0.conv1.bias`: {wrong}"));
    let found = error(&|network| network.tensors.get_mut("bn1.running_var").unwrap()[0] = -1.0);
    assert_eq!(found, format!("`bn1.running_var`: {wrong}"));
    let found = error(&|network| drop(network.tensors.remove("conv1.0.weight")));
    assert_eq!(found, "`conv1.0.weight`: expected a tensor, found none");
    let found = error(&|network| drop(network.layers.remove("fc")));
    assert_eq!(found, "`fc.weight`: expected a tensor, found none");

    let mut calibrator = Calibrator::new(&compile(&config, 1, Precision::F32));
    let x = vec![f32::NAN; 3 * 64 * 64];
    let found = calibrator
        .observe(Batch::channels_first(&x, dims))
        .unwrap_err()
        .to_string();
    assert_eq!(
        found,
        "expected finite activations, found an infinity or a NaN in `quant`"
    );
}
