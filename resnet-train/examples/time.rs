//! Times a network in a plain Burn program, without the setup of the commands.
//!
//! `cargo run --release -p resnet-train --example time -- resnet18 1 224` prints the median times
//! in milliseconds of inference and of a training step with Burn's SGD. `resnet-infer bench` and
//! `resnet-train bench step --bare` measure the same.

#![allow(clippy::print_stdout, reason = "an example prints its result")]

use std::env;
use std::error::Error;
use std::time::Instant;

use burn::backend::Autodiff;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, Optimizer, SgdConfig};
use burn::tensor::{Distribution, Int, Tensor};
use resnet_core::{Network, ResNet, ResNetConfig};
use resnet_cpu::Cpu;

type Train = Autodiff<Cpu>;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [name, batch, size] = &args[..] else {
        return Err("expected NETWORK BATCH SIZE".into());
    };
    let (batch, size) = (batch.parse()?, size.parse()?);
    let config = ResNetConfig::named(name)?;
    let device = Default::default();
    let shape = [batch, config.in_channels, size, size];

    let x = Tensor::<Cpu, 4>::random(shape, Distribution::Normal(0.0, 1.0), &device);
    let model: ResNet<Cpu> = config.init(&device);
    let model = model.fuse();
    let inference = median(|| {
        model.forward(x.clone()).into_data();
    });

    let x = Tensor::<Train, 4>::random(shape, Distribution::Normal(0.0, 1.0), &device);
    let targets = Tensor::<Train, 1, Int>::zeros([batch], &device);
    let loss = CrossEntropyLossConfig::new().init(&device);
    // Burn's default dampening is 0.1.
    let momentum = MomentumConfig::new().with_dampening(0.0);
    let mut sgd = SgdConfig::new().with_momentum(Some(momentum)).init();
    let mut model = Some(config.init::<Train>(&device));
    let step = median(|| {
        let Some(network) = model.take() else { return };
        let loss = loss.forward(network.forward(x.clone()), targets.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        model = Some(sgd.step(0.01, network, gradients));
        loss.into_data();
    });
    println!(
        "{name}, batch {batch}, {size} pixels: inference {inference:.2} ms, training step {step:.2} ms"
    );
    Ok(())
}

/// Returns the median of 15 runs in milliseconds, after 3 warm-up runs.
fn median(mut work: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..18)
        .map(|_| {
            let start = Instant::now();
            work();
            1e3 * start.elapsed().as_secs_f64()
        })
        .skip(3)
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
