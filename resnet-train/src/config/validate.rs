//! Range checks of config values.

use resnet_data::Sampling;
use resnet_image::Preprocessing;

use super::{Config, TrainConfigError};
use crate::{Decay, OptimizerConfig, limits};

impl Config {
    /// Checks that all values are in range.
    ///
    /// # Errors
    ///
    /// Returns an error if a value is out of range or a network option in `set` is invalid.
    pub fn validate(&self) -> Result<(), TrainConfigError> {
        let above = |field, found: f64| {
            let expected = "a number above 0 and up to 1,000,000";
            in_range(field, found, f64::MIN_POSITIVE..=1e6, expected)
        };
        let share = |field, found: f64| in_range(field, found, 0.0..=1.0, "a number from 0 to 1");
        let epochs = |field, found: u64| {
            let most = limits::EPOCHS as f64;
            let expected = "a whole number from 1 to 1,000,000";
            in_range(field, found as f64, 1.0..=most, expected)
        };
        let images = |field, found: usize| {
            let most = limits::BATCH as f64;
            let expected = "a whole number from 1 to 65,536";
            in_range(field, found as f64, 1.0..=most, expected)
        };
        self.overrides()?;
        in_range(
            "split",
            self.split,
            0.001..=0.999,
            "a number from 0.001 to 0.999",
        )?;
        epochs("epochs", self.epochs)?;
        images("batch-size", self.batch_size)?;
        images("accumulate", self.accumulate)?;
        above("learning-rate", self.learning_rate)?;
        share("smoothing", self.smoothing)?;
        share("drop-path", self.drop_path)?;
        if let Some(clip) = self.clip {
            above("clip", clip)?;
        }
        if let Some(ema) = self.ema {
            share("ema", ema)?;
        }
        if let Some(head) = self.head {
            epochs("head.epochs", head.epochs)?;
            above("head.learning-rate", head.learning_rate)?;
        }
        for (field, size) in [("size", self.size), ("train-size", self.train_size)] {
            if let Some(size) = size {
                in_range(
                    field,
                    size.into(),
                    limits::LEAST_SIDE.into()..=limits::SIDE.into(),
                    "a whole number from 8 to 4096",
                )?;
            }
        }
        if let Some(input) = &self.input {
            input.validate()?;
        }
        share("groups.backbone-rate", self.groups.backbone_rate)?;
        share("groups.layer-decay", self.groups.layer_decay)?;
        in_range(
            "groups.aux-rate",
            self.groups.aux_rate,
            0.0..=1000.0,
            "a number from 0 to 1000",
        )?;
        share("schedule.warmup-start", self.schedule.warmup_start)?;
        share("schedule.end", self.schedule.end)?;
        let least = 0.0..=1e6;
        in_range(
            "schedule.warmup-epochs",
            self.schedule.warmup_epochs,
            least,
            "a number from 0 to 1,000,000",
        )?;
        self.validate_decay()?;
        self.validate_optimizer()?;
        if let Sampling::Repeated { times } = self.sampling {
            images("sampling.repeated.times", times)?;
        }
        self.mix().validate()?;
        Ok(self.augment(&Preprocessing::imagenet()).validate()?)
    }

    fn validate_decay(&self) -> Result<(), TrainConfigError> {
        let share = |field, found: f64| in_range(field, found, 0.0..=1.0, "a number from 0 to 1");
        match &self.schedule.decay {
            Decay::Constant | Decay::Cosine => Ok(()),
            Decay::Polynomial { power } => in_range(
                "schedule.decay.polynomial.power",
                *power,
                0.0..=100.0,
                "a number from 0 to 100",
            ),
            Decay::Steps { epochs, factor } => {
                for &epoch in epochs {
                    in_range(
                        "schedule.decay.steps.epochs",
                        epoch,
                        0.0..=limits::EPOCHS as f64,
                        "numbers from 0 to 1,000,000",
                    )?;
                }
                share("schedule.decay.steps.factor", *factor)
            }
            Decay::OneCycle { rise } => share("schedule.decay.one-cycle.rise", *rise),
            Decay::Plateau { patience, factor } => {
                in_range(
                    "schedule.decay.plateau.patience",
                    *patience as f64,
                    0.0..=limits::EPOCHS as f64,
                    "a whole number from 0 to 1,000,000",
                )?;
                share("schedule.decay.plateau.factor", *factor)
            }
        }
    }

    fn validate_optimizer(&self) -> Result<(), TrainConfigError> {
        let below_one = |field, found: f64| {
            in_range(field, found, 0.0..=BELOW_ONE, "a number from 0 to below 1")
        };
        let decay = |found| {
            in_range(
                "optimizer.weight-decay",
                found,
                0.0..=1e3,
                "a number from 0 to 1000",
            )
        };
        match self.optimizer {
            OptimizerConfig::Sgd {
                momentum,
                weight_decay,
                ..
            } => {
                below_one("optimizer.momentum", momentum)?;
                decay(weight_decay)
            }
            OptimizerConfig::AdamW {
                betas,
                epsilon,
                weight_decay,
            }
            | OptimizerConfig::Lamb {
                betas,
                epsilon,
                weight_decay,
            } => {
                for beta in betas {
                    below_one("optimizer.betas", beta)?;
                }
                in_range(
                    "optimizer.epsilon",
                    epsilon,
                    0.0..=1.0,
                    "a number from 0 to 1",
                )?;
                decay(weight_decay)
            }
        }
    }
}

/// The largest number below 1.
const BELOW_ONE: f64 = 1.0 - f64::EPSILON / 2.0;

fn in_range(
    field: &'static str,
    found: f64,
    range: std::ops::RangeInclusive<f64>,
    expected: &'static str,
) -> Result<(), TrainConfigError> {
    match range.contains(&found) {
        true => Ok(()),
        false => Err(TrainConfigError::Range {
            field,
            expected,
            found,
        }),
    }
}
