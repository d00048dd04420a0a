//! The training loop: epochs, validation and training states.

mod epoch;
mod error;

use std::path::{Path, PathBuf};

use burn::tensor::backend::AutodiffBackend;
use resnet_core::{NormMode, ResNetConfig};
use resnet_data::DataLoader;

use crate::least::{last_map, least_images};
use crate::{Decay, Ending, Observer, Peers, Position, Schedule, Trainer, TrainingStateError};

pub use error::FitError;

/// A training loop over several epochs.
///
/// ```
/// use burn::backend::Autodiff;
/// use resnet_core::{ResNet, ResNetConfig};
/// use resnet_cpu::Cpu;
/// use resnet_data::{Augment, DataLoader, Dataset};
/// use resnet_image::Preprocessing;
/// use resnet_train::{Fit, OptimizerConfig, Position, Settings, Trainer};
///
/// let device = Default::default();
/// let train = DataLoader::new(Dataset::shapes(24), Preprocessing::cifar())
///     .with_batch_size(8)
///     .training(Augment::cifar())?;
/// let config = ResNetConfig::named("cifar_resnet8_b")?.with_num_classes(6);
/// let model: ResNet<Autodiff<Cpu>> = config.init(&device);
/// let mut trainer = Trainer::new(model, Settings::new(OptimizerConfig::sgd(5e-4)));
/// let fit = Fit { learning_rate: 0.05, ..Fit::new(train, 1) };
/// fit.run(&mut trainer, &mut Position::default(), &device, &mut ())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fit {
    /// The training set.
    pub train: DataLoader,
    /// The validation set.
    pub valid: Option<DataLoader>,
    /// The learning rate schedule.
    pub schedule: Schedule,
    /// The peak learning rate.
    pub learning_rate: f64,
    /// The number of epochs.
    pub epochs: u64,
    /// Micro-batches per batch, to save memory (gradient accumulation). Loss and gradients equal
    /// those of the whole batch. There are fewer micro-batches if batch norm would see a single
    /// value per channel.
    pub accumulate: usize,
    /// The training state file. It is written after each epoch, every
    /// [`save_every`](Self::save_every) steps and when the run is stopped.
    pub state: Option<PathBuf>,
    /// Steps between training states within an epoch.
    pub save_every: Option<u64>,
    /// The random seed of drop path and dropout. It seeds the whole backend, so two runs in one
    /// process affect each other.
    pub seed: u64,
}

impl Fit {
    /// Creates a training loop without validation. The learning rate starts at 0.1 and follows a
    /// cosine decay.
    pub fn new(train: DataLoader, epochs: u64) -> Self {
        let epoch = train.len() as u64;
        Self {
            train,
            valid: None,
            schedule: Schedule {
                decay: Decay::Cosine,
                warmup: 0,
                warmup_start: 0.0,
                end: 0.0,
                epoch,
                total: epoch.saturating_mul(epochs),
            },
            learning_rate: 0.1,
            epochs,
            accumulate: 1,
            state: None,
            save_every: None,
            seed: 1,
        }
    }

    /// Checks that the batches are large enough for the norm layers of a network, for images of
    /// `height` by `width` pixels.
    ///
    /// # Errors
    ///
    /// Returns an error if a norm layer would see a single value per channel, which has no
    /// variance. PyTorch raises an error as well.
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

    /// Trains from `position` to the last epoch. The same position, trainer and seed give the same
    /// steps, so a resumed run ends like an uninterrupted one.
    ///
    /// # Errors
    ///
    /// Returns an error if the loss is not finite, if the images cannot be batched, if the training
    /// state cannot be written, or if the observer returns an error.
    ///
    /// # Panics
    ///
    /// Panics if the network, the dataset and the class weights of the [`Loss`](crate::Loss) differ
    /// in the number of classes.
    pub fn run<B: AutodiffBackend>(
        &self,
        trainer: &mut Trainer<B>,
        position: &mut Position,
        device: &B::Device,
        observer: &mut impl Observer<B::InnerBackend>,
    ) -> Result<Ending, FitError> {
        self.run_among(None, trainer, position, device, observer)
    }

    /// Trains like [`run`](Self::run), together with other processes. Each process has its
    /// [share](DataLoader::with_share) of the batches.
    ///
    /// All processes must start with the same trainer and position. If a connection fails, the
    /// training state of the last common step is written.
    ///
    /// # Errors
    ///
    /// Returns an error like [`run`](Self::run), or if the connection to a process fails.
    ///
    /// # Panics
    ///
    /// Panics like [`run`](Self::run).
    pub fn run_among<B: AutodiffBackend>(
        &self,
        mut peers: Option<&mut Peers>,
        trainer: &mut Trainer<B>,
        position: &mut Position,
        device: &B::Device,
        observer: &mut impl Observer<B::InnerBackend>,
    ) -> Result<Ending, FitError> {
        self.facts().check(position).map_err(FitError::Position)?;
        self.facts().claim(position);
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

    fn keep<B: AutodiffBackend>(
        &self,
        trainer: &Trainer<B>,
        position: &Position,
    ) -> Result<(), TrainingStateError> {
        let path: Option<&Path> = self.state.as_deref();
        path.map_or(Ok(()), |path| trainer.save_state(path, position))
    }
}
