//! From the flags to a network with its weights.

use crate::default_recipe;
use anyhow::{Context, Result};
use burn::tensor::backend::Backend;
use resnet_core::{ResNet, ResNetConfig};
use resnet_image::Recipe;
use resnet_weights::{Checkpoint, Inferred, Labels, Load, OutputActivation, Overrides, Weights};

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
    /// The names of its classes, or their numbers.
    pub labels: Labels,
    /// What turns its logits into probabilities.
    pub activation: OutputActivation,
    /// Its weights.
    pub checkpoint: Checkpoint,
    /// The options that were set by flags.
    pub overrides: Overrides,
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
    /// the one the file is of. Notes tell what is assumed or left out.
    ///
    /// # Errors
    ///
    /// If a name is unknown, or the file cannot be had or is of no known network.
    pub fn resolve(&self, classes: Classes, offline: bool) -> Result<Resolved> {
        let file = self.weights.as_deref();
        let weights = match (&self.model, &self.arch) {
            (Some(model), _) => Some(Weights::named(model)?),
            (None, None) => file.and_then(Weights::of_file),
            (None, Some(_)) => None,
        };
        let Some(weights) = weights else {
            let checkpoint = self
                .options
                .open(file.context("expected --model or --weights")?)?;
            return self.of_file(checkpoint, classes);
        };
        if let Some(restriction) = weights.restriction() {
            note(&restriction);
        }
        let checkpoint = match file {
            Some(file) => self.options.open(file)?,
            None => self.options.enter(open(weights, offline)?)?,
        };
        checkpoint.notes().iter().for_each(|text| note(text));
        let config = with_classes(weights.config(), &checkpoint, classes);
        let overrides = self.options.overrides()?;
        let config = overrides.apply(config)?;
        Ok(Resolved {
            name: weights.id.clone(),
            labels: match (config.num_classes, checkpoint.labels()) {
                (classes, _) if classes == weights.classes => weights.labels(),
                (classes, Some(labels)) if labels.len() == classes => labels.clone(),
                (classes, _) => Labels::numbered(classes),
            },
            config,
            recipe: weights.recipe,
            activation: checkpoint.output_activation().unwrap_or_default(),
            checkpoint,
            overrides,
        })
    }

    /// A checkpoint by itself.
    fn of_file(&self, checkpoint: Checkpoint, classes: Classes) -> Result<Resolved> {
        let overrides = self.options.overrides()?;
        let (name, config, network) = match &self.arch {
            Some(name) => {
                checkpoint.notes().iter().for_each(|text| note(text));
                let config = with_classes(ResNetConfig::named(name)?, &checkpoint, classes);
                (
                    name.to_string(),
                    overrides.apply(config)?,
                    Some(name.clone()),
                )
            }
            None => {
                let inferred = guess(&checkpoint, &overrides)?;
                let name = inferred.name.clone();
                let shown = name.clone().unwrap_or_else(|| checkpoint.name().into());
                (shown, inferred.config, name)
            }
        };
        let labels = match checkpoint.labels() {
            Some(labels) if config.num_classes > 0 => {
                let origin = format!("`{}`: the labels of the file", checkpoint.name());
                labels.clone().check(config.num_classes, &origin)?
            }
            _ => Labels::of_network(network.as_deref(), config.num_classes),
        };
        Ok(Resolved {
            name,
            recipe: checkpoint
                .recipe()
                .unwrap_or_else(|| default_recipe(&config)),
            labels,
            activation: checkpoint.output_activation().unwrap_or_default(),
            config,
            checkpoint,
            overrides,
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

/// The network that the file is of, by its keys and the options that are set. Notes tell what is
/// assumed or left out.
///
/// # Errors
///
/// If its keys are those of no network.
pub fn guess(checkpoint: &Checkpoint, overrides: &Overrides) -> Result<Inferred> {
    let inferred = checkpoint.infer_with(overrides)?;
    checkpoint.notes().iter().for_each(|text| note(text));
    if let Some(text) = inferred.note(&format!("the network of `{}`", checkpoint.name())) {
        note(&text);
    }
    Ok(inferred)
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

/// How strictly a checkpoint is loaded: options that the user sets overrule those of the file, and
/// a network whose classes the user sets to 0 leaves out the file's classifier.
pub fn load(overrides: &Overrides) -> Load {
    let mut load = Load::default();
    if !overrides.is_empty() {
        load = load.allow_other_options();
    }
    if overrides.is_headless() {
        load = load.allow_other_classes();
    }
    load
}

/// What follows from the absence of keys.
pub fn filled(keys: &[String]) -> String {
    match keys {
        [key] => format!("the file has no `{key}`: zeros are used"),
        keys => format!(
            "the norms of the file have no parameters: weights of 1 and biases of 0 are used ({} tensors)",
            keys.len()
        ),
    }
}

impl Resolved {
    /// Explains why the network has no classifier, where the file has a head of another kind.
    pub fn head_hint(&self) -> String {
        match self.checkpoint.layered_head() {
            Some(head) => format!(
                "; the file has more than one linear layer behind its backbone, in `{head}`"
            ),
            None => "; use a checkpoint with `fc.weight`".into(),
        }
    }

    /// The network with its weights.
    ///
    /// # Errors
    ///
    /// If the config is invalid or the weights are of another network.
    pub fn load<B: Backend>(&self, device: &B::Device) -> Result<ResNet<B>> {
        self.config.validate()?;
        let (model, report) =
            load(&self.overrides).apply(self.config.init(device), &self.checkpoint)?;
        if !report.filled.is_empty() {
            note(&filled(&report.filled));
        }
        Ok(model)
    }
}
