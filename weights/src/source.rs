//! Resolves a name, a file, a folder or bytes to a network with its preprocessing and labels.

mod error;
mod resolve;
mod resolved;

use std::path::{Path, PathBuf};

use resnet_core::{ResNetConfig, StemKind};
use resnet_image::Preprocessing;

pub use self::error::SourceError;
pub use self::resolved::Resolved;
use crate::{Fetch, Overrides, Weights};

/// The source of a network: a name, a file, a folder or bytes. All commands,
/// [`pretrained`](crate::pretrained) and `Classifier` load their networks through it.
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
    pub(crate) origin: Origin,
    file: Option<PathBuf>,
    pub(crate) arch: Option<String>,
    state: Option<String>,
    pub(crate) overrides: Overrides,
    classes: Classes,
    pub(crate) fetch: Option<Fetch>,
}

#[derive(Clone, Debug)]
pub(crate) enum Origin {
    Name(String),
    Weights(Box<Weights>),
    File(PathBuf),
    Bytes { name: String, bytes: Vec<u8> },
}

/// The source of the number of classes of a named architecture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Classes {
    /// The default of the architecture: 1000, or 10 for CIFAR networks.
    #[default]
    FromArch,
    /// The checkpoint.
    FromFile,
}

/// The properties of a network that are known without its weights.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Described {
    /// The id of the weights, or the name of the architecture or file.
    pub name: String,
    /// The options of the network.
    pub config: ResNetConfig,
    /// The preprocessing of input images.
    pub preprocessing: Preprocessing,
    /// The row of the catalog, for published weights.
    pub weights: Option<Weights>,
}

/// Returns the usual preprocessing for this kind of network: the CIFAR papers' preprocessing for a
/// 3x3 stem, torchvision's for any other stem.
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

    /// Creates a source for published weights by name; see [`Weights::named`]. They are downloaded
    /// if they are not on this machine.
    pub fn named(name: impl Into<String>) -> Self {
        Self::new(Origin::Name(name.into()))
    }

    /// Creates a source for a row of the catalog, or for your own [`Weights`].
    pub fn weights(weights: Weights) -> Self {
        Self::new(Origin::Weights(Box::new(weights)))
    }

    /// Creates a source for a checkpoint, or a folder that contains one; see
    /// [`Checkpoint::open`](crate::Checkpoint::open).
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::new(Origin::File(path.into()))
    }

    /// Creates a source for a checkpoint in memory. Messages refer to it by `name`.
    pub fn bytes(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        let name = name.into();
        Self::new(Origin::Bytes { name, bytes })
    }

    /// Loads published weights from this file instead of downloading them. Its hash is not checked.
    pub fn with_file(self, file: impl Into<PathBuf>) -> Self {
        let file = Some(file.into());
        Self { file, ..self }
    }

    /// Sets the architecture of a file or of bytes. By default it is inferred from the keys.
    pub fn with_arch(self, arch: impl Into<String>) -> Self {
        let arch = Some(arch.into());
        Self { arch, ..self }
    }

    /// Chooses one of several networks in the file; see
    /// [`Checkpoint::with_state`](crate::Checkpoint::with_state).
    pub fn with_state(self, state: impl Into<String>) -> Self {
        let state = Some(state.into());
        Self { state, ..self }
    }

    /// Sets options that the keys do not show.
    pub fn with_overrides(self, overrides: Overrides) -> Self {
        Self { overrides, ..self }
    }

    /// Sets the source of the number of classes of a named architecture.
    pub fn with_classes(self, classes: Classes) -> Self {
        Self { classes, ..self }
    }

    /// Replaces the fetch settings of the environment variables.
    pub fn with_fetch(self, fetch: Fetch) -> Self {
        let fetch = Some(fetch);
        Self { fetch, ..self }
    }

    /// Describes the network without loading its weights. Opens a file, but downloads nothing.
    ///
    /// # Errors
    ///
    /// Returns an error if a name is unknown, if the file cannot be read, or if its network cannot
    /// be inferred.
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

    /// Finds and opens the weights, and determines the network: by the name, by
    /// [`with_arch`](Self::with_arch), or from the file.
    ///
    /// # Errors
    ///
    /// Returns an error if a name is unknown, if the file cannot be found, downloaded or read, or
    /// if its network cannot be inferred.
    pub fn resolve(self) -> Result<Resolved, SourceError> {
        match self.published()? {
            Some(weights) => self.resolve_published(weights),
            None => self.resolve_file(),
        }
    }

    /// Returns whether [`resolve`](Self::resolve) searches caches and the network for the weights.
    ///
    /// # Errors
    ///
    /// Returns an error if no weights have the name.
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
