//! Freezes the first layers of a pretrained network and fine-tunes the others on three new classes.
//!
//! `cargo run --release -p resnet-train --example freeze_finetune` uses the built-in CIFAR-10
//! network. Pass a checkpoint file to use another network. The images are generated;
//! `Dataset::open` reads a folder of your images instead.

#![allow(clippy::print_stdout, reason = "an example prints its result")]

use std::error::Error;

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use resnet_core::{LayerGroup, NormMode, ResNet};
use resnet_cpu::Cpu;
use resnet_data::{Augment, Crop, DataLoader, Dataset, SplitOptions};
use resnet_train::{
    EpochReport, Fit, Observer, OptimizerConfig, ParamGroups, Position, Settings, Trainer,
};
use resnet_weights::{Labels, ModelSource, Save};

type Train = Autodiff<Cpu>;

struct Print;

impl Observer<Cpu> for Print {
    fn epoch(&mut self, report: &EpochReport, _model: &ResNet<Cpu>) -> Result<(), String> {
        let top1 = report.valid.as_ref().map_or(0.0, |scores| scores.top1());
        println!("loss {:.4}, top-1 {:.1} %", report.loss, 100.0 * top1);
        Ok(())
    }
}

/// Returns generated shapes of the first three classes.
fn images() -> Result<Dataset, Box<dyn Error>> {
    let shapes = Dataset::shapes(600);
    let mut images = Vec::new();
    for sample in shapes.samples() {
        let class = sample.labels()[0];
        if class < 3 {
            images.push((sample.rgb()?, class));
        }
    }
    Ok(Dataset::from_images(&shapes.classes()[..3], images)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let device = Default::default();
    let [train, valid] = images()?.split(SplitOptions::default())?;
    let labels: Labels = train.classes().iter().cloned().collect();

    let source = match std::env::args().nth(1) {
        Some(file) => ModelSource::file(file),
        None => ModelSource::named("cifar_resnet20.resnet_zoo_c10"),
    };
    let resolved = source.resolve()?;
    let config = resolved.config.clone().with_num_classes(labels.len());
    let load = resolved.strictness().allow_other_classes();
    let (model, report) = load.apply(config.init::<Train>(&device), &resolved.checkpoint)?;
    println!("{}: new {}", resolved.name, report.fresh.join(", "));

    let preprocessing = resolved.preprocessing;
    let augment = Augment {
        crop: Crop::Preprocessing,
        ..Augment::cifar()
    };
    let fit = Fit {
        valid: Some(DataLoader::new(valid, preprocessing)),
        learning_rate: 0.02,
        ..Fit::new(DataLoader::new(train, preprocessing).training(augment)?, 3)
    };
    let settings = Settings {
        // Freezes the stem and the first stage. `NormMode::Eval` keeps all running statistics.
        groups: ParamGroups {
            freeze_to: LayerGroup::Layer2,
            ..ParamGroups::default()
        },
        norms: NormMode::Eval,
        ..Settings::new(OptimizerConfig::sgd(1e-4))
    };
    let mut trainer = Trainer::new(model, settings);
    fit.run(&mut trainer, &mut Position::default(), &device, &mut Print)?;

    let file =
        std::env::temp_dir().join(format!("three-shapes-{}.safetensors", std::process::id()));
    let save = Save::default()
        .with_labels(labels)
        .with_preprocessing(preprocessing);
    save.safetensors(&trainer.into_model().valid(), &file)?;
    println!("the network is `{}`", file.display());
    Ok(())
}
