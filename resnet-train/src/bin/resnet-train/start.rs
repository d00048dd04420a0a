//! Turns the flags into datasets, a network and a config.

use std::path::Path;

use anyhow::{Context, Result, bail};
use burn::tensor::backend::AutodiffBackend;
use resnet_cli::MemoryFlags;
use resnet_core::{ResNet, ResNetConfig};
use resnet_data::{DataOptions, Dataset, SplitOptions};
use resnet_image::Preprocessing;
use resnet_train::{Config, Head};
use resnet_weights::{
    Labels, ModelSource, OutputActivation, Resolved, Weights, default_preprocessing,
};

use crate::cli::{Data, OptimizationFlags};

impl Data {
    /// Opens the training set and the validation set.
    pub(crate) fn open(&self, split: f64, seed: u64) -> Result<[Dataset; 2]> {
        let options = DataOptions {
            split: SplitOptions { share: split, seed },
            ..self.flags.options()
        };
        let [train, valid] = options.open(&self.data)?;
        resnet_cli::tell(&[&train, &valid]);
        let train = match self.images_per_class {
            Some(count) => train.take_per_class(count),
            None => train,
        };
        Ok([train, valid])
    }
}

impl OptimizationFlags {
    /// Returns the recipe, with the given flags applied. `usual` is the command's default recipe.
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
        config.accumulate = self.accumulate.unwrap_or(config.accumulate);
        config.learning_rate = self.learning_rate.unwrap_or(config.learning_rate);
        config.size = self.size.or(config.size);
        config.split = self.split.unwrap_or(config.split);
        config.seed = self.seed.unwrap_or(config.seed);
        config.validate()?;
        Ok(config)
    }
}

/// Returns the source of the weights that a config names, or `None` for a network from scratch.
fn source(config: &Config) -> Result<Option<ModelSource>> {
    let source = match (&config.model, &config.weights, &config.arch) {
        (Some(model), ..) => ModelSource::named(model),
        (None, Some(file), Some(arch)) => ModelSource::file(file).with_arch(arch),
        (None, Some(file), None) => ModelSource::file(file),
        (None, None, _) => return Ok(None),
    };
    let source = source.with_overrides(config.overrides()?);
    Ok(Some(match &config.state {
        Some(state) => source.with_state(state),
        None => source,
    }))
}

/// The source of a network's initial values.
enum Values {
    /// Random initialization.
    Random,
    /// Published weights, not downloaded yet.
    Published(ModelSource),
    /// An open checkpoint, which gave the architecture.
    Open(Box<Resolved>),
}

/// The network that a config names, before published weights are downloaded.
struct Named {
    name: String,
    origin: String,
    network: ResNetConfig,
    /// The preprocessing of the weights, or the network's default.
    preprocessing: Preprocessing,
    values: Values,
}

impl Named {
    fn new(config: &Config) -> Result<Self> {
        let Some(source) = source(config)? else {
            let Some(name) = &config.arch else {
                bail!("expected a network, found none: use --arch, --model, --weights or --recipe")
            };
            let network = config.overrides()?.apply(ResNetConfig::named(name)?)?;
            return Ok(Self {
                name: name.clone(),
                origin: "scratch".into(),
                preprocessing: default_preprocessing(&network),
                network,
                values: Values::Random,
            });
        };
        let published = match (&config.model, &config.weights, &config.arch) {
            (None, Some(file), None) => Weights::of_file(file).is_some(),
            (None, Some(_), Some(_)) => false,
            _ => true,
        };
        match published {
            true => Self::published(source, config),
            false => Self::of_file(source, config),
        }
    }

    /// Describes published weights without downloading them: the memory check comes first.
    fn published(source: ModelSource, config: &Config) -> Result<Self> {
        let described = source.describe()?;
        let origin = match (&described.weights, &config.weights) {
            (_, Some(file)) => format!("`{}`", file.display()),
            (Some(weights), _) => format!("`{}`, {}", weights.id, weights.origin),
            (None, None) => described.name.clone(),
        };
        Ok(Self {
            name: match &described.weights {
                Some(weights) => weights.arch.name().to_string(),
                None => described.name,
            },
            origin,
            network: described.config,
            preprocessing: described.preprocessing,
            values: Values::Published(source),
        })
    }

