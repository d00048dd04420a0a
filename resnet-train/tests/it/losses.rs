//! Compares loss and gradients of one batch with PyTorch, for every case of `losses.json`.

use burn::backend::Autodiff;
use burn::tensor::{FloatDType, Tensor};
use resnet_core::{Network, NormMode, ResNet, ResNetConfig};
use resnet_cpu::Cpu;
use resnet_testing::{keyed, pairs};
use resnet_train::{Loss, LossKind, OptimizerConfig, Settings, TargetKind, Trainer, targets};
use serde_json::Value;

use crate::json;

type Train = Autodiff<Cpu>;

fn state(model: &ResNet<Train>) -> Vec<(String, Vec<f64>)> {
    let mut values = Vec::new();
    let visited: Result<(), ()> = model.visit_state(|key, data| {
        values.push((key.to_string(), data.iter::<f64>().collect()));
        Ok(())
    });
    visited.unwrap();
    values
}

/// Rolls a tensor by one place along a dimension.
fn rolled<const D: usize>(x: &Tensor<Train, D>, dim: usize) -> Tensor<Train, D> {
    let last = x.dims()[dim] - 1;
    let parts = vec![
        x.clone().narrow(dim, last, 1),
        x.clone().narrow(dim, 0, last),
    ];
    Tensor::cat(parts, dim)
}

fn check(fixture: &Value, case: &Value) {
    let device = Default::default();
    let dtype = FloatDType::F64;
    let kind = case["kind"].as_str().unwrap();
    let smoothing = case["smoothing"].as_f64().unwrap();
    let weights: Option<Vec<f64>> = serde_json::from_value(case["weights"].clone()).unwrap();
    let name = format!(
        "{kind}, weights {}, smoothing {smoothing}, accumulate {}",
        weights.is_some(),
        case["accumulate"]
    );
    let labels: Vec<Vec<usize>> = match kind {
        "multi_label" => serde_json::from_value(fixture["several"].clone()).unwrap(),
        _ => {
            let labels: Vec<usize> = serde_json::from_value(fixture["labels"].clone()).unwrap();
            labels.into_iter().map(|label| vec![label]).collect()
        }
    };
    let labels: Vec<&[usize]> = labels.iter().map(Vec::as_slice).collect();
    let mut x = keyed::images::<Train>(7, [6, 3, 32, 32], &device).cast(dtype);
    let mut y = Tensor::<Train, 2>::from_data(targets(&labels, 10), &device).cast(dtype);
    match kind {
        "soft" => y = y.clone() * 0.7 + rolled(&y, 1) * 0.3,
        "mixup" => {
            let share = fixture["share"].as_f64().unwrap();
            x = x.clone() * share + rolled(&x, 0) * (1.0 - share);
            y = y.clone() * share + rolled(&y, 0) * (1.0 - share);
        }
        _ => {}
    }
    let loss = Loss {
        kind: match (kind, &weights) {
            ("multi_label", None) => LossKind::BinaryCrossEntropy,
            _ => LossKind::CrossEntropy,
        },
        smoothing,
        class_weights: weights,
        targets: match kind {
            "hard" => TargetKind::Indices,
            _ => TargetKind::Probabilities,
        },
    };

    let config = ResNetConfig::named("cifar_resnet8_b").unwrap();
    let model: ResNet<Train> = keyed::fill(config.init(&device), 7);
    let settings = Settings {
        loss: loss.clone(),
        norms: NormMode::Eval,
        ..Settings::new(OptimizerConfig::Sgd {
            momentum: 0.0,
            nesterov: false,
            weight_decay: 0.0,
        })
    };
    let mut trainer = Trainer::new(model.cast(dtype).unwrap(), settings);
    let before = state(trainer.model());
    let whole = loss.forward(trainer.model().forward(x.clone()), y.clone());
    let parts = case["accumulate"].as_u64().unwrap() as usize;
    let parts = pairs(x.chunk(parts, 0), y.chunk(parts, 0));
    let loss = trainer.step(1.0, parts).into_data();
    let (found, expected) = (
        loss.iter::<f64>().sum::<f64>(),
        case["loss"].as_f64().unwrap(),
    );
    let whole = whole.into_data().iter::<f64>().sum::<f64>();
    for found in [found, whole] {
        assert!(
            (found - expected).abs() <= 1e-6 * expected.abs(),
            "{name}: expected a loss of {expected}, found {found}"
        );
    }
    // At learning rate 1, the change of the weights is the gradient.
    let mut compared = 0;
    for ((key, before), (_, after)) in pairs(&before, state(trainer.model())) {
        let Some(norm) = case["norms"][key].as_f64() else {
            assert!(
                key.contains("running_") && *before == after,
                "{name}: {key}"
            );
            continue;
        };
        let values = pairs(before, after).into_iter();
        let gradient: Vec<f64> = values.map(|(a, b)| a - b).collect();
        let found = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        assert!(
            (found - norm).abs() <= 1e-5 * norm,
            "{name}: expected a gradient of {key} of length {norm}, found {found}"
        );
        if let Some(expected) = case["gradients"].get(key) {
            let expected: Vec<f64> = serde_json::from_value(expected.clone()).unwrap();
            for (found, expected) in pairs(&gradient, &expected) {
                assert!((found - expected).abs() <= 1e-6 * norm, "{name}: {key}");
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 2, "{name}");
}

#[test]
fn losses_and_gradients_match_pytorch() {
    let fixture = json("losses.json");
    let cases = fixture["cases"].as_array().unwrap();
    assert_eq!((cases.len(), &fixture["torch"]), (32, &"2.9.0".into()));
    for case in cases {
        check(&fixture, case);
    }
}
