//! Training loops: learning, stopping and resuming.

mod losses;
mod own_images;
mod refused;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::backend::Autodiff;
use resnet_core::{Network, ResNet, ResNetConfig};
use resnet_cpu::Cpu;
use resnet_data::{Augment, BadImage, Crop, DataLoader, Dataset, Mix};
use resnet_image::Preprocessing;
use resnet_testing::{keyed, pairs};
use resnet_train::{
    Decay, Ending, EpochReport, Fit, Loss, Observer, OptimizerConfig, ParamGroups, Position,
    Schedule, Settings, StepReport, Trainer,
};

pub(crate) type Train = Autodiff<Cpu>;

/// Locks the random numbers of the backend: its seed is global, so only one test at a time may use
/// it.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn model(classes: usize, drop_path: f64) -> ResNet<Train> {
    let config = ResNetConfig::named("cifar_resnet8_b").unwrap();
    let mut config = config.with_num_classes(classes);
    config.drop_path = drop_path;
    keyed::fill(config.init(&Default::default()), 3)
}

pub(crate) fn settings() -> Settings {
    Settings {
        groups: ParamGroups {
            decay_norm_and_bias: false,
            ..ParamGroups::default()
        },
        loss: Loss {
            smoothing: 0.1,
            ..Loss::default()
        },
        clip: Some(5.0),
        ema: Some(0.9),
        ..Settings::new(OptimizerConfig::sgd(5e-4))
    }
}

pub(crate) fn fit(images: usize, epochs: u64, checkpoint: Option<&Path>) -> Fit {
    let train = DataLoader::new(Dataset::shapes(images), Preprocessing::cifar())
        .with_batch_size(16)
        .training(Augment::cifar())
        .unwrap()
        .with_seed(7)
        .with_workers(2);
    let steps = train.len() as u64;
    Fit {
        valid: Some(
            DataLoader::new(Dataset::shapes_with_seed(60, 2), Preprocessing::cifar())
                .with_batch_size(30),
        ),
        schedule: Schedule {
            decay: Decay::OneCycle { rise: 0.3 },
            warmup: 0,
            warmup_start: 0.0,
            end: 0.0,
            epoch: steps,
            total: steps * epochs,
        },
        train,
        learning_rate: 0.1,
        epochs,
        accumulate: 1,
        state: checkpoint.map(Into::into),
        save_every: None,
        seed: 5,
    }
}

/// An observer that stops the run after some steps and records its reports.
#[derive(Default)]
pub(crate) struct Watch {
    stop_after: Option<u64>,
    steps: u64,
    windows: Vec<StepReport>,
    epochs: Vec<EpochReport>,
    bad: Vec<BadImage>,
    refuse_bad: bool,
    refuse_epoch: bool,
}

impl Watch {
    pub(crate) fn stopping_after(steps: u64) -> Self {
        Self {
            stop_after: Some(steps),
            ..Self::default()
        }
    }
}

impl Observer<Cpu> for Watch {
    fn steps(&mut self, report: &StepReport) {
        self.windows.push(*report);
    }

    fn epoch(&mut self, report: &EpochReport, _: &ResNet<Cpu>) -> Result<(), String> {
        self.epochs.push(report.clone());
        match self.refuse_epoch {
            true => Err("the disk of the curves is full".into()),
            false => Ok(()),
        }
    }

    fn bad_image(&mut self, image: &BadImage) -> Result<(), String> {
        self.bad.push(image.clone());
        match self.refuse_bad {
            true => Err(format!("{}: {}", image.name, image.reason)),
            false => Ok(()),
        }
    }

    fn stop(&mut self) -> bool {
        self.steps += 1;
        self.stop_after.is_some_and(|steps| self.steps >= steps)
    }
}

fn state(trainer: &Trainer<Train>) -> Vec<(String, Vec<f32>)> {
    let mut values = Vec::new();
    let mut push = |key: &str, data: burn::tensor::TensorData| -> Result<(), ()> {
        values.push((key.to_string(), data.to_vec().unwrap()));
        Ok(())
    };
    trainer.model().visit_state(&mut push).unwrap();
    trainer.average().unwrap().visit_state(&mut push).unwrap();
    values
}

