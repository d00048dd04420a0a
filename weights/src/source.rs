//! From a name, a file, a folder or bytes to a network with all that goes with it.

mod error;
mod resolve;
mod resolved;

use std::path::{Path, PathBuf};

use resnet_core::{ResNetConfig, StemKind};
use resnet_image::Preprocessing;

pub use self::error::SourceError;
pub use self::resolved::Resolved;
use crate::{Fetch, Overrides, Weights};

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

    /// A checkpoint, or a folder with one: see [`Checkpoint::open`](crate::Checkpoint::open).
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

    /// Chooses one of several networks in the file: see [`Checkpoint::with_state`](crate::Checkpoint::with_state).
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

    /// Returns whether the weights are looked for in the caches of this machine and on the network.
    ///
    /// # Errors
    ///
    /// If no set of weights has the name.
    pub fn is_fetched(&self) -> Result<bool, SourceError> {
        let published = self.published()?;
        Ok(self.given().is_none() && published.is_some_and(|weights| !weights.is_embedded()))
    }
}

impl From<&Path> for ModelSource {
    fn from(path: &Path) -> Self {
        Self::file(path)
    }
}
