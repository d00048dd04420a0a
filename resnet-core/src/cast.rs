//! The error for float types that a device does not support.

use alloc::string::String;

use burn::tensor::FloatDType;

/// The error for a float type that a device does not support.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{backend}` does not compute in {dtype:?} on this device: expected another float type, such as F32"
)]
#[non_exhaustive]
pub struct UnsupportedFloat {
    /// Name of the backend.
    pub backend: String,
    /// The unsupported float type.
    pub dtype: FloatDType,
}
