//! Builds the parts of a run from a config.

use resnet_core::{NormMode, ResNetConfig, StemKind};
use resnet_data::{Augment, Crop, DataLoader, Dataset, Mix};
use resnet_image::Preprocessing;
use resnet_weights::{OptionError, Overrides};

use super::{AugmentConfig, Config, CropConfig, TrainConfigError};
use crate::{Fit, LayerGroup, Loss, LossKind, ParamGroups, Settings};

/// The image side in pixels if neither config nor preprocessing has one.
const DEFAULT_SIDE: u32 = 224;

impl Config {
    /// Returns the network options in [`set`](Self::set).
    ///
    /// # Errors
    ///
    /// Returns an error if an entry is not a network option.
    pub fn overrides(&self) -> Result<Overrides, OptionError> {
        let mut set = self.set.iter();
        set.try_fold(Overrides::default(), |overrides, change| {
            overrides.set(change)
        })
    }

    /// Returns the preprocessing in evaluation. `own` is the preprocessing of the weights.
    pub fn preprocessing(&self, own: Preprocessing, network: &ResNetConfig) -> Preprocessing {
        let own = self.input.unwrap_or(own);
        let small = matches!(network.stem, StemKind::Conv3x3 { .. });
        let crop = own.crop.unwrap_or(if small { 32 } else { 224 });
        let ratio = match (own.resize, own.crop) {
            (Some(resize), Some(crop)) => f64::from(resize) / f64::from(crop),
            _ if small => 1.0,
            _ => 256.0 / 224.0,
        };
        let size = self.size.unwrap_or(crop);
        Preprocessing {
            resize: Some((f64::from(size) * ratio).round() as u32),
            crop: Some(size),
            ..own
        }
    }

    /// Returns the augmentation for a network with this preprocessing.
    pub(super) fn augment(&self, preprocessing: &Preprocessing) -> Augment {
        let AugmentConfig {
            crop,
            flip,
            policy,
            jitter,
            erase,
            ..
        } = self.augment;
        let size = self
            .train_size
            .or(preprocessing.crop)
            .unwrap_or(DEFAULT_SIDE);
        let crop = match crop {
            CropConfig::RandomResized { scale } => Crop::RandomResized {
                size,
                scale,
                filter: preprocessing.filter,
            },
            CropConfig::Padded { padding } => Crop::Padded { size, padding },
            CropConfig::Evaluation => Crop::Preprocessing,
        };
        Augment {
            crop,
            flip,
            policy,
            jitter,
            erase,
        }
    }

    /// Returns the side of the training images in pixels, for a network with this preprocessing.
    pub fn training_side(&self, preprocessing: &Preprocessing) -> u32 {
        let evaluation = preprocessing.crop.unwrap_or(DEFAULT_SIDE);
        match self.augment.crop {
            CropConfig::Evaluation => evaluation,
            _ => self.train_size.unwrap_or(evaluation),
        }
    }

    pub(super) fn mix(&self) -> Mix {
        Mix {
            mixup: self.augment.mixup,
            cutmix: self.augment.cutmix,
        }
    }

    /// Returns the loss for a training set. The default is the binary cross-entropy if images have
    /// several labels, else the cross-entropy.
    pub fn loss(&self, train: &Dataset) -> Loss {
        let usual = match train.is_multi_label() {
            true => LossKind::BinaryCrossEntropy,
            false => LossKind::CrossEntropy,
        };
        Loss {
            kind: self.loss.unwrap_or(usual),
            smoothing: self.smoothing,
            class_weights: self.class_weights.then(|| train.class_weights()),
            ..Loss::default()
        }
    }

    /// Returns the settings of a [`Trainer`](crate::Trainer) for a training set.
    pub fn settings(&self, train: &Dataset) -> Settings {
        Settings {
            optimizer: self.optimizer,
            groups: self.groups,
            loss: self.loss(train),
            norms: self.norms,
            clip: self.clip,
            ema: self.ema,
        }
    }

    /// Creates the [`Fit`] for a training set and a validation set.
    ///
    /// # Errors
    ///
    /// Returns an error if the training set is empty, if a value is out of range, or if class
    /// weights are set for a loss other than the cross-entropy.
    pub fn fit(
        &self,
        [train, valid]: [Dataset; 2],
        preprocessing: Preprocessing,
    ) -> Result<Fit, TrainConfigError> {
        self.validate()?;
        if train.is_empty() {
            return Err(TrainConfigError::NoImages);
        }
        if self.class_weights && self.loss(&train).kind != LossKind::CrossEntropy {
            return Err(TrainConfigError::ClassWeights);
        }
        let train = DataLoader::new(train, preprocessing)
            .with_batch_size(self.batch_size)
            .training(self.augment(&preprocessing))?
            .with_seed(self.seed)
            .with_mix(self.mix())?
            .with_sampling(self.sampling);
        let epoch = train.len() as u64;
        Ok(Fit {
            schedule: self.schedule.over(epoch, self.epochs),
            train,
            valid: Some(DataLoader::new(valid, preprocessing).with_batch_size(self.batch_size)),
            learning_rate: self.learning_rate,
            epochs: self.epochs,
            accumulate: self.accumulate,
            state: None,
            save_every: None,
            seed: self.seed,
        })
    }

    /// Returns the config of the phase that trains only the classifier, if there is one. Its norm
    /// layers are frozen.
    pub fn head_phase(&self) -> Option<Self> {
        let head = self.head?;
        Some(Self {
            head: None,
            epochs: head.epochs,
            learning_rate: head.learning_rate,
            norms: NormMode::Frozen,
            ema: None,
            groups: ParamGroups {
                freeze_to: LayerGroup::Head,
                ..self.groups
            },
            ..self.clone()
        })
    }
}
