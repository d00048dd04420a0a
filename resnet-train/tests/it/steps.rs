//! Compares five training steps with PyTorch, for every case of `training.json` (computed in
//! float64) and of `training_float32.json`.

use std::collections::BTreeSet;

use burn::backend::{Autodiff, Flex};
use burn::module::AutodiffModule;
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{FloatDType, Tensor};
use resnet_core::{Network, NormMode, ResNet, ResNetConfig};
use resnet_cpu::Cpu;
use resnet_testing::{keyed, pairs};
use resnet_train::{Loss, OptimizerConfig, ParamGroups, Settings, Trainer, targets};
use serde_json::Value;

use crate::json;

type Train = Autodiff<Cpu>;

fn settings(case: &Value) -> Settings {
    let hyper = &case["hyper"];
    let options = &case["options"];
    let number = |key: &str| hyper[key].as_f64().unwrap();
    let optimizer = match options["optimizer"].as_str().unwrap() {
        "sgd" => OptimizerConfig::Sgd {
            momentum: number("momentum"),
            nesterov: hyper["nesterov"].as_bool().unwrap(),
            weight_decay: number("weight_decay"),
        },
        "lamb" => OptimizerConfig::Lamb {
            betas: serde_json::from_value(hyper["betas"].clone()).unwrap(),
            epsilon: number("eps"),
            weight_decay: number("weight_decay"),
        },
        _ => OptimizerConfig::AdamW {
            betas: serde_json::from_value(hyper["betas"].clone()).unwrap(),
            epsilon: number("eps"),
            weight_decay: number("weight_decay"),
        },
    };
    let flag = |key: &str, default: bool| options[key].as_bool().unwrap_or(default);
    let groups = match flag("head_only", false) {
        true => ParamGroups::head_only(),
        false => ParamGroups::default(),
    };
    Settings {
        groups: ParamGroups {
            decay_norm_and_bias: flag("decay_norm_and_bias", true),
            ..groups
        },
        norms: match flag("frozen_norm", false) {
            true => NormMode::Eval,
            false => NormMode::Train,
        },
        loss: Loss {
            smoothing: options["smoothing"].as_f64().unwrap_or(0.0),
            ..Loss::default()
        },
        clip: options["clip"].as_f64(),
        ema: options["ema"].as_f64(),
        ..Settings::new(optimizer)
    }
}

