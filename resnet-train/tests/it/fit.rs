//! Runs: learning, stopping, going on, and what ends them.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use resnet_core::{Network, NormMode, ResNet, ResNetConfig};
use resnet_cpu::Cpu;
use resnet_data::{Augment, BadImage, Crop, DataLoader, Dataset, Mix};
use resnet_image::Preprocessing;
use resnet_train::{
    Decay, Ending, EpochReport, Fit, FitError, Observer, OptimizerConfig, ParamGroups, Position,
    Schedule, Settings, StepReport, Trainer, tensors,
};

use crate::keyed;

pub(crate) type Train = Autodiff<Cpu>;

/// The seed of the backend is one for the whole program, so one test at a time may draw from it.
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
        clip: Some(5.0),
        ema: Some(0.9),
        ..Settings::new(OptimizerConfig::sgd(5e-4))
    }
}

pub(crate) fn fit(images: usize, epochs: u64, checkpoint: Option<&Path>) -> Fit {
    let train = DataLoader::new(Dataset::shapes(images, 1), Preprocessing::cifar(), 16)
        .training(Augment::cifar(), 7)
        .unwrap()
        .with_workers(2);
    let steps = train.len() as u64;
    Fit {
        valid: Some(DataLoader::new(
            Dataset::shapes(60, 2),
            Preprocessing::cifar(),
            30,
        )),
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
        smoothing: 0.1,
        class_weights: None,
        accumulate: 1,
        state: checkpoint.map(Into::into),
        save_every: None,
        seed: 5,
    }
}

/// Ends the run after so many steps; keeps what it is told.
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
fn a_run_that_was_cut_off_ends_as_one_that_was_not() {
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

    // In the first epoch, between the epochs (the sixth look comes with the last step, the seventh after it), in the second.
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

        // Other values to begin with: all comes from the file.
        let config = model(6, 0.2).config().clone();
        let fresh = Trainer::new(keyed::fill(config.init(&device), 9), settings());
        let (mut trainer, mut position) = cut.resume(fresh, &file).unwrap();
        assert!(position.step < 12);
        let ending = cut.run(&mut trainer, &mut position, &device, &mut Watch::default());
        assert_eq!(ending.unwrap(), Ending::Done);
        for ((key, expected), (_, found)) in expected.iter().zip(state(&trainer)) {
            assert_eq!(&found, expected, "{key}, cut off after {stop_after}");
        }
    }
}

#[test]
fn a_run_that_dies_in_an_epoch_leaves_the_last_checkpoint_in_it() {
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
    // Six steps: after the second and the fourth; the last comes with the end of the epoch.
    let trainer = Trainer::new(model(6, 0.0), settings());
    let (_, position) = fit.resume(trainer, &file).unwrap();
    assert_eq!((position.epoch, position.batch, position.step), (0, 4, 4));
}

