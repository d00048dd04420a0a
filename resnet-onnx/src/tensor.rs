//! A tensor of the network. Its values stay in the file until they are read.

use burn::tensor::{DType, TensorData};

use crate::graph::{Constant, decode};

/// A tensor of an ONNX file, with the key of torchvision and timm.
#[derive(Clone, Debug)]
pub struct OnnxTensor {
    pub(crate) key: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Values,
}

impl OnnxTensor {
    /// Returns the PyTorch key: `layer1.0.conv1.weight`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the element type: the type in the file, or `f32` for a tensor that is computed from
    /// several.
    pub fn dtype(&self) -> DType {
        self.values.dtype()
    }

    /// Returns the shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Reads the values in row-major order. This copies them once.
    pub fn read(&self) -> TensorData {
        self.values.read(&self.shape)
    }
}

/// The values of a float tensor.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    /// The values in the file, possibly with another shape.
    Stored(Constant),
    Computed(Vec<f32>),
}

impl Values {
    fn dtype(&self) -> DType {
        match self {
            Self::Stored(constant) => constant.dtype.unwrap_or(DType::F32),
            Self::Computed(_) => DType::F32,
        }
    }

    fn read(&self, shape: &[usize]) -> TensorData {
        match self {
            Self::Stored(constant) => decode(self.dtype(), &constant.bytes(), shape),
            Self::Computed(values) => TensorData::new(values.clone(), shape.to_vec()),
        }
    }
}