/// Takes `steps` of the five steps in `dtype`. Their losses must match PyTorch within `tolerance`,
/// norms and logits after the fifth step within ten times `tolerance`.
fn check<B: AutodiffBackend>(
    cases: &Value,
    name: &str,
    dtype: FloatDType,
    steps: usize,
    tolerance: f64,
) {
    let case = &cases[name];
    assert!(case.is_object(), "no case `{name}`");
    let options = &case["options"];
    let device = Default::default();
    let config = ResNetConfig::named("cifar_resnet20_b").unwrap();
    let model: ResNet<B> = keyed::fill(config.init(&device), 7);
    let x = keyed::images::<B>(7, [16, 3, 32, 32], &device).cast(dtype);
    let labels: Vec<[usize; 1]> = (0..16).map(|i| [i % 10]).collect();
    let labels: Vec<&[usize]> = labels.iter().map(|label| &label[..]).collect();
    let y = Tensor::<B, 2>::from_data(targets(&labels, 10), &device).cast(dtype);
    let y = match options["soft"].as_bool() {
        // 0.7 for the true class, 0.3 for the next one.
        Some(true) => {
            let next = vec![y.clone().narrow(1, 9, 1), y.clone().narrow(1, 0, 9)];
            y * 0.7 + Tensor::cat(next, 1) * 0.3
        }
        _ => y,
    };
    let parts = options["accumulate"].as_u64().unwrap_or(1) as usize;
    let learning_rate = case["hyper"]["lr"].as_f64().unwrap();
    let mut trainer = Trainer::new(model.cast(dtype).unwrap(), settings(case));

    let assert_close = |what: &str, found: f64, expected: f64, scale: f64| {
        let error = (found - expected).abs() / scale;
        assert!(
            error <= tolerance,
            "{name}, {dtype:?}, {what}: expected {expected}, found {found}, off by {error:.1e}"
        );
    };
    let losses = case["losses"].as_array().unwrap();
    assert_eq!(losses.len(), 5);
    for (step, expected) in losses.iter().take(steps).enumerate() {
        let images = x.clone().chunk(parts, 0);
        let batch = pairs(images, y.clone().chunk(parts, 0));
        let loss = trainer.step(learning_rate, batch).into_data();
        let (loss, expected) = (
            loss.iter::<f64>().next().unwrap(),
            expected.as_f64().unwrap(),
        );
        assert_close(&format!("loss {step}"), loss, expected, expected);
    }
    if steps < losses.len() {
        return;
    }
    let last = trainer.model().valid();
    let last = trainer.average().unwrap_or(&last);
    let visited: Result<(), ()> = last.visit_state(|key, data| {
        let squares = data.iter::<f64>().map(|value| value * value);
        let expected = case["norms"][key].as_f64().unwrap();
        assert_close(key, squares.sum::<f64>().sqrt(), expected, 10.0 * expected);
        Ok(())
    });
    visited.unwrap();
    let expected: Vec<Vec<f64>> = serde_json::from_value(case["logits"].clone()).unwrap();
    let expected = expected.concat();
    let found: Vec<f64> = last.forward(x.inner()).into_data().iter().collect();
    let largest = expected
        .iter()
        .fold(0.0_f64, |max, value| max.max(value.abs()));
    for (found, expected) in pairs(found, expected) {
        assert_close("logits", found, expected, 10.0 * largest);
    }
}

fn check_float64(name: &str) {
    let float64 = json("training.json");
    check::<Autodiff<Cpu>>(&float64, name, FloatDType::F64, 5, 1e-4);
    // At this learning rate, `f32` rounding errors show after three steps.
    check::<Autodiff<Flex>>(&float64, name, FloatDType::F32, 3, 1e-4);
}

macro_rules! cases {
    (both: $($name:ident)*; float64: $($float64:ident)*;) => {
        $(#[test] fn $name() {
            let name = stringify!($name);
            check_float64(name);
            // In the case `accumulate`, PyTorch's `f32` differs from its `f64` after one step.
            check::<Autodiff<Cpu>>(&json("training_float32.json"), name, FloatDType::F32, 3, 1e-4);
        })*
        $(#[test] fn $float64() {
            check_float64(stringify!($float64));
        })*

        #[test]
        fn every_case_has_a_test() {
            let names = |file: &str| -> BTreeSet<String> {
                json(file).as_object().unwrap().keys().cloned().collect()
            };
            let both = BTreeSet::from([$(stringify!($name).to_string()),*]);
            let float64 = BTreeSet::from([$(stringify!($float64).to_string()),*]);
            assert_eq!(names("training_float32.json"), both);
            assert_eq!(names("training.json"), &both | &float64);
        }
    };
}

