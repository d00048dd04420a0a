//! The training loop of detectors and segmentation networks.

use std::path::{Path, PathBuf};

use burn::module::AutodiffModule;
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use resnet_core::NormMode;
use resnet_data::{BadImage, LoaderError, Prefetch};

use super::DenseScores;
use crate::loss_window::LossWindow;
use crate::position::RunFacts;
use crate::{
    Ending, FitError, Position, Schedule, StepReport, Trainable, Trainer, TrainingStateError,
};

/// Steps between two reads of the loss. Reading waits for the device.
const WINDOW: usize = 10;

/// The network without gradients.
type Inner<B, N> = <N as AutodiffModule<B>>::InnerModule;

/// What a [`DenseFit`] trains: the batches, the loss and the validation.
pub trait DenseTask<B: AutodiffBackend> {
    /// The network.
    type Network: Trainable<B>;
    /// A batch.
    type Batch: Send + 'static;

    /// Returns the number of training images, classes, and batches per epoch.
    fn counts(&self) -> [usize; 3];

    /// Returns the batches of an epoch after the first `first` batches.
    ///
    /// # Errors
    ///
    /// Returns an error if the threads cannot be started.
    fn epoch_from(&self, epoch: u64, first: usize) -> Result<Prefetch<Self::Batch>, LoaderError>;

    /// Returns the number of images, and the unreadable images.
    fn images<'a>(&self, batch: &'a Self::Batch) -> (usize, &'a [BadImage]);

    /// Returns the smallest batch that the norms of the network can train on. Smaller batches are
    /// left out.
    fn least_images(&self, _network: &Self::Network, _norms: NormMode) -> usize {
        1
    }

    /// Returns the loss of a batch.
    ///
    /// # Errors
    ///
    /// Returns an error if the images cannot be batched.
    fn loss(
        &self,
        network: &Self::Network,
        batch: &Self::Batch,
        device: &B::Device,
    ) -> Result<Tensor<B, 1>, FitError>;

    /// Evaluates the network on the validation set. Returns `None` if there is none.
    ///
    /// # Errors
    ///
    /// Returns an error if the images cannot be batched or the results cannot be compared.
    fn evaluate(
        &self,
        network: &Inner<B, Self::Network>,
        device: &B::Device,
        bad: &mut dyn FnMut(BadImage),
    ) -> Result<Option<DenseScores>, FitError>;
}

/// A training loop over several epochs, for a detector or a segmentation network.
#[derive(Clone, Debug)]
pub struct DenseFit<T> {
    /// The batches, the loss and the validation.
    pub task: T,
    /// The learning rate schedule. It must not depend on the validation loss.
    pub schedule: Schedule,
    /// The peak learning rate.
    pub learning_rate: f64,
    /// The number of epochs.
    pub epochs: u64,
    /// The training state file. It is written after each epoch, every
    /// [`save_every`](Self::save_every) steps and when the run is stopped.
    pub state: Option<PathBuf>,
    /// Steps between training states within an epoch.
    pub save_every: Option<u64>,
    /// The random seed of dropout. It seeds the whole backend.
    pub seed: u64,
}

/// A report on an epoch.
#[derive(Clone, Debug)]
pub struct DenseEpoch {
    /// The epoch, from 0.
    pub epoch: u64,
    /// Mean training loss.
    pub loss: f64,
    /// Scores on the validation set, if there is one.
    pub valid: Option<DenseScores>,
    /// Whether these scores are the best so far.
    pub best: bool,
}

/// A callback for the progress of a run.
pub trait DenseObserver<B: Backend, N> {
    /// Receives a report after each window of steps.
    fn steps(&mut self, _report: &StepReport) {}

    /// Receives a report after each epoch. `network` is the validated one: the moving average if
    /// there is one.
    ///
    /// # Errors
    ///
    /// Returns an error to end the run.
    fn epoch(&mut self, _report: &DenseEpoch, _network: &N) -> Result<(), String> {
        Ok(())
    }

    /// Receives each unreadable image, in every epoch.
    ///
    /// # Errors
    ///
    /// Returns an error to end the run.
    fn bad_image(&mut self, _image: &BadImage) -> Result<(), String> {
        Ok(())
    }

    /// Returns whether the run should save its training state and stop.
    fn stop(&mut self) -> bool {
        false
    }
}

/// An observer that ignores all reports.
impl<B: Backend, N> DenseObserver<B, N> for () {}

impl<T> DenseFit<T> {
    fn facts<B: AutodiffBackend>(&self) -> RunFacts<'_>
    where
        T: DenseTask<B>,
    {
        let [images, classes, batches] = self.task.counts();
        RunFacts {
            seed: self.seed,
            images,
            classes,
            batches,
            epochs: self.epochs,
            decay: &self.schedule.decay,
            validates: true,
        }
    }

    /// Restores trainer and position from a training state of this run.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, is damaged, or belongs to another run.
    pub fn resume<B: AutodiffBackend>(
        &self,
        trainer: Trainer<B, T::Network>,
        path: impl AsRef<Path>,
    ) -> Result<(Trainer<B, T::Network>, Position), TrainingStateError>
    where
        T: DenseTask<B>,
    {
        self.facts::<B>().resume(trainer, path.as_ref())
    }

