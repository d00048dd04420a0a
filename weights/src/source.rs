//! From a name, a file, a folder or bytes to a network with all that goes with it.

mod resolved;

use std::path::{Path, PathBuf};

use resnet_core::{ConfigError, ResNetConfig, StemKind, UnknownArch};
use resnet_image::Preprocessing;

pub use self::resolved::Resolved;
use crate::{
    Checkpoint, Fetch, FetchError, InferError, Labels, LabelsError, LoadError, OptionError,
    Overrides, ReadError, UnknownWeights, Weights,
};

/// Where a network comes from. All commands, [`pretrained`](crate::pretrained) and `Classifier` resolve their networks
/// here.
///
/// ```
/// use burn::backend::Flex;
/// use resnet_weights::ModelSource;
///
/// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/embedded/cifar_resnet20.resnet_zoo_c10.safetensors");
/// let resolved = ModelSource::file(file).resolve()?;
/// assert_eq!(resolved.name, "cifar_resnet20");
/// assert_eq!(resolved.labels.get(3), "cat");
/// let (model, report) = resolved.load::<Flex>(&Default::default())?;
/// assert_eq!((model.config().num_classes, report.loaded), (10, 97));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ModelSource {
    origin: Origin,
    file: Option<PathBuf>,
    arch: Option<String>,
    state: Option<String>,
    overrides: Overrides,
    classes: Classes,
    fetch: Option<Fetch>,
}

#[derive(Clone, Debug)]
enum Origin {
    Name(String),
    Weights(Box<Weights>),
    File(PathBuf),
    Bytes { name: String, bytes: Vec<u8> },
}

/// How many classes a named architecture has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Classes {
    /// Those of its name: 1000, or 10 for CIFAR.
    #[default]
    FromArch,
    /// Those of the checkpoint.
    FromFile,
}

