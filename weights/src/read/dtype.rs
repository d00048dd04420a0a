//! Element types of tensors in files.

use std::fmt;

use burn::tensor::{Element, TensorData};
use half::{bf16, f16};

/// The element type of a tensor in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are self-explanatory")]
pub enum Dtype {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
}

impl Dtype {
    /// Returns the size of one element in bytes.
    pub const fn size_bytes(self) -> usize {
        match self {
            Dtype::F64 | Dtype::I64 | Dtype::U64 => 8,
            Dtype::F32 | Dtype::I32 | Dtype::U32 => 4,
            Dtype::F16 | Dtype::BF16 | Dtype::I16 | Dtype::U16 => 2,
            Dtype::I8 | Dtype::U8 | Dtype::Bool => 1,
        }
    }

    /// Returns whether the elements are floating-point numbers.
    pub const fn is_float(self) -> bool {
        matches!(self, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16)
    }

    /// Copies little-endian `bytes` into aligned memory.
    ///
    /// `bytes` must contain exactly the elements of `shape`.
    pub(crate) fn decode(self, bytes: &[u8], shape: &[usize]) -> TensorData {
        match self {
            Dtype::F64 => collect(bytes, shape, f64::from_le_bytes),
            Dtype::F32 => collect(bytes, shape, f32::from_le_bytes),
            Dtype::F16 => collect(bytes, shape, f16::from_le_bytes),
            Dtype::BF16 => collect(bytes, shape, bf16::from_le_bytes),
            Dtype::I64 => collect(bytes, shape, i64::from_le_bytes),
            Dtype::I32 => collect(bytes, shape, i32::from_le_bytes),
            Dtype::I16 => collect(bytes, shape, i16::from_le_bytes),
            Dtype::I8 => collect(bytes, shape, i8::from_le_bytes),
            Dtype::U64 => collect(bytes, shape, u64::from_le_bytes),
            Dtype::U32 => collect(bytes, shape, u32::from_le_bytes),
            Dtype::U16 => collect(bytes, shape, u16::from_le_bytes),
            Dtype::U8 => collect(bytes, shape, u8::from_le_bytes),
            Dtype::Bool => collect(bytes, shape, |[byte]: [u8; 1]| byte != 0),
        }
    }
}

fn collect<const N: usize, E: Element>(
    bytes: &[u8],
    shape: &[usize],
    element: impl Fn([u8; N]) -> E,
) -> TensorData {
    let (elements, _) = bytes.as_chunks::<N>();
    let values: Vec<E> = elements.iter().map(|bytes| element(*bytes)).collect();
    TensorData::new(values, shape.to_vec())
}

impl fmt::Display for Dtype {
    /// Writes PyTorch's name of the type, without `torch.`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Dtype::F64 => "float64",
            Dtype::F32 => "float32",
            Dtype::F16 => "float16",
            Dtype::BF16 => "bfloat16",
            Dtype::I64 => "int64",
            Dtype::I32 => "int32",
            Dtype::I16 => "int16",
            Dtype::I8 => "int8",
            Dtype::U64 => "uint64",
            Dtype::U32 => "uint32",
            Dtype::U16 => "uint16",
            Dtype::U8 => "uint8",
            Dtype::Bool => "bool",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_bytes_are_little_endian() {
        // 1.0 is 0x3c00 as float16 and 0x3f80 as bfloat16.
        let f16s = Dtype::F16.decode(&[0x00, 0x3c], &[1]);
        let bf16s = Dtype::BF16.decode(&[0x80, 0x3f], &[]);
        assert_eq!(f16s.as_slice::<f16>().unwrap(), [f16::ONE]);
        assert_eq!(bf16s.as_slice::<bf16>().unwrap(), [bf16::ONE]);
    }

    #[test]
    fn any_nonzero_byte_is_true() {
        let bools = Dtype::Bool.decode(&[0, 1, 255], &[3]);
        assert_eq!(bools.as_slice::<bool>().unwrap(), [false, true, true]);
    }
}
