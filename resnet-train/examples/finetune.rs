//! A classifier of your own pictures, from a program:
//!
//! `cargo run --release -p resnet-train --example finetune -- PICTURES NETWORK`, where PICTURES holds one folder a class and
//! NETWORK is the name of published weights.

#![allow(clippy::print_stdout, reason = "it is a program")]

use std::error::Error;

use burn::backend::Autodiff;

use burn::module::AutodiffModule;
use resnet_core::ResNet;
use resnet_cpu::Cpu;
use resnet_data::Dataset;
use resnet_train::{Config, EpochReport, Observer, Position, Trainer};
use resnet_weights::{Labels, PretrainedBuilder, Save};

type B = Autodiff<Cpu>;

struct Print;

impl Observer<Cpu> for Print {
    fn epoch(&mut self, report: &EpochReport, _model: &ResNet<Cpu>) -> Result<(), String> {
        let top1 = report.valid.as_ref().map_or(0.0, |scores| scores.top1());
        println!("loss {:.4}, top-1 {:.1} %", report.loss, 100.0 * top1);
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(pictures), Some(network)) = (args.next(), args.next()) else {
        return Err("expected a folder of pictures and the name of a network".into());
    };
    let device = Default::default();
    let config = Config::open("finetune")?;
    let data = Dataset::open(pictures, config.split, config.seed)?;
    let labels: Labels = data[0].classes().iter().cloned().collect();
    let pretrained = PretrainedBuilder::named(network)?
        .with_classes(labels.len())
        .load::<B>(&device)?;
    let preprocessing = config.preprocessing(pretrained.preprocessing, pretrained.model.config());
    let mut model = pretrained.model;

    // The classifier alone, then everything.
    for phase in [config.head_phase(), Some(config)].into_iter().flatten() {
        let fit = phase.fit(data.clone(), preprocessing)?;
        let mut trainer = Trainer::new(model, phase.settings(false));
        fit.run(&mut trainer, &mut Position::default(), &device, &mut Print)?;
        model = trainer.model().clone();
    }
    let save = Save::default()
        .with_labels(labels)
        .with_preprocessing(preprocessing);
    save.safetensors(&model.valid(), "tuned.safetensors")?;
    Ok(())
}
