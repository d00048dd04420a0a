//! A tensor in the index of a checkpoint.

use super::Dtype;

/// A tensor in the index of a checkpoint, without its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub(crate) key: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) size_bytes: usize,
    /// Index into the tensors of the source, whose order may differ.
    pub(crate) place: usize,
}

impl Entry {
    /// Returns the key relative to the state dict: `layer1.0.conv1.weight`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the element type in the file.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Returns the shape; it is empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns the size of the values in bytes, once they are read.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }
}
