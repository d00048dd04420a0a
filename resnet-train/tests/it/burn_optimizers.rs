//! Training without `Trainer`: Burn's optimizers on a `ResNet`, as in any Burn program.

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, GradientsParams, Optimizer, SgdConfig};
use resnet_core::{LayerGroup, Network, ResNet, ResNetConfig};
use resnet_cpu::Cpu;
use resnet_data::{Augment, Batch, DataLoader, Dataset};
use resnet_image::Preprocessing;
use resnet_testing::{keyed, pairs};

use crate::fit::alone;

type Train = Autodiff<Cpu>;

fn model() -> ResNet<Train> {
    let config = ResNetConfig::named("cifar_resnet8_b").unwrap();
    keyed::fill(config.with_num_classes(6).init(&Default::default()), 3)
}

fn loader() -> DataLoader {
    DataLoader::new(Dataset::shapes(64), Preprocessing::cifar())
        .with_batch_size(16)
        .training(Augment::cifar())
        .unwrap()
        .with_seed(7)
}

/// Trains for some epochs. Returns the network and the mean losses of the first and the last epoch.
fn train(
    mut model: ResNet<Train>,
    mut optimizer: impl Optimizer<ResNet<Train>, Train>,
    learning_rate: f64,
) -> (ResNet<Train>, [f32; 2]) {
    const EPOCHS: u64 = 6;
    let device = Default::default();
    let loader = loader();
    let loss = CrossEntropyLossConfig::new().init(&device);
    let mut means = Vec::new();
    for epoch in 0..EPOCHS {
        let mut losses = Vec::new();
        for batch in loader.epoch(epoch).unwrap() {
            let (images, targets) = batch
                .to_tensors::<Train>(loader.preprocessing(), &device)
                .unwrap();
            let classes = targets.argmax(1).squeeze_dim::<1>(1);
            let _lock = resnet_train::autograd_lock();
            let loss = loss.forward(model.forward(images), classes);
            losses.push(loss.clone().into_scalar());
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            model = optimizer.step(learning_rate, model, gradients);
        }
        means.push(losses.iter().sum::<f32>() / losses.len() as f32);
    }
    (model, [means[0], means[means.len() - 1]])
}

/// Returns the accuracy on the training images.
fn accuracy(model: &ResNet<Cpu>) -> f64 {
    let loader = DataLoader::new(Dataset::shapes(64), Preprocessing::cifar());
    let right = |batch: Batch| {
        let (images, targets) = batch
            .to_tensors::<Cpu>(loader.preprocessing(), &Default::default())
            .unwrap();
        let same = model.forward(images).argmax(1).equal(targets.argmax(1));
        same.int().sum().into_data().iter::<i64>().sum::<i64>()
    };
    loader.epoch(0).unwrap().map(right).sum::<i64>() as f64 / 64.0
}

#[test]
fn sgd_of_burn_trains_a_network() {
    let _alone = alone();
    // Burn's default dampening is 0.1.
    let momentum = MomentumConfig::new().with_dampening(0.0);
    let sgd = SgdConfig::new().with_momentum(Some(momentum)).init();
    let (model, [first, last]) = train(model(), sgd, 0.05);
    assert!(last < 0.8 * first, "loss {first} to {last}");
    // Chance is 1/6 with a standard deviation of about 0.05; 24 steps give 0.36.
    let right = accuracy(&model.valid());
    assert!(right > 0.3, "{right}");
}

#[test]
fn adam_of_burn_leaves_frozen_layers_as_they_are() {
    let _alone = alone();
    let state = |model: &ResNet<Train>| {
        let mut values = Vec::new();
        let Ok(()) = model.visit_state(|key, data| -> Result<(), std::convert::Infallible> {
            values.push((key.to_string(), data.to_vec::<f32>().unwrap()));
            Ok(())
        });
        values
    };
    let model = model().freeze_to(LayerGroup::Layer2);
    let before = state(&model);
    let (model, [first, last]) = train(model, AdamConfig::new().init(), 0.01);
    assert!(last < 0.8 * first, "loss {first} to {last}");
    for ((key, before), (_, after)) in pairs(&before, state(&model)) {
        if !key.contains("running_") {
            let frozen = model.layer_group(key) < LayerGroup::Layer2;
            assert_eq!(*before == after, frozen, "{key}");
        }
    }
}
