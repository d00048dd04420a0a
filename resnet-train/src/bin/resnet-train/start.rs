//! From the flags to images, a network and the numbers of a run.

use std::path::Path;

use anyhow::{Context, Result, bail};
use burn::tensor::backend::AutodiffBackend;
use resnet_core::{ResNet, ResNetConfig};
use resnet_data::Dataset;
use resnet_image::Recipe;
use resnet_infer::command::{self, Memory};
use resnet_infer::{check_channels, default_recipe};
use resnet_train::{Config, Head};
use resnet_weights::{Checkpoint, Labels, Load, OutputActivation, Weights};

use crate::cli::{Data, Numbers};

impl Data {
    /// The images to train from and to validate with.
    pub(crate) fn open(&self, split: f64, seed: u64) -> Result<[Dataset; 2]> {
        let [train, valid] = self.flags.options().open(&self.data, split, seed)?;
        command::tell(&[&train, &valid]);
        let train = match self.images_per_class {
            Some(count) => train.take_per_class(count),
            None => train,
        };
        Ok([train, valid])
    }
}

impl Numbers {
    /// The recipe with the flags that were given.
    pub(crate) fn config(&self, data: &Path, usual: Option<&str>) -> Result<Config> {
        let shapes = data == Path::new("shapes");
        let mut config = match (&self.recipe, usual) {
            (Some(name), _) => Config::open(name)?,
            (None, Some(name)) => Config::open(name)?,
            (None, None) if shapes => Config::open("shapes")?,
            (None, None) => Config::default(),
        };
        if self.arch.is_some() || self.model.is_some() || self.weights.is_some() {
            config.arch.clone_from(&self.arch);
            config.model.clone_from(&self.model);
            config.weights.clone_from(&self.weights);
        }
        config.state = self.options.state.clone().or(config.state);
        config.set.extend(self.options.changes());
        if let Some(epochs) = self.head_epochs {
            let learning_rate = config
                .head
                .map_or(config.learning_rate, |head| head.learning_rate);
            config.head = (epochs > 0).then_some(Head {
                epochs,
                learning_rate,
            });
        }
        if let Some(part) = self.freeze_to {
            config.groups.freeze_to = part;
        }
        config.class_weights |= self.class_weights;
        config.epochs = self.epochs.unwrap_or(config.epochs);
        config.batch_size = self.batch_size.unwrap_or(config.batch_size);
        config.parts = self.parts.unwrap_or(config.parts);
        config.learning_rate = self.learning_rate.unwrap_or(config.learning_rate);
        config.size = self.size.or(config.size);
        config.split = self.split.unwrap_or(config.split);
        config.seed = self.seed.unwrap_or(config.seed);
        config.validate()?;
        Ok(config)
    }
}

/// A network that a config names, before its weights are had.
struct Named {
    name: String,
    origin: String,
    network: ResNetConfig,
    /// Its own preprocessing.
    recipe: Recipe,
    values: Values,
}