    /// Trains from `position` to the last epoch. The same position, trainer and seed give the same
    /// steps, so a resumed run ends like an uninterrupted one.
    ///
    /// # Errors
    ///
    /// Returns an error if the loss is not finite, if the images cannot be batched, if the training
    /// state cannot be written, or if the observer returns an error.
    pub fn run<B: AutodiffBackend>(
        &self,
        trainer: &mut Trainer<B, T::Network>,
        position: &mut Position,
        device: &B::Device,
        observer: &mut impl DenseObserver<B::InnerBackend, Inner<B, T::Network>>,
    ) -> Result<Ending, FitError>
    where
        T: DenseTask<B>,
    {
        let facts = self.facts::<B>();
        facts.check(position).map_err(FitError::Position)?;
        facts.claim(position);
        while position.epoch < self.epochs {
            if let Ending::Stopped = self.epoch(trainer, position, device, observer)? {
                return Ok(Ending::Stopped);
            }
        }
        Ok(Ending::Done)
    }

    fn epoch<B: AutodiffBackend>(
        &self,
        trainer: &mut Trainer<B, T::Network>,
        position: &mut Position,
        device: &B::Device,
        observer: &mut impl DenseObserver<B::InnerBackend, Inner<B, T::Network>>,
    ) -> Result<Ending, FitError>
    where
        T: DenseTask<B>,
    {
        let [_, _, batches] = self.task.counts();
        let least = self.task.least_images(trainer.model(), trainer.norms());
        let mut window = LossWindow::new();
        for batch in self.task.epoch_from(position.epoch, position.batch)? {
            let (images, bad) = self.task.images(&batch);
            for bad in bad {
                observer.bad_image(bad).map_err(FitError::Observer)?;
            }
            let learning_rate = self.learning_rate * self.schedule.rate(position.step);
            let seed = self
                .seed
                .wrapping_mul(0x9e37_79b9)
                .wrapping_add(position.step);
            B::seed(device, seed);
            let loss = match images < least {
                true => None,
                false => Some(self.step(trainer, &batch, learning_rate, device)?),
            };
            window.extend(loss, images);
            position.step += 1;
            position.batch += 1;
            let save = self
                .save_every
                .is_some_and(|steps| position.step.is_multiple_of(steps));
            let last = position.batch == batches;
            let stop = observer.stop();
            if window.len() == WINDOW || stop || save || last {
                observer.steps(&self.look(&mut window, position, batches, learning_rate)?);
            }
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
        self.end_of_epoch(trainer, position, device, observer)?;
        match observer.stop() && position.epoch < self.epochs {
            true => Ok(Ending::Stopped),
            false => Ok(Ending::Done),
        }
    }

    fn step<B: AutodiffBackend>(
        &self,
        trainer: &mut Trainer<B, T::Network>,
        batch: &T::Batch,
        learning_rate: f64,
        device: &B::Device,
    ) -> Result<Tensor<B::InnerBackend, 1>, FitError>
    where
        T: DenseTask<B>,
    {
        let loss = |network: &T::Network| self.task.loss(network, batch, device);
        trainer.try_step_with(learning_rate, [loss])
    }

    /// Reads the losses of a window after its last step, and checks that they are finite.
    fn look<B: Backend>(
        &self,
        window: &mut LossWindow<B>,
        position: &mut Position,
        batches: usize,
        learning_rate: f64,
    ) -> Result<StepReport, FitError> {
        let (losses, images, time) = window.take();
        let loss: f64 = losses.iter().sum();
        if !loss.is_finite() {
            return Err(FitError::NonFinite {
                epoch: position.epoch,
                step: position.step - 1,
                loss,
            });
        }
        position.note(&losses);
        Ok(StepReport {
            epoch: position.epoch,
            batch: [position.batch, batches],
            step: position.step,
            loss: loss / losses.len().max(1) as f64,
            learning_rate,
            images,
            time,
        })
    }

    fn end_of_epoch<B: AutodiffBackend>(
        &self,
        trainer: &Trainer<B, T::Network>,
        position: &mut Position,
        device: &B::Device,
        observer: &mut impl DenseObserver<B::InnerBackend, Inner<B, T::Network>>,
    ) -> Result<(), FitError>
    where
        T: DenseTask<B>,
    {
        let last = trainer.model().valid();
        let network = trainer.average().unwrap_or(&last);
        let mut bad = Vec::new();
        let valid = self
            .task
            .evaluate(network, device, &mut |image| bad.push(image))?;
        for image in &bad {
            observer.bad_image(image).map_err(FitError::Observer)?;
        }
        let loss = position.mean_loss();
        let best = valid
            .as_ref()
            .is_some_and(|scores| position.improve(scores.main(), loss));
        let report = DenseEpoch {
            epoch: position.epoch,
            loss,
            valid,
            best,
        };
        observer
            .epoch(&report, network)
            .map_err(FitError::Observer)?;
        position.end_epoch();
        self.keep(trainer, position).map_err(FitError::from)
    }

    fn keep<B: AutodiffBackend, N: Trainable<B>>(
        &self,
        trainer: &Trainer<B, N>,
        position: &Position,
    ) -> Result<(), TrainingStateError> {
        let path: Option<&Path> = self.state.as_deref();
        path.map_or(Ok(()), |path| trainer.save_state(path, position))
    }
}
