//! Element types, from ONNX's numbers to PyTorch's names.

use burn::tensor::{BoolStore, DType, Element, TensorData, bf16, f16};

/// The boolean type, stored as one byte.
pub(super) const BOOL: DType = DType::Bool(BoolStore::Native);

/// Returns the element type for a `DataType` of `onnx.proto`. Returns `None` for unsupported types,
/// such as 4-bit integers.
pub(super) fn of_number(number: i32) -> Option<DType> {
    Some(match number {
        1 => DType::F32,
        2 => DType::U8,
        3 => DType::I8,
        4 => DType::U16,
        5 => DType::I16,
        6 => DType::I32,
        7 => DType::I64,
        9 => BOOL,
        10 => DType::F16,
        11 => DType::F64,
        12 => DType::U32,
        13 => DType::U64,
        16 => DType::BF16,
        _ => return None,
    })
}

/// Returns PyTorch's name of the type, without `torch.`.
pub(super) fn torch_name(dtype: DType) -> &'static str {
    match dtype {
        DType::F64 => "float64",
        DType::F32 => "float32",
        DType::F16 => "float16",
        DType::BF16 => "bfloat16",
        DType::I64 => "int64",
        DType::I32 => "int32",
        DType::I16 => "int16",
        DType::I8 => "int8",
        DType::U64 => "uint64",
        DType::U32 => "uint32",
        DType::U16 => "uint16",
        DType::U8 => "uint8",
        DType::Bool(_) => "bool",
        // `of_number` returns no other types.
        DType::Flex32 | DType::QFloat(_) => "another type",
    }
}

/// Creates a float tensor from little-endian `bytes`, which are copied.
pub(crate) fn decode(dtype: DType, bytes: &[u8], shape: &[usize]) -> TensorData {
    match dtype {
        DType::F64 => collect(bytes, shape, f64::from_le_bytes),
        DType::F16 => collect(bytes, shape, f16::from_le_bytes),
        DType::BF16 => collect(bytes, shape, bf16::from_le_bytes),
        _ => collect(bytes, shape, f32::from_le_bytes),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_bytes_are_little_endian() {
        // 1.0 is 0x3c00 as float16 and 0x3f80 as bfloat16.
        let f16s = decode(DType::F16, &[0x00, 0x3c], &[1]);
        let bf16s = decode(DType::BF16, &[0x80, 0x3f], &[]);
        assert_eq!(f16s.as_slice::<f16>().unwrap(), [f16::ONE]);
        assert_eq!(bf16s.as_slice::<bf16>().unwrap(), [bf16::ONE]);
    }
}