/// Where the values of a network are.
enum Values {
    Fresh,
    File(Checkpoint),
    Published(&'static Weights),
}

/// Enters the network of a file that a config names.
fn enter(config: &Config, checkpoint: Checkpoint) -> Result<Checkpoint> {
    Ok(match &config.state {
        Some(state) => checkpoint.with_state(state)?,
        None => checkpoint,
    })
}

impl Named {
    fn new(config: &Config) -> Result<Self> {
        let overrides = config.overrides()?;
        if let Some(model) = &config.model {
            let weights = Weights::named(model)?;
            return Ok(Self {
                name: weights.arch.name().to_string(),
                origin: format!("`{}`, {}", weights.id, weights.origin),
                network: overrides.apply(weights.config())?,
                recipe: weights.recipe,
                values: Values::Published(weights),
            });
        }
        let arch = config.arch.as_ref().map(|name| -> Result<_> {
            Ok((name.clone(), overrides.apply(ResNetConfig::named(name)?)?))
        });
        let arch = arch.transpose()?;
        match (&config.weights, arch) {
            (Some(file), arch) => {
                let checkpoint = enter(config, Checkpoint::open(file)?)?;
                let (name, network) = match arch {
                    Some(arch) => arch,
                    None => {
                        let inferred = command::guess(&checkpoint, &overrides)?;
                        let name = inferred.name.unwrap_or_else(|| checkpoint.name().into());
                        (name, inferred.config)
                    }
                };
                Ok(Self {
                    name,
                    origin: format!("`{}`", file.display()),
                    recipe: checkpoint
                        .recipe()
                        .unwrap_or_else(|| default_recipe(&network)),
                    network,
                    values: Values::File(checkpoint),
                })
            }
            (None, Some((name, network))) => Ok(Self {
                name,
                origin: "nothing".into(),
                recipe: default_recipe(&network),
                network,
                values: Values::Fresh,
            }),
            (None, None) => {
                bail!("expected a network, found none: use --arch, --model, --weights or --recipe")
            }
        }
    }
}

/// What is done to an image in evaluation by a config, whose weights are not needed for it; ImageNet's where it names no
/// network.
pub(crate) fn recipe(config: &Config) -> Result<Recipe> {
    let (recipe, network) = match (&config.model, &config.weights, &config.arch) {
        (None, None, None) => (Recipe::imagenet(), ResNetConfig::named("resnet50")?),
        _ => {
            let named = Named::new(config)?;
            (named.recipe, named.network)
        }
    };
    Ok(config.recipe(recipe, &network))
}

/// What a run starts from.
pub(crate) struct Start {
    /// The name of the network.
    pub(crate) name: String,
    /// Where its values come from, in words.
    pub(crate) origin: String,
    /// The network, with the classes of the images.
    pub(crate) network: ResNetConfig,
    /// What is done to an image in evaluation.
    pub(crate) recipe: Recipe,
    checkpoint: Option<Checkpoint>,
    /// Whether options of the network were set.
    overridden: bool,
}

impl Start {
    /// Settles the network of a config, for so many classes; downloads its weights where that is needed.
    pub(crate) fn new(
        config: &Config,
        classes: usize,
        memory: Memory,
        offline: bool,
    ) -> Result<Self> {
        let named = Named::new(config)?;
        let mut network = named.network.with_num_classes(classes);
        network.drop_path = config.drop_path;
        network.validate()?;
        let recipe = config.recipe(named.recipe, &network);
        check_channels(&network, &recipe)?;
        let source = match &config.weights {
            Some(file) => file.display().to_string(),
            None => named.name.clone(),
        };
        let batch = config.batch_size.div_ceil(config.parts.max(1));
        for side in [recipe.crop, config.train_size].into_iter().flatten() {
            network.check_input([side as usize; 2])?;
            memory.check(&source, &network, batch, [side as usize; 2], "--size")?;
        }
        let checkpoint = match named.values {
            Values::Fresh => None,
            Values::File(checkpoint) => Some(checkpoint),
            Values::Published(weights) => {
                if let Some(restriction) = weights.restriction() {
                    command::note(&restriction);
                }
                Some(enter(config, command::open(weights, offline)?)?)
            }
        };
        Ok(Self {
            name: named.name,
            origin: named.origin,
            network,
            recipe,
            checkpoint,
            overridden: !config.set.is_empty(),
        })
    }

    /// Notes where the weights to start from have another output activation than the network will have.
    pub(crate) fn note_activation(&self, trained: OutputActivation) {
        let own = self
            .checkpoint
            .as_ref()
            .and_then(Checkpoint::output_activation);
        if let Some(own) = own.filter(|own| *own != trained) {
            command::note(&format!(
                "the weights to start from have the output activation {own}; trained on these images, the network has {trained}"
            ));
        }
    }

    /// The network with its values, the classifier fresh where the classes are others.
    pub(crate) fn load<B: AutodiffBackend>(
        &self,
        seed: u64,
        device: &B::Device,
    ) -> Result<ResNet<B>> {
        B::seed(device, seed);
        let model = self.network.init::<B>(device);
        let Some(checkpoint) = &self.checkpoint else {
            return Ok(model);
        };
        let mut load = Load::default().allow_other_classes();
        if self.overridden {
            load = load.allow_other_options();
        }
        let (model, report) = load
            .apply(model, checkpoint)
            .context("weights to start from")?;
        if !report.fresh.is_empty() {
            command::note(&format!("fresh: {}", report.fresh.join(", ")));
        }
        if !report.filled.is_empty() {
            command::note(&command::filled(&report.filled));
        }
        Ok(model)
    }
}

/// What turns the logits of a network into probabilities that is trained on the dataset.
pub(crate) fn activation(data: &Dataset) -> OutputActivation {
    match data.is_multi_label() {
        true => OutputActivation::Sigmoid,
        false => OutputActivation::Softmax,
    }
}

/// The names of the classes.
pub(crate) fn labels(data: &Dataset) -> Labels {
    data.classes().iter().cloned().collect()
}
