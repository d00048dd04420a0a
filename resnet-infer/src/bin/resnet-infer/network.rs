//! From the flags to a network with its weights.

use anyhow::Result;
use burn::tensor::backend::Backend;
use resnet_core::{ResNet, ResNetConfig};
use resnet_weights::{Checkpoint, Load};

use crate::cli::Network;

/// A network that is known but not built yet.
pub(crate) struct Resolved {
    /// Its name, or the name of its file.
    pub(crate) name: String,
    pub(crate) config: ResNetConfig,
    pub(crate) checkpoint: Checkpoint,
}

impl Network {
    /// Opens the checkpoint and settles the architecture: the named one with the classes and
    /// channels of the file, or the one the file is of.
    pub(crate) fn resolve(&self) -> Result<Resolved> {
        let config = self.arch.as_deref().map(ResNetConfig::named).transpose()?;
        let checkpoint = Checkpoint::open(&self.weights)?;
        let (name, config) = match (config, checkpoint.infer()) {
            (None, inferred) => {
                let inferred = inferred?;
                let name = inferred
                    .name
                    .unwrap_or_else(|| checkpoint.name().to_string());
                (name, inferred.config)
            }
            (Some(config), inferred) => {
                let config = match inferred {
                    Ok(inferred) => config
                        .with_num_classes(inferred.config.num_classes)
                        .with_in_channels(inferred.config.in_channels),
                    Err(_) => config,
                };
                (self.arch.clone().unwrap_or_default(), config)
            }
        };
        Ok(Resolved {
            name,
            config,
            checkpoint,
        })
    }
}

impl Resolved {
    pub(crate) fn load<B: Backend>(&self, device: &B::Device) -> Result<ResNet<B>> {
        self.config.validate()?;
        let (model, _) = Load::default().apply(self.config.init(device), &self.checkpoint)?;
        Ok(model)
    }
}