#[test]
fn a_network_learns_the_images_it_sees() {
    let _alone = alone();
    let device = Default::default();
    let mut trainer = Trainer::new(model(6, 0.0), settings());
    let mut watch = Watch::default();
    let shapes = Dataset::shapes(32, 1);
    let same = Augment {
        crop: Crop::Preprocessing,
        flip: 0.0,
        ..Augment::cifar()
    };
    let train = DataLoader::new(shapes.clone(), Preprocessing::cifar(), 16).training(same, 7);
    let train = train.unwrap();
    let fit = Fit {
        train,
        valid: Some(DataLoader::new(shapes, Preprocessing::cifar(), 32)),
        smoothing: 0.0,
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
    // By chance it would be 1/6.
    assert!(top1 > 0.9);
    let images: usize = watch.windows.iter().map(|window| window.images).sum();
    assert_eq!(images, 40 * 32);
}

#[test]
fn a_loss_that_is_no_number_ends_the_run_and_leaves_the_checkpoint() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("last.checkpoint");
    let device = Default::default();
    let mut first = fit(160, 1, Some(&file));
    let mut trainer = Trainer::new(model(6, 0.0), settings());
    let mut position = Position::default();
    first
        .run(&mut trainer, &mut position, &device, &mut Watch::default())
        .unwrap();
    let before = fs::read(&file).unwrap();

    first.valid = None;
    first.epochs = 2;
    first.learning_rate = 1e30;
    first.schedule.decay = Decay::Constant;
    let error = first.run(&mut trainer, &mut position, &device, &mut Watch::default());
    let error = error.unwrap_err();
    assert!(matches!(error, FitError::NonFinite { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("expected a finite number; lower the learning rate")
    );
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn a_network_that_the_last_step_broke_is_not_written() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("last.checkpoint");
    let device = Default::default();
    let mut fit = fit(16, 1, Some(&file));
    let mut trainer = Trainer::new(model(6, 0.0), settings());
    let mut position = Position::default();
    fit.run(&mut trainer, &mut position, &device, &mut Watch::default())
        .unwrap();
    let before = fs::read(&file).unwrap();

    // One step an epoch: its loss is from before the update, and finite.
    fit.valid = None;
    fit.epochs = 2;
    fit.learning_rate = 1e39;
    fit.schedule.decay = Decay::Constant;
    let error = fit.run(&mut trainer, &mut position, &device, &mut Watch::default());
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("last.checkpoint`: the checkpoint is not written, and stays as it was: `"),
        "{error}"
    );
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn a_network_without_numbers_is_not_evaluated() {
    let _alone = alone();
    let device = Default::default();
    let mut fit = fit(16, 1, None);
    fit.learning_rate = 1e39;
    fit.schedule.decay = Decay::Constant;
    let mut trainer = Trainer::new(model(6, 0.0), settings());
    let error = fit.run(
        &mut trainer,
        &mut Position::default(),
        &device,
        &mut Watch::default(),
    );
    let Err(FitError::Evaluate(error)) = error else {
        panic!("expected an error of the evaluation, found {error:?}");
    };
    assert!(error.to_string().starts_with("`shape "), "{error}");
}

#[test]
fn an_epoch_without_a_readable_image_is_an_error() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    for class in ["a", "b"] {
        fs::create_dir(folder.path().join(class)).unwrap();
        fs::write(folder.path().join(class).join("1.jpg"), b"no image").unwrap();
    }
    let data = Dataset::folder(folder.path()).unwrap();
    let mut fit = fit(32, 1, None);
    fit.train = DataLoader::new(data, Preprocessing::cifar(), 2)
        .training(Augment::cifar(), 1)
        .unwrap();
    let mut trainer = Trainer::new(model(2, 0.0), settings());
    let mut watch = Watch::default();
    let error = fit.run(
        &mut trainer,
        &mut Position::default(),
        &Default::default(),
        &mut watch,
    );
    let error = error.unwrap_err().to_string();
    let expected =
        "epoch 1: expected a batch with 2 readable images or more, found none in 1 batches";
    assert_eq!(error, expected);
    assert_eq!(watch.bad.len(), 2);
}

#[test]
fn checkpoints_of_other_runs_and_damaged_ones_are_refused() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("last.checkpoint");
    let trainer = || Trainer::new(model(6, 0.0), settings());
    let mut trained = trainer();
    fit(32, 1, Some(&file))
        .run(
            &mut trained,
            &mut Position::default(),
            &Default::default(),
            &mut Watch::default(),
        )
        .unwrap();
    let refused = |trainer: Trainer<Train>, words: &str| {
        let Err(error) = trainer.resume::<Position>(&file) else {
            panic!("expected an error with `{words}`");
        };
        let error = error.to_string();
        assert!(
            error.contains("last.checkpoint`: expected a checkpoint of this run")
                && error.contains(words),
            "{error}"
        );
    };
    refused(
        Trainer::new(model(7, 0.0), settings()),
        "`model.fc.weight` of F32 [6, 64] in place of F32 [7, 64]",
    );
    let adamw = Settings {
        optimizer: OptimizerConfig::adamw(0.01),
        ..settings()
    };
    refused(
        Trainer::new(model(6, 0.0), adamw),
        "the optimizer `sgd` in place of `adamw`",
    );
    let without_average = Settings {
        ema: None,
        ..settings()
    };
    refused(
        Trainer::new(model(6, 0.0), without_average),
        "the tensor `average.bn1.bias`, which such a run has not",
    );

    let bytes = fs::read(&file).unwrap();
    let mut damaged = bytes.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&file, &damaged).unwrap();
    refused(trainer(), "its sha256 does not fit");
    // A digit of the position.
    let mut damaged = bytes.clone();
    let digit = b"\\\"step\\\":2";
    let place = damaged
        .windows(digit.len())
        .position(|window| window == digit);
    damaged[place.unwrap() + digit.len() - 1] = b'3';
    fs::write(&file, &damaged).unwrap();
    refused(trainer(), "its sha256 does not fit");
    fs::write(&file, &bytes[..middle]).unwrap();
    refused(trainer(), "");
    fs::write(&file, b"no checkpoint").unwrap();
    refused(trainer(), "");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    refused(trainer(), "found no regular file");
    fs::remove_dir(&file).unwrap();
    let missing = trainer()
        .resume::<Position>(&file)
        .err()
        .unwrap()
        .to_string();
    assert!(
        missing.ends_with("last.checkpoint`: cannot be read"),
        "{missing}"
    );
}

