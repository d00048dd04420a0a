//! From the flags to a network with its weights.

use anyhow::{Context, Result};
use burn::tensor::backend::Backend;
use resnet_core::{ResNet, ResNetConfig};
use resnet_image::Recipe;
use resnet_infer::default_recipe;
use resnet_weights::{Checkpoint, Load, Weights};

use crate::cli::Network;
use crate::{download, output};

/// A network that is known but not built yet.
pub(crate) struct Resolved {
    /// Its name, or the name of its file.
    pub(crate) name: String,
    pub(crate) config: ResNetConfig,
    /// How it wants its images.
    pub(crate) recipe: Recipe,
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
    /// Finds and opens the checkpoint, and settles the architecture: that of `--model`, the one named by `--arch`, or
    /// the one the file is of.
    pub(crate) fn resolve(&self, classes: Classes, offline: bool) -> Result<Resolved> {
        let Some(model) = &self.model else {
            let file = self.weights.as_deref();
            let checkpoint = Checkpoint::open(file.context("expected --model or --weights")?)?;
            return of_file(checkpoint, self.arch.as_deref(), classes);
        };
        let weights = Weights::named(model)?;
        if let Some(restriction) = weights.restriction() {
            output::note(&restriction);
        }
        let file = match &self.weights {
            Some(file) => file.clone(),
            None => download::fetch(offline)?.fetch(weights)?.path,
        };
        let checkpoint = Checkpoint::open(file)?;
        Ok(Resolved {
            name: weights.id.clone(),
            config: with_classes(weights.config(), &checkpoint, classes),
            recipe: weights.recipe,
            checkpoint,
        })
    }
}

/// A checkpoint by itself.
fn of_file(checkpoint: Checkpoint, arch: Option<&str>, classes: Classes) -> Result<Resolved> {
    let (name, config) = match arch {
        Some(name) => {
            let config = with_classes(ResNetConfig::named(name)?, &checkpoint, classes);
            (name.to_string(), config)
        }
        None => guess(&checkpoint)?,
    };
    Ok(Resolved {
        name,
        recipe: default_recipe(&config),
        config,
        checkpoint,
    })
}

/// The network that the file is of, by its keys.
pub(crate) fn guess(checkpoint: &Checkpoint) -> Result<(String, ResNetConfig)> {
    let inferred = checkpoint.infer()?;
    let name = inferred
        .name
        .unwrap_or_else(|| checkpoint.name().to_string());
    let others: Vec<_> = inferred
        .alternatives
        .iter()
        .map(|arch| arch.name())
        .collect();
    if !others.is_empty() {
        let others = others.join(", ");
        output::note(&format!(
            "taken for {name}; if it is one of {others}, say so with --arch"
        ));
    }
    Ok((name, inferred.config))
}

pub(crate) fn with_classes(
    config: ResNetConfig,
    checkpoint: &Checkpoint,
    classes: Classes,
) -> ResNetConfig {
    match (checkpoint.infer(), classes) {
        (Ok(inferred), Classes::OfTheFile) => config
            .with_num_classes(inferred.config.num_classes)
            .with_in_channels(inferred.config.in_channels),
        _ => config,
    }
}

impl Resolved {
    pub(crate) fn load<B: Backend>(&self, device: &B::Device) -> Result<ResNet<B>> {
        self.config.validate()?;
        let (model, _) = Load::default().apply(self.config.init(device), &self.checkpoint)?;
        Ok(model)
    }
}
