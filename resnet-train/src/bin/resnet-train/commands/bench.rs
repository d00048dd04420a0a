//! `bench`: prints one JSON object, which `docs/compare/training.py` reads.

use std::io::{self, Write};
use std::time::Instant;

use anyhow::{Result, ensure};
use burn::backend::Autodiff;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, Optimizer, SgdConfig};
use burn::tensor::backend::Backend;
use burn::tensor::{Distribution, Tensor};
use resnet_backend::Work;
use resnet_cli::Outcome;
use resnet_core::{NormMode, ResNet, ResNetConfig};
use resnet_train::{LossKind, OptimizerConfig, Settings, Trainer, least_images, targets};
use serde_json::{Value, json};

use crate::cli::{Bench, BenchData, BenchStep};
use crate::start::preprocessing;

const WARM_UP: usize = 3;
pub(crate) const RATE: f64 = 0.01;

pub(crate) fn run(command: Bench) -> Result<Outcome> {
    match command {
        Bench::Step(args) => step(args),
        Bench::Data(args) => data(args),
    }
}

fn step(args: BenchStep) -> Result<Outcome> {
    #[cfg(feature = "dense")]
    if let Ok(arch) = args.model.parse::<resnet_dense::DenseArch>() {
        return super::dense::bench_step(args, arch.config());
    }
    let network = ResNetConfig::named(&args.model)?;
    network.check_input([args.size; 2])?;
    let least = least_images(&network, NormMode::Train, [args.size; 2]).unwrap_or(2);
    ensure!(
        args.batch_size >= least,
        "expected {least} images or more, found --batch-size {}: batch norm needs two values per channel or more; use a larger --batch-size or --size",
        args.batch_size
    );
    resnet_backend::with_backend(args.device.selection(), Steps { args, network })?
}

struct Steps {
    args: BenchStep,
    network: ResNetConfig,
}

impl Work for Steps {
    type Output = Result<Outcome>;

    fn run<B: Backend>(self, device: B::Device) -> Result<Outcome> {
        let BenchStep {
            batch_size,
            size,
            runs,
            bare,
            ..
        } = self.args;
        let network: ResNet<Autodiff<B>> = self.network.init(&device);
        let shape = [batch_size, 3, size, size];
        let images =
            Tensor::<Autodiff<B>, 4>::random(shape, Distribution::Normal(0.0, 1.0), &device);
        let labels = vec![&[0_usize][..]; batch_size];
        let wanted = Tensor::<Autodiff<B>, 2>::from_data(
            targets(&labels, self.network.num_classes),
            &device,
        );
        let times = match bare {
            true => {
                let momentum = MomentumConfig::new().with_dampening(0.0);
                let mut sgd = SgdConfig::new().with_momentum(Some(momentum)).init();
                let mut network = Some(network);
                times(runs, || {
                    let Some(model) = network.take() else { return };
                    let logits = model.forward(images.clone());
                    let loss = LossKind::CrossEntropy.forward(logits, wanted.clone());
                    let value = loss.clone().inner();
                    let gradients = GradientsParams::from_grads(loss.backward(), &model);
                    network = Some(sgd.step(RATE, model, gradients));
                    value.into_data();
                })
            }
            false => {
                let sgd = OptimizerConfig::Sgd {
                    momentum: 0.9,
                    nesterov: false,
                    weight_decay: 0.0,
                };
                let mut trainer = Trainer::new(network, Settings::new(sgd));
                times(runs, || {
                    let part = (images.clone(), wanted.clone());
                    trainer.step(RATE, [part]).into_data();
                })
            }
        };
        let line = line(&self.args, &B::name(&device), &times);
        writeln!(io::stdout(), "{line}")?;
        Ok(Outcome::Done)
    }
}

/// Returns the results of a benchmark of steps as JSON.
pub(crate) fn line(args: &BenchStep, backend: &str, times: &[f64]) -> Value {
    json!({
        "model": args.model,
        "backend": backend,
        "batch_size": args.batch_size,
        "size": args.size,
        "bare": args.bare,
        "median_ms": times[times.len() / 2],
        "min_ms": times[0],
    })
}

/// Times `runs` calls after a warm-up and returns the times in milliseconds, sorted.
pub(crate) fn times(runs: usize, mut work: impl FnMut()) -> Vec<f64> {
    for _ in 0..WARM_UP {
        work();
    }
    let time = |_| {
        let start = Instant::now();
        work();
        1000.0 * start.elapsed().as_secs_f64()
    };
    let mut times: Vec<f64> = (0..runs).map(time).collect();
    times.sort_by(f64::total_cmp);
    times
}

fn data(args: BenchData) -> Result<Outcome> {
    let config = args.optimization.config(&args.data.data, None)?;
    let preprocessing = preprocessing(&config)?;
    let fit = config.fit(args.data.open(config.split, config.seed)?, preprocessing)?;
    let loader = match args.workers {
        Some(workers) => fit.train.with_workers(workers),
        None => fit.train,
    };
    let start = Instant::now();
    let batches = loader.epoch(0)?;
    let images: usize = batches.map(|batch| batch.images.len()).sum();
    let seconds = start.elapsed().as_secs_f64();
    let line = json!({ "images": images, "seconds": seconds, "images_per_second": images as f64 / seconds });
    writeln!(io::stdout(), "{line}")?;
    Ok(Outcome::Done)
}
