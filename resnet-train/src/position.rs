//! The position in a run, and checks that it is consistent.

use std::path::Path;

use burn::tensor::backend::AutodiffBackend;
use serde::{Deserialize, Serialize};

use crate::{Decay, Fit, Plateau, Trainable, Trainer, TrainingStateError};

/// The position in a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Finished epochs.
    pub epoch: u64,
    /// Finished batches of the current epoch.
    pub batch: usize,
    /// Steps taken so far.
    pub step: u64,
    /// The sum of the losses of the current epoch.
    pub(crate) loss: f64,
    /// The number of these losses.
    pub(crate) losses: u64,
    /// The best top-1 accuracy on the validation set, from 0 to 1.
    pub best: Option<f64>,
    /// The validation loss of the best epoch. With equal accuracy, the lower loss is better.
    pub best_loss: Option<f64>,
    pub(crate) plateau: Plateau,
    /// The run that this position belongs to, once it has started.
    run: Option<Facts>,
}

/// The facts that identify a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    seed: u64,
    images: usize,
    classes: usize,
    batches: usize,
}

impl Position {
    /// Returns the start of the next phase. It keeps the best scores of this phase.
    pub fn next_phase(&self) -> Self {
        Self {
            best: self.best,
            best_loss: self.best_loss,
            ..Self::default()
        }
    }

    /// Returns the number of finished and started epochs.
    fn begun(&self) -> u64 {
        self.epoch.saturating_add(u64::from(self.batch > 0))
    }

    /// Checks the step counts of the optimizer, the minimum and the maximum over all entries,
    /// against the position. Every entry that learns takes part in every step. A batch with too few
    /// images is not a step of the optimizer, but every epoch has at least one step.
    fn check_steps(&self, steps: Option<[u64; 2]>) -> Result<(), String> {
        let Some([fewest, most]) = steps else {
            return Ok(());
        };
        if fewest != most {
            return Err(format!(
                "{fewest} steps of one entry of the optimizer and {most} of another"
            ));
        }
        let least = self.epoch.saturating_add(self.losses);
        match (least..=self.step).contains(&most) {
            true => Ok(()),
            false => Err(format!(
                "{most} steps of the optimizer in {} of the run, {least} of them at least with images",
                self.step
            )),
        }
    }

    /// Adds losses of the epoch.
    pub(crate) fn note(&mut self, losses: &[f64]) {
        self.loss += losses.iter().sum::<f64>();
        self.losses += losses.len() as u64;
    }

    /// Returns the mean loss of the current epoch.
    pub(crate) fn mean_loss(&self) -> f64 {
        self.loss / self.losses.max(1) as f64
    }

    /// Records the scores of an epoch. Returns whether they are the best so far.
    pub(crate) fn improve(&mut self, top1: f64, loss: f64) -> bool {
        let better = match (self.best, self.best_loss) {
            (None, _) => true,
            (Some(best), Some(best_loss)) if top1 == best => loss < best_loss,
            (Some(best), _) => top1 > best,
        };
        if better {
            self.best = Some(top1);
            self.best_loss = Some(loss);
        }
        better
    }

    pub(crate) fn end_epoch(&mut self) {
        self.epoch += 1;
        self.batch = 0;
        self.loss = 0.0;
        self.losses = 0;
    }
}

/// What identifies a run, and what limits its positions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunFacts<'a> {
    pub(crate) seed: u64,
    /// Training images.
    pub(crate) images: usize,
    pub(crate) classes: usize,
    /// Batches per epoch.
    pub(crate) batches: usize,
    pub(crate) epochs: u64,
    pub(crate) decay: &'a Decay,
    /// Whether the run has a validation set.
    pub(crate) validates: bool,
}

impl Fit {
    /// Restores trainer and position from a training state of this run.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, is damaged, or belongs to another run.
    ///
    /// # Panics
    ///
    /// Panics if a step of the trainer panicked before.
    pub fn resume<B: AutodiffBackend>(
        &self,
        trainer: Trainer<B>,
        path: impl AsRef<Path>,
    ) -> Result<(Trainer<B>, Position), TrainingStateError> {
        self.facts().resume(trainer, path.as_ref())
    }

    pub(crate) fn facts(&self) -> RunFacts<'_> {
        let data = self.train.dataset();
        RunFacts {
            seed: self.seed,
            images: data.len(),
            classes: data.classes().len(),
            batches: self.train.len(),
            epochs: self.epochs,
            decay: &self.schedule.decay,
            validates: self.valid.is_some(),
        }
    }
}

