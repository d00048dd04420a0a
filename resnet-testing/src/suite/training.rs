//! Checks of a training step: losses, gradients, and the state dict after the step.

use burn::backend::Autodiff;
use burn::module::{AutodiffModule, ModuleVisitor, Param};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, Optimizer, SgdConfig};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Int, Tensor, TensorData};
use resnet_core::{ResNet, ResNetConfig, is_running_stat};
use serde_json::Value;

use super::{Headed, Subject, floats, json};
use crate::{keyed, pairs};

/// Checks one step of SGD with Nesterov momentum and weight decay on a CIFAR ResNet-20, as in
/// `training/step.py`: losses, gradients, and every tensor after the step. The network is a `ResNet`,
/// then a custom `Network`.
///
/// # Panics
///
/// Panics if an error exceeds `tolerance`, relative to the norm of the tensor.
pub fn training<B: Backend>(device: &B::Device, tolerance: f64) {
    step::<Autodiff<B>, ResNet<Autodiff<B>>>(device, tolerance);
    step::<Autodiff<B>, Headed<Autodiff<B>>>(device, tolerance);
}

fn step<B: AutodiffBackend, N: Subject<B> + AutodiffModule<B>>(device: &B::Device, tolerance: f64) {
    let _lock = crate::autograd_lock();
    let expected = json("training/step.json");
    let config = ResNetConfig::named("cifar_resnet20_b").unwrap();
    let model = N::keyed(&config, 7, device);
    let x = keyed::images::<B>(7, [16, 3, 32, 32], device);
    let classes: Vec<i32> = (0..16).map(|i| i % 10).collect();
    let classes = Tensor::<B, 1, Int>::from_data(TensorData::from(&classes[..]), device);
    let loss = |model: &N| {
        let entropy = CrossEntropyLossConfig::new().init(device);
        entropy.forward(model.logits(x.clone()), classes.clone())
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
    let of_gradients = gradients_error(&model, &gradients, &expected["gradients"]);
    // Burn's default dampening is 0.1.
    let momentum = MomentumConfig::new()
        .with_dampening(0.0)
        .with_nesterov(true);
    let mut optimizer = SgdConfig::new()
        .with_momentum(Some(momentum))
        .with_weight_decay(Some(WeightDecayConfig::new(5e-4)))
        .init();
    let model: N = optimizer.step(0.1, model, gradients);
    let worst = of_gradients.max(state_error(&model, &expected["state"]));
    println!("{} training step: {worst:.1e}", B::name(device));
    assert!(
        worst <= tolerance,
        "relative error {worst:.2e} > {tolerance:.0e}"
    );
    check_loss(&loss(&model), &expected["losses"][1]);
}

/// Returns the largest error of a gradient. Every parameter must have one.
fn gradients_error<B: AutodiffBackend, N: Subject<B>>(
    model: &N,
    gradients: &GradientsParams,
    expected: &Value,
) -> f64 {
    let mut visitor = Gradients {
        gradients,
        found: Vec::new(),
    };
    model.visit(&mut visitor);
    let keys = model.state_shapes().into_iter().map(|(key, _)| key);
    let keys: Vec<_> = keys.filter(|key| !is_running_stat(key)).collect();
    let numbers = [
        keys.len(),
        visitor.found.len(),
        expected.as_object().unwrap().len(),
    ];
    assert_eq!(numbers, [numbers[0]; 3], "parameters and gradients");
    let pairs = pairs(&keys, visitor.found).into_iter();
    pairs.fold(0.0, |worst: f64, (key, gradient)| {
        let key = N::torch_key(key);
        worst.max(digest_error(key, gradient, &expected[key]))
    })
}

/// Returns the largest error of an entry of the state dict.
fn state_error<B: Backend, N: Subject<B>>(model: &N, expected: &Value) -> f64 {
    let mut worst = 0.0_f64;
    let mut visited = 0;
    let result: Result<(), ()> = model.visit_state(|key, data| {
        let key = N::torch_key(key);
        worst = worst.max(digest_error(key, data, &expected[key]));
        visited += 1;
        Ok(())
    });
    result.unwrap();
    assert_eq!(visited, expected.as_object().unwrap().len());
    worst
}

/// Returns the error of the norm or of the keyed product compared with `training/step.py`, relative
/// to the norm.
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

/// Collects the gradients in the order of the parameters, in PyTorch's layout.
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
