//! Float types that a device lacks.

use alloc::string::String;

use burn::tensor::FloatDType;

/// A float type that a device does not compute in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{backend}` does not compute in {dtype:?} on this device: expected another float type, such as F32"
)]
#[non_exhaustive]
pub struct UnsupportedFloat {
    /// The backend, in its own words.
    pub backend: String,
    /// The float type.
    pub dtype: FloatDType,
}