impl RunFacts<'_> {
    /// Restores trainer and position from a training state of this run.
    pub(crate) fn resume<B: AutodiffBackend, N: Trainable<B>>(
        self,
        trainer: Trainer<B, N>,
        path: &Path,
    ) -> Result<(Trainer<B, N>, Position), TrainingStateError> {
        let (trainer, position) = trainer.resume::<Position>(path)?;
        let checked = self.consistent(&position);
        let checked = checked.and_then(|()| position.check_steps(trainer.optimizer().steps()));
        checked.map_err(|found| TrainingStateError::Form {
            path: path.into(),
            found,
        })?;
        match position.begun() {
            done if done > self.epochs => Err(TrainingStateError::Epochs {
                path: path.into(),
                done,
                epochs: self.epochs,
            }),
            _ => Ok((trainer, position)),
        }
    }

    /// Marks the position as belonging to this run.
    pub(crate) fn claim(self, position: &mut Position) {
        position.run = Some(self.identity());
    }

    fn identity(self) -> Facts {
        Facts {
            seed: self.seed,
            images: self.images,
            classes: self.classes,
            batches: self.batches,
        }
    }

    /// Checks that this run can reach the position. The error names what does not fit.
    pub(crate) fn check(self, position: &Position) -> Result<(), String> {
        self.consistent(position)?;
        match position.begun() {
            done if done > self.epochs => Err(format!("{done} epochs in place of {}", self.epochs)),
            _ => Ok(()),
        }
    }

    /// Checks the position like [`check`](Self::check), but not the number of epochs.
    fn consistent(self, position: &Position) -> Result<(), String> {
        let facts = self.identity();
        if let Some(other) = position.run.filter(|other| *other != facts) {
            return Err(format!(
                "seed {}, {} images, {} classes and {} batches in place of seed {}, {}, {} and {}",
                other.seed,
                other.images,
                other.classes,
                other.batches,
                facts.seed,
                facts.images,
                facts.classes,
                facts.batches
            ));
        }
        let &Position {
            epoch,
            batch,
            step,
            loss,
            losses,
            best,
            best_loss,
            ref plateau,
            run,
        } = position;
        let batches = facts.batches;
        let steps = epoch.checked_mul(batches as u64);
        let steps = steps.and_then(|steps| steps.checked_add(batch as u64));
        if batch > 0 && batch >= batches {
            return Err(format!("batch {batch} of {batches}"));
        }
        if steps != Some(step) || (step > 0 && run.is_none()) {
            return Err(format!(
                "step {step} at epoch {}, batch {batch} of {batches}",
                epoch.saturating_add(1)
            ));
        }
        if !loss.is_finite() || loss < 0.0 || losses > batch as u64 || (losses == 0 && loss != 0.0)
        {
            return Err(format!("a loss of {loss} over {losses} of {batch} batches"));
        }
        if best.is_some_and(|best| !(0.0..=1.0).contains(&best)) {
            return Err(format!("a best top-1 of {}", best.unwrap_or_default()));
        }
        if best_loss.is_some_and(|loss| !loss.is_finite() || loss < 0.0)
            || (best.is_none() && best_loss.is_some())
        {
            return Err(format!("a best loss of {}", best_loss.unwrap_or_default()));
        }
        match plateau.is_possible(self.decay, epoch, self.validates) {
            true => Ok(()),
            false => Err(format!(
                "a state of the schedule `plateau` that is impossible after {epoch} epochs: {plateau}"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_equal_accuracy_the_lower_loss_is_better() {
        let mut position = Position::default();
        let epochs = [
            (0.5, 1.0, true),
            (0.5, 1.0, false),
            (0.5, 0.9, true),
            (0.4, 0.1, false),
            (0.6, 2.0, true),
            (0.6, 2.1, false),
            (0.6, f64::NAN, false),
            (0.6, 1.9, true),
        ];
        for (top1, loss, better) in epochs {
            assert_eq!(position.improve(top1, loss), better, "{top1}, {loss}");
        }
        assert_eq!((position.best, position.best_loss), (Some(0.6), Some(1.9)));
        let next = position.next_phase();
        assert_eq!(
            (next.best, next.best_loss, next.step),
            (Some(0.6), Some(1.9), 0)
        );
        // A training state of an earlier version has no best loss.
        position.best_loss = None;
        assert!(!position.improve(0.6, 0.1) && position.improve(0.7, 3.0));
    }

    #[test]
    fn optimizer_steps_must_match_the_position() {
        let position = Position {
            epoch: 2,
            batch: 3,
            step: 13,
            losses: 2,
            ..Position::default()
        };
        for (steps, expected) in [
            (None, true),
            (Some([13, 13]), true),
            // Only one batch of each epoch, and two of the current one, had enough images.
            (Some([4, 4]), true),
            (Some([3, 3]), false),
            (Some([14, 14]), false),
            (Some([1, 13]), false),
        ] {
            let found = position.check_steps(steps);
            assert_eq!(found.is_ok(), expected, "{steps:?}: {found:?}");
        }
    }
}
