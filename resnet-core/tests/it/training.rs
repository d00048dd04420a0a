//! Tests of batch norm and its running statistics on an autodiff backend.

use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module};
use burn::tensor::Tensor;
use resnet_core::layers::BatchNorm;
use resnet_core::{Arch, Network, NormMode, ResNet, ResNetConfig};
use resnet_testing::suite::{self, json};
use resnet_testing::{assert_close, keyed};
use serde_json::Value;

use crate::Cpu;

type Train = Autodiff<Cpu>;

fn resnet8() -> ResNet<Train> {
    keyed::fill(
        ResNetConfig::named("cifar_resnet8_b")
            .unwrap()
            .init(&Default::default()),
        7,
    )
}

fn running(model: &ResNet<Train>) -> Vec<(String, Vec<f32>)> {
    let mut found = Vec::new();
    let result: Result<(), ()> = model.visit_state(|key, data| {
        if key.contains("running") {
            found.push((key.to_string(), data.to_vec().unwrap()));
        }
        Ok(())
    });
    result.unwrap();
    found
}

fn numbers(value: &Value) -> Vec<f32> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        value => vec![value.as_f64().unwrap() as f32],
    }
}

#[test]
fn running_statistics_after_one_step_match_pytorch() {
    let _lock = resnet_testing::autograd_lock();
    let expected = json("training/batch_norm.json");
    let model = resnet8();
    let x = keyed::images::<Train>(7, [4, 3, 32, 32], &Default::default());
    let logits = model
        .forward(x.clone())
        .into_data()
        .to_vec::<f32>()
        .unwrap();
    assert_close(
        "logits of the step",
        &logits,
        &numbers(&expected["train_logits"]),
        1e-4,
    );
    let found = running(&model);
    assert_eq!(found.len(), expected["running"].as_object().unwrap().len());
    for (key, values) in found {
        assert_close(&key, &values, &numbers(&expected["running"][&key]), 1e-4);
    }
    let logits = model
        .valid()
        .forward(x.inner())
        .into_data()
        .to_vec::<f32>()
        .unwrap();
    assert_close(
        "logits of the evaluation",
        &logits,
        &numbers(&expected["eval_logits"]),
        1e-4,
    );
}

#[test]
fn one_training_step_matches_pytorch() {
    suite::training::<Cpu>(&Default::default(), 1e-4);
}

#[test]
fn eval_and_frozen_norms_keep_the_running_statistics() {
    let _lock = resnet_testing::autograd_lock();
    let x = keyed::images::<Train>(7, [4, 3, 32, 32], &Default::default());
    let plain = resnet8().valid().forward(x.clone().inner()).into_data();
    for mode in [NormMode::Eval, NormMode::Frozen] {
        let model = resnet8().with_norm_mode(mode);
        let before = running(&model);
        assert_eq!(model.forward(x.clone()).into_data(), plain, "{mode:?}");
        assert_eq!(running(&model), before, "{mode:?}");
    }
}

#[test]
fn frozen_norms_have_no_gradient_and_eval_norms_do() {
    let _lock = resnet_testing::autograd_lock();
    let device = Default::default();
    let x = Tensor::<Train, 4>::ones([2, 3, 4, 4], &device);
    for (mode, learns) in [
        (NormMode::Train, true),
        (NormMode::Eval, true),
        (NormMode::Frozen, false),
    ] {
        let mut norm = BatchNorm::<Train>::new(3, &device);
        norm.mode = mode;
        let grads = norm.forward(x.clone().require_grad()).sum().backward();
        assert_eq!(norm.weight.val().grad(&grads).is_some(), learns, "{mode:?}");
        assert_eq!(norm.bias.val().grad(&grads).is_some(), learns, "{mode:?}");
    }
}

#[test]
fn clones_have_their_own_running_statistics() {
    let _lock = resnet_testing::autograd_lock();
    let model = resnet8();
    let copy = model.clone();
    let before = running(&copy);
    model.forward(keyed::images(7, [4, 3, 32, 32], &Default::default()));
    assert_ne!(running(&model), before);
    assert_eq!(running(&copy), before);
}

#[test]
fn records_contain_the_running_statistics() {
    let _lock = resnet_testing::autograd_lock();
    let model = resnet8();
    model.forward(keyed::images(7, [4, 3, 32, 32], &Default::default()));
    let fresh: ResNet<Train> = ResNetConfig::named("cifar_resnet8_b")
        .unwrap()
        .init(&Default::default());
    let loaded = fresh.load_record(model.clone().into_record());
    assert_eq!(running(&loaded), running(&model));
}

#[test]
#[should_panic(
    expected = "batch norm in training: expected more than one value per channel, found input [1, 512, 1, 1]"
)]
fn one_value_per_channel_in_training_panics() {
    let model: ResNet<Train> = Arch::ResNet18.config().init(&Default::default());
    model.forward(keyed::images(7, [1, 3, 32, 32], &Default::default()));
}

#[test]
fn gradients_reach_every_parameter() {
    let _lock = resnet_testing::autograd_lock();
    for arch in [
        Arch::TestResNet,
        Arch::CifarPreActResNet110,
        Arch::SeResNet18,
        Arch::ResNet50Gn,
    ] {
        let mut config = arch.config();
        config.stages.iter_mut().for_each(|stage| stage.depth = 1);
        let model: ResNet<Train> = config.init(&Default::default());
        let grads = model
            .forward(keyed::images(7, [2, 3, 64, 64], &Default::default()))
            .powi_scalar(2)
            .sum()
            .backward();
        let mut visitor = Ungraded {
            grads: &grads,
            missing: 0,
            found: 0,
        };
        model.visit(&mut visitor);
        assert_eq!(visitor.missing, 0, "{arch}");
        assert!(visitor.found > 10, "{arch}");
    }
}

struct Ungraded<'a> {
    grads: &'a <Train as burn::tensor::backend::AutodiffBackend>::Gradients,
    missing: usize,
    found: usize,
}

impl burn::module::ModuleVisitor<Train> for Ungraded<'_> {
    fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<Train, D>>) {
        if param.is_require_grad() {
            match param.val().grad(self.grads) {
                Some(_) => self.found += 1,
                None => self.missing += 1,
            }
        }
    }
}
