//! Errors of loading a network from a source.

use resnet_core::{ConfigError, UnknownArch};

use crate::{
    FetchError, InferError, LabelsError, LoadError, OptionError, ReadError, UnknownWeights,
};

/// The error for a source that cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// No weights have this name.
    #[error(transparent)]
    Name(#[from] UnknownWeights),
    /// The source is no classifier, but a detector or segmentation network.
    #[error("`{name}`: expected a classifier, found {found}")]
    Dense {
        /// The name of the weights or the file.
        name: String,
        /// The kind of network, and the type that loads it.
        found: &'static str,
    },
    /// No architecture has this name.
    #[error(transparent)]
    Arch(#[from] UnknownArch),
    /// The file is not on this machine and cannot be downloaded.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The network cannot be inferred from the file.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// An option of the network cannot be set.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The options do not give a valid network.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The labels of the file do not fit the network.
    #[error(transparent)]
    Labels(#[from] LabelsError),
    /// The file does not fit the network.
    #[error(transparent)]
    Load(#[from] LoadError),
}
