//! From the flags to a network with its weights.

use crate::default_recipe;
use anyhow::{Context, Result};
use burn::tensor::backend::Backend;
use resnet_core::{ResNet, ResNetConfig};
use resnet_image::Recipe;
use resnet_weights::{Checkpoint, Labels, Load, Weights};

use super::download;
use super::flags::Network;
use super::messages::note;

/// A network that is known but not built yet.
#[derive(Debug)]
pub struct Resolved {
    /// Its name, or the name of its file.
    pub name: String,
    /// What it is made of.
    pub config: ResNetConfig,
    /// How it wants its images.
    pub recipe: Recipe,
    /// The names of its classes.
    pub labels: Labels,
    /// Its weights.
    pub checkpoint: Checkpoint,
}

/// How many classes a named architecture has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Classes {
    /// Those of its name: 1000, or 10 for CIFAR.
    OfTheName,
    /// Those of the checkpoint.
    OfTheFile,
}

impl Network {
    /// Finds and opens the checkpoint, and settles the architecture: that of `--model`, the one named by `--arch`, or
    /// the one the file is of.
    ///
    /// # Errors
    ///
    /// If a name is unknown, or the file cannot be had or is of no known network.
    pub fn resolve(&self, classes: Classes, offline: bool) -> Result<Resolved> {
        let Some(model) = &self.model else {
            let file = self.weights.as_deref();
            let checkpoint = Checkpoint::open(file.context("expected --model or --weights")?)?;
            return of_file(checkpoint, self.arch.as_deref(), classes);
        };
        let weights = Weights::named(model)?;
        if let Some(restriction) = weights.restriction() {
            note(&restriction);
        }
        let checkpoint = match &self.weights {
            Some(file) => Checkpoint::open(file)?,
            None => open(weights, offline)?,
        };
        let config = with_classes(weights.config(), &checkpoint, classes);
        Ok(Resolved {
            name: weights.id.clone(),
            labels: match config.num_classes {
                classes if classes == weights.classes => weights.labels(),
                classes => Labels::for_classes(classes),
            },
            config,
            recipe: weights.recipe,
            checkpoint,
        })
    }
}

/// Published weights: those of the program itself, of this machine, or downloaded.
///
/// # Errors
///
/// If they cannot be had or read.
pub fn open(weights: &Weights, offline: bool) -> Result<Checkpoint> {
    match weights.open_embedded()? {
        Some(checkpoint) => Ok(checkpoint),
        None => Ok(Checkpoint::open(
            download::fetch(offline)?.fetch(weights)?.path,
        )?),
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
        recipe: checkpoint
            .recipe()
            .unwrap_or_else(|| default_recipe(&config)),
        labels: labels(&checkpoint, config.num_classes)?,
        config,
        checkpoint,
    })
}

fn labels(checkpoint: &Checkpoint, classes: usize) -> Result<Labels> {
    match checkpoint.labels() {
        Some(labels) => {
            let origin = format!("`{}`: the `resnet_labels` in its header", checkpoint.name());
            Ok(labels.clone().check(classes, &origin)?)
        }
        None => Ok(Labels::for_classes(classes)),
    }
}

/// The network that the file is of, by its keys.
///
/// # Errors
///
/// If its keys are those of no network.
pub fn guess(checkpoint: &Checkpoint) -> Result<(String, ResNetConfig)> {
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
        note(&format!(
            "taken for {name}; if it is one of {others}, say so with --arch"
        ));
    }
    Ok((name, inferred.config))
}

/// The config with the classes and channels of the file, where those are asked for.
pub fn with_classes(
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
    /// The network with its weights.
    ///
    /// # Errors
    ///
    /// If the config is invalid or the weights are of another network.
    pub fn load<B: Backend>(&self, device: &B::Device) -> Result<ResNet<B>> {
        self.config.validate()?;
        let (model, _) = Load::default().apply(self.config.init(device), &self.checkpoint)?;
        Ok(model)
    }
}
