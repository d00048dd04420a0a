//! Builds the parts of a run that trains a detector or a segmentation network.

use burn::tensor::backend::AutodiffBackend;
use resnet_core::{NormKind, ResNetConfig};
use resnet_dense::{DenseArch, DenseConfig};
use resnet_image::Preprocessing;

use super::{Config, TrainConfigError};
use crate::dense::{DenseFit, DenseTask};
use crate::{Decay, Loss, Settings};

impl Config {
    /// Returns the network that [`arch`](Self::arch), [`body`](Self::body) and [`set`](Self::set)
    /// name, without the changes that the number of classes needs.
    ///
    /// # Errors
    ///
    /// Returns an error if a name is unknown or an option is invalid.
    pub fn dense_network(&self) -> Result<DenseConfig, TrainConfigError> {
        let name = self.arch.as_deref().unwrap_or_default();
        let arch: DenseArch = name.parse()?;
        let mut network = arch.config();
        // As in torchvision, detectors freeze their norms only with pretrained weights, and `_v2`
        // never does.
        let freezes = network.body().norm == NormKind::Frozen;
        if let Some(body) = &self.body {
            let old = network.body().clone();
            let mut body = ResNetConfig::named(body)?;
            body = body.with_num_classes(0);
            body.output_stride = old.output_stride;
            *network.body_mut() = body;
        }
        let norm = &mut network.body_mut().norm;
        *norm = match (*norm, freezes && self.backbone.is_some()) {
            (NormKind::Batch, true) => NormKind::Frozen,
            (NormKind::Frozen, false) => NormKind::Batch,
            (norm, _) => norm,
        };
        Ok(self.overrides()?.apply_dense(network)?)
    }

    /// Returns the settings of a [`Trainer`](crate::Trainer) for a detector or segmentation network.
    pub fn dense_settings(&self) -> Settings {
        Settings {
            optimizer: self.optimizer,
            groups: self.groups,
            loss: Loss::default(),
            norms: self.norms,
            clip: self.clip,
            ema: self.ema,
        }
    }

    /// Returns the preprocessing of a segmentation network: the shorter side in evaluation is
    /// [`size`](Self::size), or else 520 pixels.
    pub fn segmentation_preprocessing(&self) -> Preprocessing {
        let own = self.input.unwrap_or_else(Preprocessing::imagenet);
        Preprocessing {
            resize: self
                .size
                .or(self.input.and_then(|own| own.resize))
                .or(Some(520)),
            crop: None,
            ..own
        }
    }

    /// Creates the training loop of a task.
    ///
    /// # Errors
    ///
    /// Returns an error if the training set is empty, a value is out of range, or the learning rate
    /// depends on the validation loss, which these tasks do not have.
    pub fn dense_fit<B: AutodiffBackend, T: DenseTask<B>>(
        &self,
        task: T,
    ) -> Result<DenseFit<T>, TrainConfigError> {
        self.validate()?;
        let [images, _, batches] = task.counts();
        if images == 0 {
            return Err(TrainConfigError::NoImages);
        }
        if let Decay::Plateau { .. } = self.schedule.decay {
            return Err(TrainConfigError::Plateau);
        }
        Ok(DenseFit {
            task,
            schedule: self.schedule.over(batches as u64, self.epochs),
            learning_rate: self.learning_rate,
            epochs: self.epochs,
            state: None,
            save_every: None,
            seed: self.seed,
        })
    }
}
