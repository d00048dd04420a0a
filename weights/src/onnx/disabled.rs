//! The replacement without the feature `onnx`: an error that names the feature.

use std::path::Path;

use burn::tensor::TensorData;

use super::Opened;
use crate::read::Content;
use crate::{Entry, ReadError};

/// An empty type, because no file can be opened without the feature.
pub(crate) enum Tensors {}

impl Tensors {
    pub(crate) fn read(&self, _: &Entry) -> TensorData {
        match *self {}
    }
}

pub(crate) fn open(file: &str, _: Content, _: Option<&Path>) -> Result<Opened, ReadError> {
    Err(ReadError::FeatureOff {
        file: file.to_string(),
        found: "an ONNX file",
        feature: "onnx",
    })
}
