//! `bench step` of detectors and segmentation networks.

use std::io::{self, Write};

use anyhow::{Result, ensure};
use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use burn::tensor::{Distribution, Tensor};
use resnet_backend::Work;
use resnet_cli::Outcome;
use resnet_core::{LayerGroup, NormMode};
use resnet_dense::{
    DenseConfig, DetectorConfig, DetectorNetwork, ImageTensor, Segmentation, SegmentationConfig,
    Target,
};
use resnet_train::{OptimizerConfig, ParamGroups, Settings, Trainer};

use crate::cli::BenchStep;
use crate::commands::bench::{RATE, line, times};

/// Objects in each image.
const OBJECTS: usize = 4;

pub(crate) fn step(args: BenchStep, network: DenseConfig) -> Result<Outcome> {
    ensure!(
        !args.bare,
        "--bare: expected a classifier, found a detector or a segmentation network"
    );
    resnet_backend::with_backend(args.device.selection(), Steps { args, network })?
}

struct Steps {
    args: BenchStep,
    network: DenseConfig,
}

impl Work for Steps {
    type Output = Result<Outcome>;

    fn run<B: Backend>(self, device: B::Device) -> Result<Outcome> {
        let times = match self.network {
            DenseConfig::Detection(config) => detector::<B>(&self.args, config, &device),
            DenseConfig::Segmentation(config) => segmentation::<B>(&self.args, &config, &device),
        };
        writeln!(
            io::stdout(),
            "{}",
            line(&self.args, &B::name(&device), &times)
        )?;
        Ok(Outcome::Done)
    }
}

fn settings(groups: ParamGroups, norms: NormMode) -> Settings {
    let sgd = OptimizerConfig::Sgd {
        momentum: 0.9,
        nesterov: false,
        weight_decay: 0.0,
    };
    Settings {
        groups,
        norms,
        ..Settings::new(sgd)
    }
}

/// Times steps like torchvision's fine-tuning: frozen norms, and a frozen stem and first stage.
fn detector<B: Backend>(
    args: &BenchStep,
    mut config: DetectorConfig,
    device: &B::Device,
) -> Vec<f64> {
    config.transform_mut().min_size = vec![args.size];
    let network: DetectorNetwork<Autodiff<B>> = config.init(device);
    let bytes = |seed: usize| -> Vec<u8> {
        let values = (0..3 * args.size * args.size).map(|i| (i * 31 + seed * 7) % 251);
        values.map(|value| value as u8).collect()
    };
    let images = (0..args.batch_size).map(bytes);
    let images: Vec<ImageTensor> = images
        .map(|bytes| ImageTensor::from_bytes([args.size; 2], bytes))
        .collect();
    let targets = vec![target(&config, args.size); args.batch_size];
    let sizes = vec![args.size; args.batch_size];
    let groups = ParamGroups {
        freeze_to: LayerGroup::Layer2,
        ..ParamGroups::default()
    };
    let mut trainer = Trainer::new(network, settings(groups, NormMode::Frozen));
    times(args.runs, || {
        let loss = |network: &DetectorNetwork<Autodiff<B>>| {
            let mut first = |of: usize, count: usize| (0..count.min(of)).collect();
            let losses = network.losses(&images, &targets, &sizes, &mut first, device);
            losses.total()
        };
        trainer.step_with(RATE, [loss]).into_data();
    })
}

/// Returns squares of a quarter of the image's side.
fn target(config: &DetectorConfig, size: usize) -> Target {
    let side = size as f32 / 4.0;
    let corners = (0..OBJECTS).map(|i| {
        let [x, y] = [i % 2, i / 2].map(|at| (2 * at) as f32 * side);
        [x, y, x + side, y + side]
    });
    let boxes: Vec<[f32; 4]> = corners.collect();
    let mask = |[x1, y1, x2, y2]: &[f32; 4]| -> Vec<bool> {
        let pixels = (0..size * size).map(|i| [(i % size) as f32, (i / size) as f32]);
        pixels
            .map(|[x, y]| (*x1..*x2).contains(&x) && (*y1..*y2).contains(&y))
            .collect()
    };
    let points = |[x1, y1, x2, y2]: &[f32; 4], count: usize| {
        vec![[(x1 + x2) / 2.0, (y1 + y2) / 2.0, 2.0]; count]
    };
    Target {
        labels: vec![1; OBJECTS],
        masks: match config.has_masks() {
            true => boxes.iter().map(mask).collect(),
            false => Vec::new(),
        },
        keypoints: match config.keypoints() {
            Some(count) => boxes.iter().map(|corners| points(corners, count)).collect(),
            None => Vec::new(),
        },
        boxes,
    }
}

fn segmentation<B: Backend>(
    args: &BenchStep,
    config: &SegmentationConfig,
    device: &B::Device,
) -> Vec<f64> {
    let network: Segmentation<Autodiff<B>> = config.init(device);
    let shape = [args.batch_size, 3, args.size, args.size];
    let images = Tensor::<Autodiff<B>, 4>::random(shape, Distribution::Normal(0.0, 1.0), device);
    let pixels = args.batch_size * args.size * args.size;
    let classes: Vec<usize> = (0..pixels).map(|i| i % config.num_classes).collect();
    let groups = ParamGroups::default();
    let mut trainer = Trainer::new(network, settings(groups, NormMode::Train));
    times(args.runs, || {
        let loss = |network: &Segmentation<Autodiff<B>>| {
            network.forward(images.clone()).losses(&classes).total()
        };
        trainer.step_with(RATE, [loss]).into_data();
    })
}
