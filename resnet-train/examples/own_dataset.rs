//! Trains on a dataset of your own: a type that implements `ImageSource`. Here the images are
//! stripes in memory; a database or an archive works the same way.
//!
//! `cargo run --release -p resnet-train --example own_dataset`

#![allow(clippy::print_stdout, reason = "an example prints its result")]

use std::error::Error;

use burn::backend::Autodiff;
use resnet_core::{ResNet, ResNetConfig};
use resnet_cpu::Cpu;
use resnet_data::{Augment, DataLoader, Dataset, ImageSource, SampleLabels, SplitOptions};
use resnet_image::{Channels, Pixels, Preprocessing, RgbImage};
use resnet_train::{EpochReport, Fit, Observer, OptimizerConfig, Position, Settings, Trainer};

type Train = Autodiff<Cpu>;

/// Stripes of several widths: rows are class 0, columns are class 1.
struct Stripes(usize);

impl ImageSource for Stripes {
    fn len(&self) -> usize {
        self.0
    }

    fn name(&self, index: usize) -> String {
        format!("stripes {index}")
    }

    fn labels(&self, index: usize) -> SampleLabels {
        (index % 2).into()
    }

    fn image(&self, index: usize, _: Channels) -> Result<Pixels, Box<dyn Error + Send + Sync>> {
        let width = 1 + index as u32 / 2 % 5;
        let stripe = |x: u32, y: u32| {
            let place = if index.is_multiple_of(2) { y } else { x };
            [(place / width % 2 * 200) as u8, 40, 80].into()
        };
        Ok(RgbImage::from_fn(32, 32, stripe).into())
    }
}

struct Print;

impl Observer<Cpu> for Print {
    fn epoch(&mut self, report: &EpochReport, _model: &ResNet<Cpu>) -> Result<(), String> {
        let top1 = report.valid.as_ref().map_or(0.0, |scores| scores.top1());
        println!("loss {:.4}, top-1 {:.1} %", report.loss, 100.0 * top1);
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let device = Default::default();
    let data = Dataset::from_source(["rows", "columns"], Stripes(800))?;
    let [train, valid] = data.split(SplitOptions::default())?;
    let train = DataLoader::new(train, Preprocessing::cifar())
        .with_batch_size(16)
        .training(Augment::cifar())?
        .with_seed(1);

    let model: ResNet<Train> = ResNetConfig::named("cifar_resnet8_b")?
        .with_num_classes(2)
        .init(&device);
    let mut trainer = Trainer::new(model, Settings::new(OptimizerConfig::sgd(5e-4)));
    let fit = Fit {
        valid: Some(DataLoader::new(valid, Preprocessing::cifar())),
        learning_rate: 0.05,
        ..Fit::new(train, 1)
    };
    fit.run(&mut trainer, &mut Position::default(), &device, &mut Print)?;
    Ok(())
}
