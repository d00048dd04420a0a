//! Epochs of training, with validation and checkpoints between them.

mod error;

use std::path::{Path, PathBuf};

use burn::module::{AutodiffModule, Module};
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use resnet_core::{NormMode, ResNetConfig};
use resnet_data::{BadImage, Batch, DataLoader};

use crate::least::{last_map, least_images};
use crate::loss_window::LossWindow;
use crate::{
    Ending, EpochReport, Observer, Peers, Position, Schedule, StepReport, Trainer,
    TrainingStateError, evaluate,
};

pub use error::FitError;

/// What a run goes through.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The images to train from.
    pub train: DataLoader,
    /// The images to validate with.
    pub valid: Option<DataLoader>,
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
    /// Micro-batches that a batch is run in, for less memory (gradient accumulation): loss and gradient are those of the whole
    /// batch. There are fewer parts where batch norm would see a single value per channel.
    pub accumulate: usize,
    /// The file of the state, written after each epoch, every [`save_every`](Self::save_every) steps and when stopped.
    pub state: Option<PathBuf>,
    /// Steps between checkpoints within an epoch.
    pub save_every: Option<u64>,
    /// The seed of dropped paths and values. It is the backend's, so two runs in one program disturb each other's.
    pub seed: u64,
}

/// Steps between two looks at the loss: to look is to wait for the device.
const WINDOW: usize = 10;

impl Fit {
    /// Checks that a batch of images of `height` by `width` pixels has enough of them to train the norms of a network.
    ///
    /// # Errors
    ///
    /// Returns an error where PyTorch refuses the batch: batch norm in training has no variance of a single value.
    pub fn check_batch(
        &self,
        network: &ResNetConfig,
        norms: NormMode,
        [height, width]: [usize; 2],
    ) -> Result<(), FitError> {
        let Some(least) = least_images(network, norms, [height, width]) else {
            return Err(FitError::OnePixel { width, height });
        };
        let found = self.train.smallest_batch();
        if found >= least {
            return Ok(());
        }
        let [last_height, last_width] = last_map(network, [height, width]);
        Err(FitError::TooFew {
            least,
            found,
            size: [width, height],
            last_map: [last_width, last_height],
        })
    }

    /// Trains from `position` on. The same position, trainer and seed give the same steps, so a run that was cut off and
    /// resumed ends as one that was not.
    ///
    /// # Errors
    ///
    /// If the loss is not finite, images do not make a batch, or a checkpoint cannot be written.
    ///
    /// # Panics
    ///
    /// If the network has not one class for each of the dataset, or [`class_weights`](Self::class_weights) not one weight
    /// for each.
    pub fn run<B: AutodiffBackend>(
        &self,
        trainer: &mut Trainer<B>,
        position: &mut Position,
        device: &B::Device,
        observer: &mut impl Observer<B::InnerBackend>,
    ) -> Result<Ending, FitError> {
        self.run_among(None, trainer, position, device, observer)
    }

    /// As [`run`](Self::run), together with other processes, each with its [share](DataLoader::with_share) of the batches.
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
        self.check(position).map_err(FitError::Position)?;
        self.claim(position);
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
        let mut least = 1;
        let mut window = LossWindow::new();
        let mut wished = false;
        for batch in self.train.epoch(position.epoch, position.batch)? {
            for bad in &batch.bad {
                observer.bad_image(bad).map_err(FitError::Observer)?;
            }
            least = least.max(trainer.least_images(&batch));
            let step = position.step;
            let share = self.schedule.rate(step) * position.plateau.factor;
            let learning_rate = self.learning_rate * share;
            let others = peers.as_deref_mut();
            let wish = observer.stop();
            let stop = match self.step(others, trainer, &batch, step, learning_rate, wish) {
                Ok((loss, stop)) => {
                    window.extend(loss, batch.images.len());
                    stop
                }
                Err(error) => {
                    position.note(&window.take().0);
                    return Err(error);
                }
            };
            position.step += 1;
            position.batch += 1;
            let save = self
                .save_every
                .is_some_and(|steps| position.step.is_multiple_of(steps));
            let last = position.batch == batches;
            if window.len() == WINDOW || stop || save || last {
                let (losses, images, time) = window.take();
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
                least,
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
        let parts = self.parts(batch, trainer, &device)?;
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
                Some(evaluate(model, loader, device, u64::MAX, |_, _| {}, note)?)
            }
            None => None,
        };
        for image in &bad {
            observer.bad_image(image).map_err(FitError::Observer)?;
        }
        let loss = position.mean_loss();
        let best = valid
            .as_ref()
            .is_some_and(|scores| position.improve(scores.top1(), scores.loss()));
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
        position.end_epoch();
        self.keep(trainer, position).map_err(FitError::from)
    }

    fn keep<B: AutodiffBackend>(
        &self,
        trainer: &Trainer<B>,
        position: &Position,
    ) -> Result<(), TrainingStateError> {
        let path: Option<&Path> = self.state.as_deref();
        path.map_or(Ok(()), |path| trainer.save_state(path, position))
    }
}