/// Checks the case with frozen norms, in which micro-batches are independent, with changed settings
/// and micro-batch sizes.
fn check_frozen(change: impl Fn(Settings) -> Settings, sizes: [usize; 2]) {
    let cases = json("training.json");
    let case = &cases["frozen_norm"];
    let device = Default::default();
    let config = ResNetConfig::named("cifar_resnet20_b").unwrap();
    let model: ResNet<Train> = keyed::fill(config.init(&device), 7);
    let x = keyed::images::<Train>(7, [16, 3, 32, 32], &device);
    let labels: Vec<[usize; 1]> = (0..16).map(|i| [i % 10]).collect();
    let labels: Vec<&[usize]> = labels.iter().map(|label| &label[..]).collect();
    let y = Tensor::<Train, 2>::from_data(targets(&labels, 10), &device);
    let mut trainer = Trainer::new(model, change(settings(case)));
    let losses = case["losses"].as_array().unwrap();
    assert_eq!(losses.len(), 5);
    for expected in losses {
        let images = x.clone().split_with_sizes(sizes.to_vec(), 0);
        let targets = y.clone().split_with_sizes(sizes.to_vec(), 0);
        let loss = trainer.step(0.1, pairs(images, targets));
        let (loss, expected) = (f64::from(loss.into_scalar()), expected.as_f64().unwrap());
        assert!(
            (loss - expected).abs() <= 1e-5 * expected,
            "expected {expected}, found {loss}"
        );
    }
}

#[test]
fn uneven_micro_batches_are_weighted_by_their_size() {
    check_frozen(|settings| settings, [11, 5]);
}

#[test]
fn clipping_keeps_gradients_below_the_maximum_norm() {
    let clip = Some(1e6);
    check_frozen(|settings| Settings { clip, ..settings }, [8, 8]);
}

/// Cases that do not amplify rounding errors match PyTorch in `f32` over five steps.
#[test]
fn five_steps_in_single_precision() {
    for name in ["adamw", "frozen_norm", "head_only"] {
        check::<Train>(&json("training.json"), name, FloatDType::F32, 5, 1e-4);
    }
}

cases! {
    both: sgd sgd_label_smoothing sgd_no_norm_decay adamw frozen_norm head_only ema soft_targets clip_global_norm accumulate;
    float64: lamb;
}

/// Frozen norms have neither weight decay nor gradients to send to other processes.
#[test]
fn frozen_norms_keep_their_values() {
    let device = Default::default();
    let config = ResNetConfig::named("cifar_resnet20_b").unwrap();
    let model: ResNet<Train> = keyed::fill(config.init(&device), 7);
    let settings = Settings {
        norms: NormMode::Frozen,
        ..Settings::new(OptimizerConfig::sgd(0.1))
    };
    let state = |model: &ResNet<Train>| {
        let mut values = Vec::new();
        let visited: Result<(), ()> = model.visit_state(|key, data| {
            values.push((key.to_string(), data.to_vec::<f32>().unwrap()));
            Ok(())
        });
        visited.unwrap();
        values
    };
    let before = state(&model);
    let mut trainer = Trainer::new(model, settings);
    let x = keyed::images::<Train>(7, [2, 3, 32, 32], &device);
    let y = Tensor::from_data(targets(&[&[1], &[2]], 10), &device);
    trainer.step(0.1, [(x, y)]);
    for ((key, before), (_, after)) in pairs(&before, state(trainer.model())) {
        let norm = key.contains("bn") || key.contains("downsample.1");
        assert_eq!(*before == after, norm, "{key}");
    }
}

/// Without the lock of `Trainer`, Burn's autodiff loses gradients now and then.
#[test]
fn threads_that_train_at_once_compute_what_each_computes_alone() {
    fn train() -> Vec<f32> {
        let device = Default::default();
        let config = ResNetConfig::named("cifar_resnet8_b").unwrap();
        let model: ResNet<Train> = keyed::fill(config.init(&device), 7);
        let mut trainer = Trainer::new(model, Settings::new(OptimizerConfig::sgd(0.0)));
        let labels: Vec<&[usize]> = vec![&[3], &[5]];
        let step = |_| {
            let x = keyed::images(7, [2, 3, 16, 16], &device);
            let y = Tensor::from_data(targets(&labels, 10), &device);
            trainer
                .step(
                    0.05,
                    pairs(x.chunk(2, 0), Tensor::<Train, 2>::chunk(y, 2, 0)),
                )
                .into_scalar()
        };
        (0..300).map(step).collect()
    }
    let expected = train();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(train)).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), expected);
        }
    });
}
