//! Epochs of training, with validation and checkpoints between them.

use std::path::{Path, PathBuf};

use burn::module::{AutodiffModule, Module};
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use resnet_data::{BadImage, Batch, Loader, Mix, Scores};
use resnet_image::BatchError;
use serde::{Deserialize, Serialize};

use crate::loss::{mass, scaled};
use crate::stretch::Stretch;
use crate::trainer::Parts;
use crate::{
    CheckpointError, Ending, EpochReport, EvaluateError, Observer, Peers, PeersError, Plateau,
    Schedule, StepReport, TargetKind, Trainer, evaluate, smoothed, tensors,
};

/// What a run goes through.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The images to train from.
    pub train: Loader,
    /// The images to validate with.
    pub valid: Option<Loader>,
    /// The learning rate over the steps, as a share of the peak.
    pub schedule: Schedule,
    /// The peak of the learning rate.
    pub learning_rate: f64,
    /// Passes over the images.
    pub epochs: u64,
    /// Label smoothing.
    pub smoothing: f64,
    /// The weight of each class in the cross-entropy: PyTorch's `CrossEntropyLoss(weight=…)`. Images of one class are
    /// class indices, which divide the loss by the weights of the true classes; images of several classes and mixed
    /// images are class probabilities, which divide it by the number of images.
    pub class_weights: Option<Vec<f64>>,
    /// Parts that a batch is run in, for less memory (gradient accumulation): loss and gradient are those of the whole
    /// batch. Each part has two images or more, as a batch norm needs.
    pub parts: usize,
    /// The file of the state, written after each epoch, every [`save_every`](Self::save_every) steps and when stopped.
    pub checkpoint: Option<PathBuf>,
    /// Steps between checkpoints within an epoch.
    pub save_every: Option<u64>,
    /// The seed of dropped paths and values. It is the backend's, so two runs in one program disturb each other's.
    pub seed: u64,
}

/// How far a run has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Epochs that are over.
    pub epoch: u64,
    /// Batches of the next that are over.
    pub batch: usize,
    /// Steps since the start.
    pub step: u64,
    /// The sum of the losses of the epoch so far, and how many they are.
    loss: f64,
    losses: u64,
    /// The best share of validation images whose class was predicted.
    pub best: Option<f64>,
    plateau: Plateau,
}

