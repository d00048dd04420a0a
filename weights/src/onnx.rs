//! Opens ONNX files as checkpoints, with `resnet-onnx`.

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

/// The network and the tensors of an ONNX file.
pub(crate) struct Opened {
    pub(crate) config: ResNetConfig,
    pub(crate) entries: Vec<Entry>,
    pub(crate) tensors: Tensors,
}
