//! A tensor in the index of a checkpoint.

use super::Dtype;

/// One tensor of a checkpoint: what the index says, without its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub(crate) key: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) size_bytes: usize,
    /// Index into the tensors of the source, which keeps them in its own order.
    pub(crate) place: usize,
}

impl Entry {
    /// The PyTorch key, after unwrapping: `layer1.0.conv1.weight`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The element type in the file.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The extents, outermost first, empty for a scalar.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Bytes of the values, once they are read.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }
}
