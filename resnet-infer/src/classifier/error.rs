//! Why a classifier could not be made, and why an image could not be classified.

use std::path::{Path, PathBuf};

use resnet_core::{ByteSize, ConfigError};
use resnet_image::{
    BatchError, ChannelMismatch, Channels, DecodeError, OpenError, PreprocessingError,
    TransformError,
};
use resnet_weights::{LabelsError, SourceError};

/// Why a classifier could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The source gives no network.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The network has no classifier.
    #[error(
        "the network has no classifier: expected 1 class or more, found 0; use a checkpoint with `fc.weight`"
    )]
    NoClasses,
    /// The network and its preprocessing have different channels.
    #[error(transparent)]
    Channels(#[from] ChannelMismatch),
    /// The number of labels differs from the number of classes.
    #[error(transparent)]
    Labels(#[from] LabelsError),
    /// The preprocessing has invalid values.
    #[error("preprocessing")]
    Preprocessing(#[from] PreprocessingError),
}

/// Why an image cannot become the network's input.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// The file cannot be read or decoded.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The encoded bytes are no image.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The number of raw bytes does not match the size.
    #[error("expected {expected} bytes for {width}x{height} RGB pixels, found {found}")]
    Bytes {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Bytes of so many pixels, 3 for each.
        expected: u64,
        /// Bytes found.
        found: usize,
    },
    /// The samples of a `DynamicImage` are not integers.
    #[error("expected 8 or 16 bits per channel, found {found:?}; convert the image to RGB first")]
    Samples {
        /// Format of the image.
        found: image::ColorType,
    },
    /// The image has other channels than the preprocessing.
    #[error(
        "expected {expected} pixels, found {found}; open images with `open_as`, or convert them"
    )]
    Channels {
        /// Channels of the preprocessing.
        expected: Channels,
        /// Channels of the image.
        found: Channels,
    },
    /// The image cannot be resized or cropped.
    #[error(transparent)]
    Transform(#[from] TransformError),
    /// The image is too small for the network.
    #[error(transparent)]
    Size(#[from] ConfigError),
    /// The feature maps of the network would take too much memory.
    #[error(
        "{width}x{height} pixels after resize and crop take about {} in the network, expected at most {}; crop or \
         resize to less (`Preprocessing::crop`), or raise `Classifier::with_memory_limit`",
        ByteSize(*.needed), ByteSize(*.limit)
    )]
    TooLarge {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Estimated bytes of the feature maps.
        needed: u64,
        /// The memory limit in bytes.
        limit: u64,
    },
}

/// Why one image of several could not be classified.
#[derive(Debug, thiserror::Error)]
#[error("image {index}{}", in_parentheses(.path.as_deref()))]
#[non_exhaustive]
pub struct ClassifyError {
    /// Position of the image in the input, from 0.
    pub index: usize,
    /// The file, if the image is one.
    pub path: Option<PathBuf>,
    /// What is wrong with it.
    pub source: ImageFailure,
}

/// What is wrong with an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageFailure {
    /// The image cannot become the network's input.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The prepared images do not make a batch.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The network's output is not finite.
    #[error(
        "the network's output holds infinities or NaN: its weights are damaged or of another network"
    )]
    NonFinite,
}

fn in_parentheses(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| format!(" (`{}`)", path.display()))
}