#[test]
fn a_resumed_run_ends_like_an_uninterrupted_one() {
    let _alone = alone();
    let device = Default::default();
    let mix = Mix {
        mixup: 0.2,
        cutmix: 1.0,
    };
    let mut whole = fit(96, 2, None);
    whole.train = whole.train.with_mix(mix).unwrap();
    whole.accumulate = 3;
    let mut trainer = Trainer::new(model(6, 0.2), settings());
    let mut position = Position::default();
    let ending = whole.run(&mut trainer, &mut position, &device, &mut Watch::default());
    assert_eq!(ending.unwrap(), Ending::Done);
    assert_eq!((position.epoch, position.step), (2, 12));
    let expected = state(&trainer);

    // Stops in the first epoch, between the epochs (the sixth call of `stop` comes with the last
    // step, the seventh after it), and in the second epoch.
    for stop_after in [1, 4, 7, 10] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("last.checkpoint");
        let cut = Fit {
            state: Some(file.clone()),
            ..whole.clone()
        };
        let mut trainer = Trainer::new(model(6, 0.2), settings());
        let mut watch = Watch {
            stop_after: Some(stop_after),
            ..Watch::default()
        };
        let ending = cut.run(&mut trainer, &mut Position::default(), &device, &mut watch);
        assert_eq!(ending.unwrap(), Ending::Stopped);
        drop(trainer);

        // The new trainer has other values: all must come from the file.
        let config = model(6, 0.2).config().clone();
        let fresh = Trainer::new(keyed::fill(config.init(&device), 9), settings());
        let (mut trainer, mut position) = cut.resume(fresh, &file).unwrap();
        assert!(position.step < 12);
        let ending = cut.run(&mut trainer, &mut position, &device, &mut Watch::default());
        assert_eq!(ending.unwrap(), Ending::Done);
        for ((key, expected), (_, found)) in pairs(&expected, state(&trainer)) {
            assert_eq!(&found, expected, "{key}, cut off after {stop_after}");
        }
    }
}

#[test]
fn a_run_that_fails_within_an_epoch_keeps_its_last_training_state() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("last.checkpoint");
    let device = Default::default();
    let fit = Fit {
        save_every: Some(2),
        ..fit(96, 1, Some(&file))
    };
    let mut watch = Watch {
        refuse_epoch: true,
        ..Watch::default()
    };
    let mut trainer = Trainer::new(model(6, 0.0), settings());
    let error = fit.run(&mut trainer, &mut Position::default(), &device, &mut watch);
    assert_eq!(
        error.unwrap_err().to_string(),
        "the disk of the curves is full"
    );
    // The run saves after steps 2 and 4, and fails before the save at the end of the epoch.
    let trainer = Trainer::new(model(6, 0.0), settings());
    let (_, position) = fit.resume(trainer, &file).unwrap();
    assert_eq!((position.epoch, position.batch, position.step), (0, 4, 4));
}

#[test]
fn a_network_learns_the_images_it_sees() {
    let _alone = alone();
    let device = Default::default();
    let settings = Settings {
        loss: Loss::default(),
        ..settings()
    };
    let mut trainer = Trainer::new(model(6, 0.0), settings);
    let mut watch = Watch::default();
    let shapes = Dataset::shapes(32);
    let same = Augment {
        crop: Crop::Preprocessing,
        flip: 0.0,
        ..Augment::cifar()
    };
    let train = DataLoader::new(shapes.clone(), Preprocessing::cifar())
        .with_batch_size(16)
        .training(same);
    let train = train.unwrap().with_seed(7);
    let fit = Fit {
        train,
        valid: Some(DataLoader::new(shapes, Preprocessing::cifar()).with_batch_size(32)),
        ..fit(32, 40, None)
    };
    fit.run(&mut trainer, &mut Position::default(), &device, &mut watch)
        .unwrap();
    let (first, last) = (&watch.epochs[0], &watch.epochs[39]);
    let top1 = last.valid.as_ref().unwrap().top1();
    println!(
        "loss {:.2} to {:.2}, top-1 {top1:.2}",
        first.loss, last.loss
    );
    assert!(last.loss < 0.5 * first.loss);
    // Chance is 1/6.
    assert!(top1 > 0.9);
    let images: usize = watch.windows.iter().map(|window| window.images).sum();
    assert_eq!(images, 40 * 32);
}
