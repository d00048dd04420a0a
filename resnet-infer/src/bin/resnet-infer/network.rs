//! From the flags to a network with its weights.

use anyhow::Result;
use burn::tensor::backend::Backend;
use resnet_core::{ResNet, ResNetConfig};
use resnet_weights::{Checkpoint, Load};

use crate::cli::Network;
use crate::output;

/// A network that is known but not built yet.
pub(crate) struct Resolved {
    /// Its name, or the name of its file.
    pub(crate) name: String,
    pub(crate) config: ResNetConfig,
    pub(crate) checkpoint: Checkpoint,
}

/// How many classes a named architecture has.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Classes {
    /// Those of its name: 1000, or 10 for CIFAR.
    OfTheName,
    /// Those of the checkpoint.
    OfTheFile,
}

impl Network {
    /// Opens the checkpoint and settles the architecture: the named one, or the one the file is of.
    pub(crate) fn resolve(&self, classes: Classes) -> Result<Resolved> {
        let named = self.arch.as_deref().map(ResNetConfig::named).transpose()?;
        let checkpoint = Checkpoint::open(&self.weights)?;
        let inferred = checkpoint.infer();
        let (Some(config), Some(name)) = (named, &self.arch) else {
            let inferred = inferred?;
            let name = inferred
                .name
                .unwrap_or_else(|| checkpoint.name().to_string());
            if !inferred.alternatives.is_empty() {
                let others: Vec<_> = inferred
                    .alternatives
                    .iter()
                    .map(|arch| arch.name())
                    .collect();
                let others = others.join(", ");
                output::note(&format!(
                    "taken for {name}; if it is one of {others}, say so with --arch"
                ));
            }
            return Ok(Resolved {
                name,
                config: inferred.config,
                checkpoint,
            });
        };
        let config = match (inferred, classes) {
            (Ok(inferred), Classes::OfTheFile) => config
                .with_num_classes(inferred.config.num_classes)
                .with_in_channels(inferred.config.in_channels),
            _ => config,
        };
        Ok(Resolved {
            name: name.clone(),
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
