//! Errors that end or refuse a run.

use std::fs;

use resnet_data::{Augment, DataLoader, Dataset};
use resnet_image::Preprocessing;
use resnet_train::{Decay, Ending, FitError, OptimizerConfig, Position, Settings, Trainer};

use super::{Train, Watch, alone, fit, model, settings};

#[test]
fn a_non_finite_loss_ends_the_run_and_keeps_the_training_state() {
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
fn a_non_finite_network_is_not_saved() {
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

    // One step per epoch: its loss precedes the update, so it is finite.
    fit.valid = None;
    fit.epochs = 2;
    fit.learning_rate = 1e39;
    fit.schedule.decay = Decay::Constant;
    let error = fit.run(&mut trainer, &mut position, &device, &mut Watch::default());
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains(
            "last.checkpoint`: the training state is not written, and stays as it was: `"
        ),
        "{error}"
    );
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn a_network_with_nan_is_not_evaluated() {
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
    fit.train = DataLoader::new(data, Preprocessing::cifar())
        .with_batch_size(2)
        .training(Augment::cifar())
        .unwrap()
        .with_seed(1);
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
fn damaged_training_states_and_those_of_other_runs_are_refused() {
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
            error.contains("last.checkpoint`: expected a training state of this run")
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
        "the unexpected tensor `average.bn1.bias`",
    );

    let bytes = fs::read(&file).unwrap();
    let mut damaged = bytes.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&file, &damaged).unwrap();
    refused(trainer(), "its sha256 does not match");
    // Changes a digit of the position.
    let mut damaged = bytes.clone();
    let digit = b"\\\"step\\\":2";
    let place = damaged
        .windows(digit.len())
        .position(|window| window == digit);
    damaged[place.unwrap() + digit.len() - 1] = b'3';
    fs::write(&file, &damaged).unwrap();
    refused(trainer(), "its sha256 does not match");
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
fn unreadable_images_are_reported_and_can_end_the_run() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    for (number, sample) in Dataset::shapes(40).samples().iter().enumerate() {
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
    fit.train = DataLoader::new(data, Preprocessing::cifar())
        .with_batch_size(41)
        .training(Augment::cifar())
        .unwrap()
        .with_seed(1);
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
