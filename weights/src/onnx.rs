//! ONNX files as checkpoints, by `resnet-onnx`.

#[cfg(not(feature = "onnx"))]
mod disabled;
#[cfg(feature = "onnx")]
mod enabled;

#[cfg(not(feature = "onnx"))]
pub(crate) use disabled::{Tensors, open};
#[cfg(feature = "onnx")]
pub(crate) use enabled::{Tensors, open};

use resnet_core::ResNetConfig;

use crate::Entry;

/// An ONNX file as a network and its tensors.
pub(crate) struct Opened {
    pub(crate) config: ResNetConfig,
    pub(crate) entries: Vec<Entry>,
    pub(crate) tensors: Tensors,
}
