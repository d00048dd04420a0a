//! Why a source gives no network.

use resnet_core::{ConfigError, UnknownArch};

use crate::{
    FetchError, InferError, LabelsError, LoadError, OptionError, ReadError, UnknownWeights,
};

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