#[test]
fn bad_images_are_told_and_may_end_the_run() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    for (number, sample) in Dataset::shapes(40, 1).samples().iter().enumerate() {
        let class = folder.path().join(format!("class{}", number % 2));
        fs::create_dir_all(&class).unwrap();
        sample
            .rgb()
            .unwrap()
            .save(class.join(format!("{number}.png")))
            .unwrap();
    }
    fs::write(folder.path().join("class1/broken.gif"), b"<html>").unwrap();
    let data = Dataset::folder(folder.path()).unwrap();
    let mut fit = fit(32, 1, None);
    fit.train = DataLoader::new(data, Preprocessing::cifar(), 41)
        .training(Augment::cifar(), 1)
        .unwrap();
    let mut run = |refuse_bad: bool| {
        let mut watch = Watch {
            refuse_bad,
            ..Watch::default()
        };
        fit.valid = None;
        let mut trainer = Trainer::new(model(2, 0.0), settings());
        let ending = fit.run(
            &mut trainer,
            &mut Position::default(),
            &Default::default(),
            &mut watch,
        );
        (ending, watch.bad)
    };
    let (ending, bad) = run(false);
    assert_eq!(ending.unwrap(), Ending::Done);
    assert!(
        bad.len() == 1 && bad[0].name.ends_with("class1/broken.gif"),
        "{bad:?}"
    );
    let (ending, _) = run(true);
    assert!(matches!(ending, Err(FitError::Observer(_))));
}

#[test]
fn weights_of_classes_weigh_the_loss() {
    let _alone = alone();
    let device = Default::default();
    let loss = |weights: Option<[f64; 6]>| {
        let fit = Fit {
            class_weights: weights.map(Vec::from),
            ..fit(32, 1, None)
        };
        let mut trainer = Trainer::new(model(6, 0.0), settings());
        let mut watch = Watch::default();
        let mut position = Position::default();
        fit.run(&mut trainer, &mut position, &device, &mut watch)
            .unwrap();
        watch.epochs[0].loss
    };
    let plain = loss(None);
    assert!((loss(Some([2.0; 6])) - plain).abs() < 1e-5 * plain);
    assert!((loss(Some([9.0, 1.0, 1.0, 1.0, 1.0, 1.0])) - plain).abs() > 1e-3 * plain);
}

/// PyTorch's `cross_entropy_loss_label_smoothing` and, for mixed targets, `cross_entropy_loss_prob_target`.
fn reference(
    logits: &[f64],
    targets: &[f64],
    weights: [f64; 6],
    smoothing: f64,
    mixed: bool,
) -> f64 {
    let rows = logits.chunks(6).zip(targets.chunks(6));
    let (mut sum, mut true_weights) = (0.0, 0.0);
    for (logits, target) in rows {
        let norm = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
        for class in 0..6 {
            let share = target[class] * (1.0 - smoothing) + smoothing / 6.0;
            sum -= (logits[class] - norm) * share * weights[class];
            true_weights += target[class] * weights[class];
        }
    }
    match mixed {
        true => sum / (targets.len() / 6) as f64,
        false => sum / true_weights,
    }
}

#[test]
fn the_loss_of_a_run_is_pytorchs_with_weights_smoothing_mixing_and_parts() {
    let _alone = alone();
    let device = Default::default();
    let weights = [3.0, 0.2, 1.0, 0.5, 2.0, 0.7];
    let (mixup, cutmix) = (0.8, 1.0);
    let mixes = [
        Mix::default(),
        Mix { mixup, cutmix: 0.0 },
        Mix { mixup: 0.0, cutmix },
        Mix { mixup, cutmix },
    ];
    for (mix, smoothing, parts) in mixes
        .into_iter()
        .flat_map(|mix| [0.0, 0.1].map(|smoothing| (mix, smoothing)))
        .flat_map(|(mix, smoothing)| [1, 3].map(|parts| (mix, smoothing, parts)))
    {
        let train = DataLoader::new(Dataset::shapes(22, 4), Preprocessing::cifar(), 22);
        let train = train.training(Augment::cifar(), 7).unwrap();
        let fit = Fit {
            train: train.with_mix(mix).unwrap(),
            valid: None,
            class_weights: Some(weights.into()),
            smoothing,
            accumulate: parts,
            learning_rate: 1e-9,
            ..fit(22, 1, None)
        };
        let settings = Settings {
            norms: NormMode::Eval,
            ..settings()
        };
        let batch = fit.train.epoch(0, 0).unwrap().next().unwrap();
        let (images, targets) = tensors::<Cpu>(&batch, fit.train.preprocessing(), &device).unwrap();
        let logits = model(6, 0.0)
            .valid()
            .with_norm_mode(NormMode::Eval)
            .forward(images);
        let logits: Vec<f64> = logits.into_data().iter().collect();
        let targets: Vec<f64> = targets.into_data().iter().collect();
        let mixed = mix != Mix::default();
        let expected = reference(&logits, &targets, weights, smoothing, mixed);

        let mut trainer = Trainer::new(model(6, 0.0), settings);
        let mut watch = Watch::default();
        fit.run(&mut trainer, &mut Position::default(), &device, &mut watch)
            .unwrap();
        let found = watch.epochs[0].loss;
        assert!(
            (found - expected).abs() < 1e-5 * expected,
            "{mix:?}, {smoothing}, {parts}: expected {expected}, found {found}"
        );
    }
}
