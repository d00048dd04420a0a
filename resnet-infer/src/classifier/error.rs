//! Errors of building a classifier and of classifying images.

use std::path::{Path, PathBuf};

use resnet_core::{ByteSize, ConfigError, UnsupportedFloat};
use resnet_engine::RunError;
use resnet_image::{
    BatchError, ChannelMismatch, Channels, DecodeError, OpenError, PreprocessingError,
    TransformError,
};
use resnet_weights::{LabelsError, SourceError};

/// An error of building a classifier.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The model source cannot be loaded.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The device does not support the float type.
    #[error(transparent)]
    Float(#[from] UnsupportedFloat),
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

/// An error of converting an image to the input of the network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// The file cannot be read or decoded.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The encoded bytes cannot be decoded.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The number of raw bytes does not match the size.
    #[error("expected {expected} bytes for {width}x{height} RGB pixels, found {found}")]
    Bytes {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Expected number of bytes, 3 per pixel.
        expected: u64,
        /// Number of bytes found.
        found: usize,
    },
    /// The samples of a `DynamicImage` are not integers.
    #[error("expected 8 or 16 bits per channel, found {found:?}; convert the image to RGB first")]
    Samples {
        /// Color type of the image.
        found: image::ColorType,
    },
    /// The channels of the image differ from the preprocessing.
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
        /// Width in pixels, after resize and crop.
        width: u32,
        /// Height in pixels, after resize and crop.
        height: u32,
        /// Estimated bytes of the feature maps.
        needed: u64,
        /// The memory limit in bytes.
        limit: u64,
    },
}

/// An error of classifying one of several images.
#[derive(Debug, thiserror::Error)]
#[error("image {index}{}", in_parentheses(.path.as_deref()))]
#[non_exhaustive]
pub struct ClassifyError {
    /// Position of the image in the input, from 0.
    pub index: usize,
    /// Path of the image, if it is a file.
    pub path: Option<PathBuf>,
    /// The cause.
    pub source: ImageFailure,
}

/// The cause of a [`ClassifyError`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageFailure {
    /// The image cannot be converted to the input of the network.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The prepared images do not form a batch.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The preprocessing has another number of channels than the network.
    #[error(transparent)]
    Mismatch(#[from] ChannelMismatch),
    /// The network cannot process the batch.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The output of the network contains infinities or NaN.
    #[error(
        "the network's output holds infinities or NaN: its weights are damaged or of another network"
    )]
    NonFinite,
}

fn in_parentheses(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| format!(" (`{}`)", path.display()))
}
