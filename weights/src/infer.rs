//! From keys and shapes to the network that has them.

use std::collections::BTreeMap;

use resnet_core::{Arch, ConfigError, ResNetConfig, StemPool};

use crate::layout::Head;
use crate::{Checkpoint, OptionError, Overrides};

mod assume;
mod names;
mod shapes;

pub use assume::Assumption;
use names::{names, with_its_name};
use shapes::Shapes;

/// The network that a checkpoint is of.
#[derive(Clone, Debug, PartialEq)]
pub struct Inferred {
    /// Its options, with the classes and input channels of the file.
    pub config: ResNetConfig,
    /// Its name, if it has one: `resnet50`, `cifar_resnet8_b`.
    pub name: Option<String>,
    /// Other named networks with the same keys and shapes, which only their author can tell apart:
    /// those that differ by anti-aliasing.
    pub alternatives: Vec<Arch>,
    /// What the keys do not tell and is assumed.
    pub assumptions: Vec<Assumption>,
}

/// Why no network can be told from a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InferError {
    /// The keys are those of no network.
    #[error("`{file}`: not a residual network of this zoo: {cause}; name the architecture")]
    Unknown {
        /// The file.
        file: String,
        /// What a residual network would have.
        cause: String,
    },
    /// The file holds several networks.
    #[error("`{file}`: holds the networks {states}; choose one with `ModelSource::with_state`")]
    Several {
        /// The file.
        file: String,
        /// The paths of their state dicts.
        states: String,
    },
    /// The keys have several readings with different numbers, and none is customary.
    #[error("`{file}`: {cause}; {advice}")]
    Ambiguous {
        /// The file.
        file: String,
        /// What is open.
        cause: String,
        /// The options that settle it.
        advice: String,
    },
    /// An option cannot be set.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The options that are set make no network.
    #[error("`{file}`: its options make no network")]
    Config {
        /// The file.
        file: String,
        /// What is wrong.
        source: ConfigError,
    },
}

impl Inferred {
    /// Says in one line which of the assumptions users should check, if any. `file` stands for a
    /// network without a name.
    pub fn note(&self, file: &str) -> Option<String> {
        assume::note(self.name.as_deref().unwrap_or(file), &self.assumptions)
    }
}

impl Checkpoint {
    /// Tells the network from the keys and shapes of the file.
    ///
    /// An ONNX graph shows all of it, and a file of [`Save`](crate::Save) holds its config. The keys of other files do
    /// not show everything: [`Inferred::assumptions`] lists what is assumed.
    ///
    /// # Errors
    ///
    /// If the keys are not those of a residual network, or have several readings.
    ///
    /// ```
    /// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/embedded/cifar_resnet20.resnet_zoo_c10.safetensors");
    /// let inferred = resnet_weights::Checkpoint::open(file)?.infer()?;
    /// assert_eq!(inferred.name.as_deref(), Some("cifar_resnet20"));
    /// assert_eq!(inferred.config.num_classes, 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn infer(&self) -> Result<Inferred, InferError> {
        self.infer_with(&Overrides::default())
    }

    /// Tells the network as [`infer`](Self::infer) does, with the options that the user knows.
    ///
    /// # Errors
    ///
    /// As [`infer`](Self::infer), and if an option has no such value.
    pub fn infer_with(&self, overrides: &Overrides) -> Result<Inferred, InferError> {
        let file = || self.name().to_string();
        if self.is_ambiguous() {
            let states: Vec<String> = self.states().map(|state| format!("`{state}`")).collect();
            return Err(InferError::Several {
                file: file(),
                states: states.join(", "),
            });
        }
        let overrides = self.metadata().options.clone().and(overrides);
        let mut inferred = match self.config() {
            Some(config) => self.described(config.clone())?,
            None => self.told_from_keys(&overrides)?,
        };
        inferred.config = overrides.apply(inferred.config)?;
        if !overrides.is_empty() {
            let validated = inferred.config.validate();
            validated.map_err(|source| InferError::Config {
                file: file(),
                source,
            })?;
            let named = with_its_name(&inferred.config);
            inferred.name = named.name;
            let open = |arch: &Arch| {
                !overrides.has("anti_alias") && Some(arch.name()) != inferred.name.as_deref()
            };
            inferred.alternatives.retain(open);
            let settled = |assumption: &Assumption| overrides.has(assumption.option);
            inferred
                .assumptions
                .retain(|assumption| !settled(assumption));
        }
        Ok(inferred)
    }

    /// The head of several layers that the file has in place of a classifier: the name of its part.
    pub fn layered_head(&self) -> Option<&str> {
        match self.head() {
            Head::Layers { name } => Some(name),
            Head::None | Head::Linear => None,
        }
    }

    fn told_from_keys(&self, overrides: &Overrides) -> Result<Inferred, InferError> {
        let shapes = Shapes(
            self.by_key()
                .map(|(key, entry)| (key, entry.shape()))
                .collect(),
        );
        let unknown = |cause| InferError::Unknown {
            file: self.name().to_string(),
            cause,
        };
        let mut config = shapes.config().map_err(unknown)?;
        if config.stem_pool == StemPool::Max && self.stem_pool() == Some(false) {
            config.stem_pool = StemPool::None;
        }
        let norm = match overrides.norm()? {
            Some(norm) => norm,
            None => {
                assume::norm(&shapes, &config).map_err(|(cause, advice)| InferError::Ambiguous {
                    file: self.name().to_string(),
                    cause,
                    advice: advice.to_string(),
                })?
            }
        };
        let config = config.with_norm(norm);
        let valid = config.validate();
        valid.map_err(|cause| unknown(cause.to_string()))?;
        let (name, alternatives) = names(&config);
        let assumptions = assume::all(self, &config, name.as_deref(), &alternatives);
        Ok(Inferred {
            config,
            name,
            alternatives,
            assumptions,
        })
    }

    /// The network that a file describes itself, which leaves nothing to guess. Its head and its input may have been
    /// replaced since.
    fn described(&self, config: ResNetConfig) -> Result<Inferred, InferError> {
        let shapes: BTreeMap<&str, &[usize]> = self
            .by_key()
            .map(|(key, entry)| (key, entry.shape()))
            .collect();
        let extent = |key, axis: usize| shapes.get(key).and_then(|shape| shape.get(axis).copied());
        let in_channels = extent("conv1.weight", 1).or_else(|| extent("conv1.0.weight", 1));
        let in_channels = in_channels.unwrap_or(config.in_channels);
        let config = config
            .with_num_classes(extent("fc.weight", 0).unwrap_or(0))
            .with_in_channels(in_channels);
        match config.validate() {
            Ok(()) => Ok(with_its_name(&config)),
            Err(cause) => Err(InferError::Unknown {
                file: self.name().to_string(),
                cause: cause.to_string(),
            }),
        }
    }
}