/// Why a source gives no network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// No set of weights has this name.
    #[error(transparent)]
    Name(#[from] UnknownWeights),
    /// No architecture has this name.
    #[error(transparent)]
    Arch(#[from] UnknownArch),
    /// The file is not on this machine and cannot be downloaded.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file does not tell its network.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// An option of the network cannot be set.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The options make no network.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The labels of the file are not those of the network.
    #[error(transparent)]
    Labels(#[from] LabelsError),
    /// The file does not fit the network.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// What is known of a network before its weights are there.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Described {
    /// Id of the weights, name of the architecture, or name of the file.
    pub name: String,
    /// Options of the network.
    pub config: ResNetConfig,
    /// What is done to an image before the network.
    pub preprocessing: Preprocessing,
    /// The row of the catalogue, for published weights.
    pub weights: Option<Weights>,
}

/// Returns the preprocessing that a network of this kind was most likely trained with: that of the CIFAR papers for a 3x3
/// stem, torchvision's for any other.
pub fn default_preprocessing(config: &ResNetConfig) -> Preprocessing {
    match config.stem {
        StemKind::Conv3x3 { .. } => Preprocessing::cifar(),
        _ => Preprocessing::imagenet(),
    }
}

impl ModelSource {
    fn new(origin: Origin) -> Self {
        Self {
            origin,
            file: None,
            arch: None,
            state: None,
            overrides: Overrides::default(),
            classes: Classes::default(),
            fetch: None,
        }
    }

    /// Published weights by name: see [`Weights::named`]. Downloaded where this machine does not have them.
    pub fn named(name: impl Into<String>) -> Self {
        Self::new(Origin::Name(name.into()))
    }

    /// A row of the catalogue, or a set of your own.
    pub fn weights(weights: Weights) -> Self {
        Self::new(Origin::Weights(Box::new(weights)))
    }

    /// A checkpoint, or a folder with one: see [`Checkpoint::open`].
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::new(Origin::File(path.into()))
    }

    /// A checkpoint in memory, with its name in messages.
    pub fn bytes(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        let name = name.into();
        Self::new(Origin::Bytes { name, bytes })
    }

    /// Takes this file in place of the download of published weights. Its hash is not checked.
    pub fn with_file(self, file: impl Into<PathBuf>) -> Self {
        let file = Some(file.into());
        Self { file, ..self }
    }

    /// Names the architecture of a file or of bytes, which is told from their keys otherwise.
    pub fn with_arch(self, arch: impl Into<String>) -> Self {
        let arch = Some(arch.into());
        Self { arch, ..self }
    }

    /// Chooses one of several networks in the file: see [`Checkpoint::with_state`].
    pub fn with_state(self, state: impl Into<String>) -> Self {
        let state = Some(state.into());
        Self { state, ..self }
    }

    /// Sets options that keys do not tell.
    pub fn with_overrides(self, overrides: Overrides) -> Self {
        Self { overrides, ..self }
    }

    /// Says where the number of classes of a named architecture comes from.
    pub fn with_classes(self, classes: Classes) -> Self {
        Self { classes, ..self }
    }

    /// Downloads with other settings than those of the environment.
    pub fn with_fetch(self, fetch: Fetch) -> Self {
        let fetch = Some(fetch);
        Self { fetch, ..self }
    }

    /// Describes the network without its weights: nothing is downloaded. A file is opened.
    ///
    /// # Errors
    ///
    /// If a name is unknown, or the file cannot be read or does not tell its network.
    pub fn describe(&self) -> Result<Described, SourceError> {
        match self.published()? {
            Some(weights) => Ok(Described {
                name: weights.id.clone(),
                config: self.overrides.apply(weights.config())?,
                preprocessing: weights.preprocessing,
                weights: Some(weights),
            }),
            None => {
                let resolved = self.clone().resolve()?;
                Ok(Described {
                    name: resolved.name,
                    config: resolved.config,
                    preprocessing: resolved.preprocessing,
                    weights: None,
                })
            }
        }
    }

    /// Finds the weights and opens them, and settles the network: that of the name, the one that
    /// [`with_arch`](Self::with_arch) names, or the one that the file tells.
    ///
    /// # Errors
    ///
    /// If a name is unknown, the file cannot be found, downloaded or read, or it does not tell its network.
    pub fn resolve(self) -> Result<Resolved, SourceError> {
        match self.published()? {
            Some(weights) => self.resolve_published(weights),
            None => self.resolve_file(),
        }
    }

    /// The row of the catalogue, if it is known which one.
    fn published(&self) -> Result<Option<Weights>, SourceError> {
        Ok(match &self.origin {
            Origin::Name(name) => Some(Weights::named(name)?.clone()),
            Origin::Weights(weights) => Some((**weights).clone()),
            Origin::File(path) if self.arch.is_none() => Weights::of_file(path).cloned(),
            Origin::File(_) | Origin::Bytes { .. } => None,
        })
    }

    fn resolve_published(self, weights: Weights) -> Result<Resolved, SourceError> {
        let (checkpoint, file, mut notes) = self.open_published(&weights)?;
        notes.extend(checkpoint.notes());
        let config = with_classes(weights.config(), &checkpoint, self.classes);
        let config = self.overrides.apply(config)?;
        Ok(Resolved {
            name: weights.id.clone(),
            labels: match (config.num_classes, checkpoint.labels()) {
                (classes, _) if classes == weights.classes => weights.labels(),
                (classes, Some(labels)) if labels.len() == classes => labels.clone(),
                (classes, _) => Labels::numbered(classes),
            },
            config,
            preprocessing: weights.preprocessing,
            activation: checkpoint.output_activation().unwrap_or_default(),
            weights: Some(weights),
            file,
            checkpoint,
            overrides: self.overrides,
            notes,
        })
    }

    /// The file that is given in place of a download.
    fn given(&self) -> Option<&PathBuf> {
        match &self.origin {
            Origin::File(path) => Some(path),
            _ => self.file.as_ref(),
        }
    }

    /// Returns whether the weights are looked for in the caches of this machine and on the network.
    ///
    /// # Errors
    ///
    /// If no set of weights has the name.
    pub fn is_fetched(&self) -> Result<bool, SourceError> {
        let published = self.published()?;
        Ok(self.given().is_none() && published.is_some_and(|weights| !weights.is_embedded()))
    }

    /// Opens published weights: the given file, those of the program itself, of this machine, or downloaded. Tells the
    /// terms of the license before a download, else by the notes that are returned.
    fn open_published(
        &self,
        weights: &Weights,
    ) -> Result<(Checkpoint, Option<PathBuf>, Vec<String>), SourceError> {
        let restriction = weights.restriction();
        if let Some(path) = self.given() {
            let checkpoint = self.enter(Checkpoint::open(path)?)?;
            let notes = restriction.into_iter().collect();
            return Ok((checkpoint, Some(path.clone()), notes));
        }
        if let Some(checkpoint) = weights.open_embedded()? {
            return Ok((self.enter(checkpoint)?, None, Vec::new()));
        }
        let fetch = match &self.fetch {
            Some(fetch) => fetch.clone(),
            None => Fetch::from_env()?,
        };
        if let Some(restriction) = restriction {
            fetch.note(&restriction);
        }
        let path = fetch.fetch(weights)?.path;
        Ok((
            self.enter(Checkpoint::open(&path)?)?,
            Some(path),
            Vec::new(),
        ))
    }

    fn enter(&self, checkpoint: Checkpoint) -> Result<Checkpoint, ReadError> {
        match &self.state {
            Some(state) => checkpoint.with_state(state),
            None => Ok(checkpoint),
        }
    }

    /// A checkpoint by itself.
    fn resolve_file(mut self) -> Result<Resolved, SourceError> {
        let (opened, file) = match &mut self.origin {
            Origin::Bytes { name, bytes } => {
                let bytes = std::mem::take(bytes);
                (Checkpoint::from_bytes(&*name, bytes)?, None)
            }
            Origin::File(path) => (Checkpoint::open(&*path)?, Some(path.clone())),
            Origin::Name(_) | Origin::Weights(_) => unreachable!("resolved as published weights"),
        };
        let checkpoint = self.enter(opened)?;
        let (config, named, mut notes) = self.told(&checkpoint)?;
        let name = named.clone().unwrap_or_else(|| checkpoint.name().into());
        let labels = match checkpoint.labels() {
            Some(labels) if config.num_classes > 0 => labels.clone(),
            _ => Labels::of_network(named.as_deref(), config.num_classes),
        };
        notes.splice(..0, checkpoint.notes());
        Ok(Resolved {
            name,
            preprocessing: checkpoint
                .preprocessing()
                .unwrap_or_else(|| default_preprocessing(&config)),
            labels,
            activation: checkpoint.output_activation().unwrap_or_default(),
            weights: None,
            file,
            config,
            checkpoint,
            overrides: self.overrides,
            notes,
        })
    }

    /// The network of a file and its name, if it has one, with notes on what is assumed.
    fn told(
        &self,
        checkpoint: &Checkpoint,
    ) -> Result<(ResNetConfig, Option<String>, Vec<String>), SourceError> {
        if let Some(name) = &self.arch {
            let config = with_classes(ResNetConfig::named(name)?, checkpoint, self.classes);
            return Ok((
                self.overrides.apply(config)?,
                Some(name.clone()),
                Vec::new(),
            ));
        }
        let inferred = checkpoint.infer_with(&self.overrides)?;
        let note = inferred.note(&format!("the network of `{}`", checkpoint.name()));
        Ok((inferred.config, inferred.name, note.into_iter().collect()))
    }
}

/// The config with the classes and channels of the file, where those are asked for.
fn with_classes(config: ResNetConfig, checkpoint: &Checkpoint, classes: Classes) -> ResNetConfig {
    match (checkpoint.infer(), classes) {
        (Ok(inferred), Classes::FromFile) => config
            .with_num_classes(inferred.config.num_classes)
            .with_in_channels(inferred.config.in_channels),
        _ => config,
    }
}

impl From<&Path> for ModelSource {
    fn from(path: &Path) -> Self {
        Self::file(path)
    }
}
