//! Compares the losses of runs with class weights, label smoothing and mixing with PyTorch's
//! definitions.

use burn::module::AutodiffModule;
use resnet_core::{Network, NormMode};
use resnet_cpu::Cpu;
use resnet_data::{Augment, DataLoader, Dataset, Mix};
use resnet_image::Preprocessing;
use resnet_testing::pairs;
use resnet_train::{Fit, Loss, Position, Settings, Trainer};

use super::{Watch, alone, fit, model, settings};

#[test]
fn class_weights_change_the_loss() {
    let _alone = alone();
    let device = Default::default();
    let loss = |weights: Option<[f64; 6]>| {
        let fit = fit(32, 1, None);
        let mut settings = settings();
        settings.loss.class_weights = weights.map(Vec::from);
        let mut trainer = Trainer::new(model(6, 0.0), settings);
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

/// PyTorch's `cross_entropy_loss_label_smoothing` and, for mixed targets,
/// `cross_entropy_loss_prob_target`.
fn reference(
    logits: &[f64],
    targets: &[f64],
    weights: [f64; 6],
    smoothing: f64,
    mixed: bool,
) -> f64 {
    let rows = pairs(logits.chunks(6), targets.chunks(6));
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
fn losses_with_weights_smoothing_mixing_and_micro_batches_match_pytorch() {
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
        let train = DataLoader::new(Dataset::shapes_with_seed(22, 4), Preprocessing::cifar())
            .with_batch_size(22);
        let train = train.training(Augment::cifar()).unwrap().with_seed(7);
        let fit = Fit {
            train: train.with_mix(mix).unwrap(),
            valid: None,
            accumulate: parts,
            learning_rate: 1e-9,
            ..fit(22, 1, None)
        };
        let settings = Settings {
            norms: NormMode::Eval,
            loss: Loss {
                smoothing,
                class_weights: Some(weights.into()),
                ..Loss::default()
            },
            ..settings()
        };
        let batch = fit.train.epoch(0).unwrap().next().unwrap();
        let (images, targets) = batch
            .to_tensors::<Cpu>(fit.train.preprocessing(), &device)
            .unwrap();
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
