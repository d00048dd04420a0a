//! Infers the network of a checkpoint from keys and shapes.

use std::collections::BTreeMap;

use resnet_core::{Arch, ConfigError, NormKind, ResNetConfig, StemPool};

use crate::layout::Head;
use crate::{Checkpoint, OptionError, Overrides};

mod assume;
mod names;
mod shapes;

pub use assume::Assumption;
use names::{names, with_its_name};
use shapes::Shapes;

/// The network that a checkpoint belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Inferred {
    /// The options of the network, with the number of classes and input channels of the file.
    pub config: ResNetConfig,
    /// The name of the network, if it has one: `resnet50`, `cifar_resnet8_b`.
    pub name: Option<String>,
    /// Other named networks with the same keys and shapes. They differ in anti-aliasing, which keys
    /// do not show.
    pub alternatives: Vec<Arch>,
    /// Options that the keys do not show, with the assumed values.
    pub assumptions: Vec<Assumption>,
}

/// The error for a checkpoint whose network cannot be inferred.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InferError {
    /// The keys do not belong to a residual network.
    #[error("`{file}`: not a residual network of this zoo: {cause}; name the architecture")]
    Unknown {
        /// The file.
        file: String,
        /// The mismatch with a residual network.
        cause: String,
    },
    /// The file contains several networks.
    #[error("`{file}`: holds the networks {states}; choose one with `ModelSource::with_state`")]
    Several {
        /// The file.
        file: String,
        /// The paths of their state dicts.
        states: String,
    },
    /// The keys fit several networks that compute different results, and no choice is customary.
    #[error("`{file}`: {cause}; {advice}")]
    Ambiguous {
        /// The file.
        file: String,
        /// The undetermined property.
        cause: String,
        /// The options that determine it.
        advice: String,
    },
    /// An option cannot be set.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The options do not give a valid network.
    #[error("`{file}`: its options make no network")]
    Config {
        /// The file.
        file: String,
        /// The invalid option.
        source: ConfigError,
    },
}

impl Inferred {
    /// Returns a one-line note on the assumptions that users should check, if any. `file` replaces
    /// the name of a network without a name.
    pub fn note(&self, file: &str) -> Option<String> {
        assume::note(self.name.as_deref().unwrap_or(file), &self.assumptions)
    }
}

impl Checkpoint {
    /// Infers the network from the keys and shapes of the file.
    ///
    /// An ONNX graph determines all options, and a file of [`Save`](crate::Save) contains the
    /// config. The keys of other files do not show every option; [`Inferred::assumptions`] lists
    /// the assumed ones.
    ///
    /// # Errors
    ///
    /// Returns an error if the keys do not belong to a residual network, or fit several networks.
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

    /// Infers the network like [`infer`](Self::infer), with options that you know.
    ///
    /// # Errors
    ///
    /// Returns an error under the same conditions as [`infer`](Self::infer), and if an option has
    /// an invalid value.
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
            None => self.infer_from_keys(&overrides)?,
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

    /// Returns the name of a head with several layers that the file has instead of a linear
    /// classifier.
    pub fn layered_head(&self) -> Option<&str> {
        match self.head() {
            Head::Layers { name } => Some(name),
            Head::None | Head::Linear => None,
        }
    }

    fn infer_from_keys(&self, overrides: &Overrides) -> Result<Inferred, InferError> {
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
            // Batch norms were folded into the convolutions.
            None if self.is_quantized() => NormKind::Batch,
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

    /// Returns the network from the config in the file, without assumptions. Classifier and input
    /// channels come from the shapes, because they may have been replaced later.
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
