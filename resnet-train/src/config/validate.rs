//! What the types of a config cannot say.

use resnet_image::Recipe;

use super::{Config, ConfigError};
use crate::Decay;

impl Config {
    /// Checks what the types cannot.
    ///
    /// # Errors
    ///
    /// If a number is out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let above =
            |field, found: f64| in_range(field, found, f64::MIN_POSITIVE..=1e6, "a number above 0");
        let share = |field, found: f64| in_range(field, found, 0.0..=1.0, "a number from 0 to 1");
        let most = |field, found: usize| {
            in_range(
                field,
                found as f64,
                1.0..=1e6,
                "a whole number from 1 to 1,000,000",
            )
        };
        in_range(
            "split",
            self.split,
            0.001..=0.999,
            "a number between 0 and 1",
        )?;
        most("epochs", self.epochs as usize)?;
        most("batch-size", self.batch_size)?;
        most("parts", self.parts)?;
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
            most("head.epochs", head.epochs as usize)?;
            above("head.learning-rate", head.learning_rate)?;
        }
        for (field, size) in [("size", self.size), ("train-size", self.train_size)] {
            if let Some(size) = size {
                in_range(
                    field,
                    size.into(),
                    8.0..=4096.0,
                    "a whole number from 8 to 4096",
                )?;
            }
        }
        if let Some(input) = &self.input {
            input.validate()?;
        }
        share("groups.backbone-rate", self.groups.backbone_rate)?;
        share("groups.layer-decay", self.groups.layer_decay)?;
        share("schedule.warmup-start", self.schedule.warmup_start)?;
        share("schedule.end", self.schedule.end)?;
        let least = 0.0..=1e6;
        in_range(
            "schedule.warmup-epochs",
            self.schedule.warmup_epochs,
            least,
            "a number from 0 on",
        )?;
        if let Decay::OneCycle { rise } = self.schedule.decay {
            share("schedule.decay.one-cycle.rise", rise)?;
        }
        self.mix().validate()?;
        Ok(self.augment(&Recipe::imagenet()).validate()?)
    }
}

fn in_range(
    field: &'static str,
    found: f64,
    range: std::ops::RangeInclusive<f64>,
    expected: &'static str,
) -> Result<(), ConfigError> {
    match range.contains(&found) {
        true => Ok(()),
        false => Err(ConfigError::Range {
            field,
            expected,
            found,
        }),
    }
}