    fn of_file(source: ModelSource, config: &Config) -> Result<Self> {
        let resolved = source.resolve()?;
        let file = config.weights.as_ref().map(|file| file.display());
        Ok(Self {
            name: resolved.name.clone(),
            origin: file.map_or_else(|| resolved.name.clone(), |file| format!("`{file}`")),
            network: resolved.config.clone(),
            preprocessing: resolved.preprocessing,
            values: Values::Open(Box::new(resolved)),
        })
    }
}

/// Returns the preprocessing of a config without downloading its weights. A config without a
/// network gets ImageNet's preprocessing.
pub(crate) fn preprocessing(config: &Config) -> Result<Preprocessing> {
    let (preprocessing, network) = match (&config.model, &config.weights, &config.arch) {
        (None, None, None) => (Preprocessing::imagenet(), ResNetConfig::named("resnet50")?),
        _ => {
            let named = Named::new(config)?;
            (named.preprocessing, named.network)
        }
    };
    Ok(config.preprocessing(preprocessing, &network))
}

/// The start of a run: the network, its preprocessing and the source of its initial values.
pub(crate) struct Start {
    /// The name of the network.
    pub(crate) name: String,
    /// The origin of its initial values, for display.
    pub(crate) origin: String,
    /// The network config, with the number of classes of the dataset.
    pub(crate) network: ResNetConfig,
    /// The preprocessing in evaluation.
    pub(crate) preprocessing: Preprocessing,
    resolved: Option<Resolved>,
}

impl Start {
    /// Resolves the network of a config for `classes` classes, and downloads its weights if
    /// necessary.
    pub(crate) fn new(
        config: &Config,
        classes: usize,
        memory: MemoryFlags,
        offline: bool,
    ) -> Result<Self> {
        let named = Named::new(config)?;
        let mut network = named.network.with_num_classes(classes);
        network.drop_path = config.drop_path;
        network.validate()?;
        let preprocessing = config.preprocessing(named.preprocessing, &network);
        preprocessing.check_channels(network.in_channels)?;
        let source = match &config.weights {
            Some(file) => file.display().to_string(),
            None => named.name.clone(),
        };
        let batch = config.batch_size.div_ceil(config.accumulate.max(1));
        for side in [preprocessing.crop, config.train_size]
            .into_iter()
            .flatten()
        {
            network.check_input([side as usize; 2])?;
            memory.check(&source, &network, batch, [side as usize; 2], "--size")?;
        }
        let resolved = match named.values {
            Values::Random => None,
            Values::Published(source) => Some(resnet_cli::resolve(resnet_cli::with_fetch(
                source, offline,
            )?)?),
            Values::Open(resolved) => {
                resolved
                    .notes
                    .iter()
                    .for_each(|text| resnet_cli::note(text));
                Some(*resolved)
            }
        };
        Ok(Self {
            name: named.name,
            origin: named.origin,
            network,
            preprocessing,
            resolved,
        })
    }

    /// Prints a note if the initial weights have another output activation than the trained
    /// network.
    pub(crate) fn note_activation(&self, trained: OutputActivation) {
        let own = self
            .resolved
            .as_ref()
            .and_then(|resolved| resolved.checkpoint.output_activation());
        if let Some(own) = own.filter(|own| *own != trained) {
            resnet_cli::note(&format!(
                "the initial weights have the output activation {own}; trained on these images, the network has {trained}"
            ));
        }
    }

    /// Creates the network and loads its initial values. The classifier is re-initialized if the
    /// number of classes differs.
    pub(crate) fn load<B: AutodiffBackend>(
        &self,
        seed: u64,
        device: &B::Device,
    ) -> Result<ResNet<B>> {
        B::seed(device, seed);
        let model = self.network.init::<B>(device);
        let Some(resolved) = &self.resolved else {
            return Ok(model);
        };
        let load = resolved.strictness().allow_other_classes();
        let (model, report) = load
            .apply(model, &resolved.checkpoint)
            .map_err(resnet_cli::load_error)
            .context("initial weights")?;
        if !report.fresh.is_empty() {
            resnet_cli::note(&format!(
                "randomly initialized: {}",
                report.fresh.join(", ")
            ));
        }
        resnet_cli::tell_report(&report);
        Ok(model)
    }
}

/// Returns the output activation of a network that is trained on the dataset.
pub(crate) fn activation(data: &Dataset) -> OutputActivation {
    match data.is_multi_label() {
        true => OutputActivation::Sigmoid,
        false => OutputActivation::Softmax,
    }
}

/// Returns the class names as labels.
pub(crate) fn labels(data: &Dataset) -> Labels {
    data.classes().iter().cloned().collect()
}
