//! Epochs of training, with validation and saved states between them.

mod epoch;
mod error;

use std::path::{Path, PathBuf};

use burn::tensor::backend::AutodiffBackend;
use resnet_core::{NormMode, ResNetConfig};
use resnet_data::DataLoader;

use crate::least::{last_map, least_images};
use crate::{Decay, Ending, Observer, Peers, Position, Schedule, Trainer, TrainingStateError};

pub use error::FitError;

/// What a run goes through.
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
    /// Micro-batches that a batch is run in, for less memory (gradient accumulation): loss and gradient are those of the whole
    /// batch. There are fewer parts where batch norm would see a single value per channel.
    pub accumulate: usize,
    /// The file of the state, written after each epoch, every [`save_every`](Self::save_every) steps and when stopped.
    pub state: Option<PathBuf>,
    /// Steps between saved states within an epoch.
    pub save_every: Option<u64>,
    /// The seed of dropped paths and values. It is the backend's, so two runs in one program disturb each other's.
    pub seed: u64,
}

impl Fit {
    /// Makes a run of so many epochs without validation, whose learning rate falls from 0.1 along a cosine.
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
    /// If the loss is not finite, images do not make a batch, or the training state cannot be written.
    ///
    /// # Panics
    ///
    /// If the network has not one class for each of the dataset, or the [`Loss`](crate::Loss) not one class weight for each.
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
    /// All of them must start alike. Where one is gone, the state of the last step that all took is written.
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

    fn keep<B: AutodiffBackend>(
        &self,
        trainer: &Trainer<B>,
        position: &Position,
    ) -> Result<(), TrainingStateError> {
        let path: Option<&Path> = self.state.as_deref();
        path.map_or(Ok(()), |path| trainer.save_state(path, position))
    }
}
