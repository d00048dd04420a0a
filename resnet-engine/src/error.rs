//! The errors of this crate.

use alloc::string::String;

use resnet_core::ConfigError;

/// The error for a network that cannot be compiled. `E` is the error of the state dict.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError<E> {
    /// The config is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The state dict has no values for a key.
    #[error("`{key}`: {source}")]
    StateDict {
        /// The key.
        key: String,
        /// The error of the state dict.
        source: E,
    },
    /// A tensor has a wrong number of values.
    #[error("`{key}`: expected {expected} values, found {found}")]
    Length {
        /// The key.
        key: String,
        /// The number of values that the network needs.
        expected: usize,
        /// The number of values of the state dict.
        found: usize,
    },
    /// A quantized network lacks the scale of an activation.
    #[error("expected the scale and the zero point of `{name}`, found none")]
    NoScale {
        /// The name of the activation.
        name: String,
    },
    /// A scale is not a positive number.
    #[error("`{name}`: expected positive, finite scales, found {found}")]
    Scale {
        /// The name of the activation or layer.
        name: String,
        /// The scale.
        found: f32,
    },
    /// A tensor of a quantized network has infinities, NaN or negative variances, which rounding would
    /// hide.
    #[error("`{key}`: expected finite values and no negative variances, found others")]
    NotFinite {
        /// The key.
        key: String,
    },
    /// The weights do not fit into memory.
    #[error("expected a network that fits into memory, found a layer `{key}` that does not")]
    Memory {
        /// The key of the layer.
        key: String,
    },
}

/// The error for an input that a network cannot process.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The batch is empty.
    #[error("expected at least one image, found none")]
    Empty,
    /// The images have a wrong number of channels.
    #[error("expected images with {expected} channels, found {found}")]
    Channels {
        /// The channels of the network.
        expected: usize,
        /// The channels of the images.
        found: usize,
    },
    /// The number of values does not fit the sizes.
    #[error("expected {expected} values for these sizes, found {found}")]
    Length {
        /// The number of values that the sizes need.
        expected: usize,
        /// The number of values given.
        found: usize,
    },
    /// The network does not accept the size.
    #[error(transparent)]
    Size(#[from] ConfigError),
    /// The feature maps do not fit into memory.
    #[error(
        "expected images whose feature maps fit into memory, found {batch} of {height}x{width} pixels; use smaller batches or images"
    )]
    Memory {
        /// Number of images.
        batch: usize,
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
    },
    /// An activation is not finite.
    #[error("expected finite activations, found an infinity or a NaN in `{name}`")]
    NotFinite {
        /// The name of the activation.
        name: String,
    },
    /// The network has no classifier, but logits are requested.
    #[error("expected a network with a classifier, found one of 0 classes; request the embedding")]
    NoClassifier,
    /// The network has fewer stages than the requested feature map.
    #[error("expected a feature map from c1 to c{last}, found c{requested}")]
    NoStage {
        /// The number of the last feature map.
        last: usize,
        /// The number of the requested feature map.
        requested: usize,
    },
}

/// The error for a tensor that a quantized network lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a tensor, found none")]
#[non_exhaustive]
pub struct MissingTensor;