/// Why a run could not go on. Its last checkpoint is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// The loss is no number any more.
    #[error("the loss is {loss} at step {step} of epoch {}: expected a finite number; lower the learning rate, or clip gradients", .epoch + 1)]
    NonFinite {
        /// The epoch, from 0.
        epoch: u64,
        /// Steps since the start.
        step: u64,
        /// The loss.
        loss: f64,
    },
    /// There was nothing to learn from.
    #[error("epoch {}: expected two readable images or more in a batch, found none in {batches} batches", .epoch + 1)]
    NoImages {
        /// The epoch, from 0.
        epoch: u64,
        /// Its batches.
        batches: usize,
    },
    /// Images do not make a batch.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The validation failed.
    #[error("validation")]
    Evaluate(#[from] EvaluateError),
    /// The state cannot be written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A process that trains along is gone.
    #[error(transparent)]
    Peers(#[from] PeersError),
    /// The observer ended the run.
    #[error("{0}")]
    Observer(String),
}

/// Steps between two looks at the loss: to look is to wait for the device.
const STRETCH: usize = 10;

impl Position {
    /// More losses of the epoch.
    fn note(&mut self, losses: &[f64]) {
        self.loss += losses.iter().sum::<f64>();
        self.losses += losses.len() as u64;
    }
}

impl Fit {
    /// Trains from `position` on. The same position, trainer and seed give the same steps, so a run that was cut off and
    /// resumed ends as one that was not.
    ///
    /// # Errors
    ///
    /// If the loss is not finite, images do not make a batch, or a checkpoint cannot be written.
    ///
    /// # Panics
    ///
    /// If the network has not one class for each of the dataset.
    pub fn run<B: AutodiffBackend>(
        &self,
        trainer: &mut Trainer<B>,
        position: &mut Position,
        device: &B::Device,
        observer: &mut impl Observer<B::InnerBackend>,
    ) -> Result<Ending, FitError> {
        self.run_among(None, trainer, position, device, observer)
    }

    /// As [`run`](Self::run), together with other processes, each with its [share](Loader::with_share) of the batches.
    /// All of them must start alike. Where one is gone, a checkpoint of the last step that all took is written.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), or if a process is gone.
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    pub fn run_among<B: AutodiffBackend>(
        &self,
        mut peers: Option<&mut Peers>,
        trainer: &mut Trainer<B>,
        position: &mut Position,
        device: &B::Device,
        observer: &mut impl Observer<B::InnerBackend>,
    ) -> Result<Ending, FitError> {
        while position.epoch < self.epochs {
            let ending = self.epoch(peers.as_deref_mut(), trainer, position, device, observer);
            if let Err(FitError::Peers(_)) = &ending {
                self.keep(trainer, position)?;
            }
            if let Ending::Stopped = ending? {
                return Ok(Ending::Stopped);
            }
        }
        Ok(Ending::Done)
    }

    fn epoch<B: AutodiffBackend>(
        &self,
        mut peers: Option<&mut Peers>,
        trainer: &mut Trainer<B>,
        position: &mut Position,
        device: &B::Device,
        observer: &mut impl Observer<B::InnerBackend>,
    ) -> Result<Ending, FitError> {
        let batches = self.train.len();
        let mut stretch = Stretch::new();
        let mut wished = false;
        for batch in self.train.epoch(position.epoch, position.batch) {
            for bad in &batch.bad {
                observer.bad_image(bad).map_err(FitError::Observer)?;
            }
            let step = position.step;
            let share = self.schedule.rate(step) * position.plateau.factor;
            let learning_rate = self.learning_rate * share;
            let others = peers.as_deref_mut();
            let wish = observer.stop();
            let stop = match self.step(others, trainer, &batch, step, learning_rate, wish) {
                Ok((loss, stop)) => {
                    stretch.extend(loss, batch.images.len());
                    stop
                }
                Err(error) => {
                    position.note(&stretch.take().0);
                    return Err(error);
                }
            };
            position.step += 1;
            position.batch += 1;
            let save = self
                .save_every
                .is_some_and(|steps| position.step.is_multiple_of(steps));
            let last = position.batch == batches;
            if stretch.len() == STRETCH || stop || save || last {
                let (losses, images, time) = stretch.take();
                let loss: f64 = losses.iter().sum();
                if !loss.is_finite() {
                    return Err(FitError::NonFinite {
                        epoch: position.epoch,
                        step,
                        loss,
                    });
                }
                position.note(&losses);
                observer.steps(&StepReport {
                    epoch: position.epoch,
                    batch: [position.batch, batches],
                    step: position.step,
                    loss: loss / losses.len().max(1) as f64,
                    learning_rate,
                    images,
                    time,
                });
            }
            if let (true, Some(peers)) = (stop || save, &mut peers) {
                trainer.share_statistics(peers)?;
            }
            wished = stop;
            if (stop || save) && !last {
                self.keep(trainer, position)?;
            }
            if stop && !last {
                return Ok(Ending::Stopped);
            }
        }
        if position.losses == 0 {
            return Err(FitError::NoImages {
                epoch: position.epoch,
                batches,
            });
        }
        if let Some(peers) = &mut peers {
            trainer.share_statistics(peers)?;
        }
        self.end_of_epoch(trainer, position, device, observer)?;
        // Asked last, so that all processes hear of a wish from the time of the validation.
        let mut wishes = [f32::from(u8::from(wished | observer.stop()))];
        if let Some(peers) = &mut peers {
            peers.sum(&mut wishes)?;
        }
        match wishes[0] > 0.0 && position.epoch < self.epochs {
            true => Ok(Ending::Stopped),
            false => Ok(Ending::Done),
        }
    }

    /// A step from a batch, of this process or of all: its loss, if there were images, and whether the run shall end.
    #[allow(clippy::type_complexity, reason = "a loss that may be none")]
    fn step<B: AutodiffBackend>(
        &self,
        peers: Option<&mut Peers>,
        trainer: &mut Trainer<B>,
        batch: &Batch,
        step: u64,
        learning_rate: f64,
        wish: bool,
    ) -> Result<(Option<Tensor<B::InnerBackend, 1>>, bool), FitError> {
        let device = trainer.model().devices().swap_remove(0);
        let rank = peers.as_ref().map_or(0, |peers| peers.rank() as u64);
        let seed = self.seed.wrapping_mul(0x9e37_79b9).wrapping_add(step);
        B::seed(&device, seed.wrapping_add(rank << 48));
        let parts = self.parts(batch, trainer.least_images(), &device)?;
        let Some(peers) = peers else {
            let loss = (!parts.is_empty()).then(|| trainer.step_batch(learning_rate, parts));
            return Ok((loss, wish));
        };
        let among = trainer.step_batch_among(peers, learning_rate, parts, wish)?;
        let loss = among
            .loss
            .map(|loss| Tensor::from_floats([loss as f32], &device));
        Ok((loss, among.stop))
    }

    /// The tensors of a batch, in parts; none where it has fewer than `least` images.
    pub(crate) fn parts<B: AutodiffBackend>(
        &self,
        batch: &Batch,
        least: usize,
        device: &B::Device,
    ) -> Result<Parts<B>, BatchError> {
        if batch.images.len() < least {
            return Ok(Parts::new([]));
        }
        let (images, targets) = tensors::<B>(batch, self.train.recipe(), device)?;
        let mut targets = smoothed(targets, self.smoothing);
        if let Some(weights) = &self.class_weights {
            targets = scaled(targets, weights);
        }
        let sizes = part_sizes(batch.images.len(), self.parts);
        let images = images.split_with_sizes(sizes.clone(), 0);
        let targets = targets.split_with_sizes(sizes, 0);
        Ok(Parts {
            tensors: images.into_iter().zip(targets).collect(),
            mass: mass(
                &batch.targets,
                self.class_weights.as_deref(),
                self.target_kind(),
            ),
        })
    }

    /// As torchvision's `MixUp` and `CutMix`, which make every target of a run probabilities.
    fn target_kind(&self) -> TargetKind {
        let mixed = *self.train.mix() != Mix::default();
        match self.class_weights.is_some() && (mixed || self.train.dataset().is_multi_label()) {
            true => TargetKind::Probabilities,
            false => TargetKind::Indices,
        }
    }

    fn end_of_epoch<B: AutodiffBackend>(
        &self,
        trainer: &Trainer<B>,
        position: &mut Position,
        device: &B::Device,
        observer: &mut impl Observer<B::InnerBackend>,
    ) -> Result<(), FitError> {
        let last = trainer.model().valid();
        let model = trainer.average().unwrap_or(&last);
        let mut bad = Vec::new();
        let valid = match &self.valid {
            Some(loader) => {
                let note = |image: &BadImage| bad.push(image.clone());
                Some(evaluate(model, loader, device, |_, _| {}, note)?)
            }
            None => None,
        };
        for image in &bad {
            observer.bad_image(image).map_err(FitError::Observer)?;
        }
        let loss = position.loss / position.losses.max(1) as f64;
        let top1 = valid.as_ref().map(Scores::top1);
        let best = top1.is_some_and(|top1| position.best.is_none_or(|best| top1 > best));
        if best {
            position.best = top1;
        }
        if let Some(valid) = &valid {
            position.plateau.note(&self.schedule.decay, valid.loss());
        }
        let report = EpochReport {
            epoch: position.epoch,
            loss,
            valid,
            best,
        };
        observer.epoch(&report, model).map_err(FitError::Observer)?;
        position.epoch += 1;
        position.batch = 0;
        position.loss = 0.0;
        position.losses = 0;
        self.keep(trainer, position).map_err(FitError::from)
    }

    fn keep<B: AutodiffBackend>(
        &self,
        trainer: &Trainer<B>,
        position: &Position,
    ) -> Result<(), CheckpointError> {
        let path: Option<&Path> = self.checkpoint.as_deref();
        path.map_or(Ok(()), |path| trainer.checkpoint(path, position))
    }
}

/// As many parts as there may be of two images or more, alike but for one image.
fn part_sizes(images: usize, parts: usize) -> Vec<usize> {
    let parts = parts.clamp(1, (images / 2).max(1));
    let larger = images % parts;
    (0..parts)
        .map(|part| images / parts + usize::from(part < larger))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::part_sizes;

    #[test]
    fn parts_differ_by_one_image_and_have_two_at_least() {
        assert_eq!(part_sizes(16, 4), [4; 4]);
        assert_eq!(part_sizes(10, 4), [3, 3, 2, 2]);
        assert_eq!(part_sizes(5, 8), [3, 2]);
        assert_eq!(part_sizes(2, 0), [2]);
    }
}
