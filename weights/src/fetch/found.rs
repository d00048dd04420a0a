//! A file of weights and its origin.

use std::fmt;
use std::path::PathBuf;

/// A file of weights. It is verified if its SHA-256 is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The path of the file.
    pub path: PathBuf,
    /// The cache that has the file.
    pub origin: Origin,
    /// The SHA-256 of its content, 64 hexadecimal digits.
    pub sha256: String,
}

/// The origin of a file of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// Our cache.
    Cache,
    /// PyTorch's cache.
    Torch,
    /// The cache of huggingface_hub.
    HuggingFace,
    /// Downloaded. The file is now in our cache.
    Downloaded,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cache => "cache",
            Self::Torch => "PyTorch's cache",
            Self::HuggingFace => "Hugging Face's cache",
            Self::Downloaded => "download",
        })
    }
}
