//! ONNX files: from a graph to the network it computes.
//!
//! The file is read with onnx-ir's types of the format. Its typed graph is not used: it renames the nodes, joins names
//! that differ in case or punctuation, takes a missing epsilon for 0 and panics on graphs that break the specification.

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
