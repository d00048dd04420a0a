//! The float types of saved tensors.

use std::fmt;
use std::str::FromStr;

use burn::tensor::{DType, FloatDType, TensorData};
use resnet_engine::Precision;

/// The float type of saved tensors, or of a network's computation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FloatType {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits with a 5-bit exponent: up to 65504.
    F16,
    /// 16 bits with an 8-bit exponent: the range of `f32`, about three decimal digits.
    Bf16,
}

/// The error for an unknown float type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}`: expected `f32`, `f16` or `bf16`")]
#[non_exhaustive]
pub struct UnknownFloatType(pub String);

impl FloatType {
    const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Bf16];

    fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    pub(super) fn dtype(self) -> DType {
        FloatDType::from(self).into()
    }

    /// Casts with rounding to nearest, ties to even. Returns the first finite value that becomes
    /// infinite as an error.
    pub(super) fn cast(self, data: TensorData) -> Result<TensorData, f32> {
        if data.dtype == self.dtype() {
            return Ok(data);
        }
        let cast = data.clone().convert_dtype(self.dtype());
        let overflown = data
            .iter::<f32>()
            .zip(cast.iter::<f32>())
            .find(|(before, after)| before.is_finite() && !after.is_finite());
        match overflown {
            Some((value, _)) => Err(value),
            None => Ok(cast),
        }
    }
}

impl From<FloatType> for Precision {
    fn from(float: FloatType) -> Self {
        match float {
            FloatType::F32 => Self::F32,
            FloatType::F16 => Self::F16,
            FloatType::Bf16 => Self::BF16,
        }
    }
}

impl From<FloatType> for FloatDType {
    fn from(float: FloatType) -> Self {
        match float {
            FloatType::F32 => Self::F32,
            FloatType::F16 => Self::F16,
            FloatType::Bf16 => Self::BF16,
        }
    }
}

impl fmt::Display for FloatType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for FloatType {
    type Err = UnknownFloatType;

    fn from_str(name: &str) -> Result<Self, UnknownFloatType> {
        let found = Self::ALL.into_iter().find(|dtype| dtype.name() == name);
        found.ok_or_else(|| UnknownFloatType(name.into()))
    }
}
