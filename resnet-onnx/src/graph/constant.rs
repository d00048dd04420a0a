//! Tensors in the file: initializers and constants.

use std::borrow::Cow;

use burn::tensor::{DType, bf16, f16};
use bytes::Bytes;
use onnx_ir::TensorProto;

use super::element::{self, BOOL};
use super::external::External;
use crate::OnnxError;

/// A tensor in the file.
#[derive(Clone, Debug)]
pub(crate) struct Constant {
    pub(crate) name: String,
    /// `None` for unsupported element types, such as 4-bit integers.
    pub(crate) dtype: Option<DType>,
    pub(crate) shape: Vec<usize>,
    bytes: Bytes,
    /// Whether the matrix of this `shape` is stored column by column.
    transposed: bool,
}

/// `DataLocation::EXTERNAL`.
const EXTERNAL: i32 = 1;

impl Constant {
    pub(crate) fn new(tensor: TensorProto, external: &mut External<'_>) -> Result<Self, OnnxError> {
        let name = tensor.name.clone();
        let damaged = |cause: String| OnnxError::damaged(format!("tensor `{name}` {cause}"));
        let shape = tensor.dims.iter().map(|&extent| usize::try_from(extent));
        let shape: Vec<usize> = shape
            .collect::<Result<_, _>>()
            .map_err(|_| damaged(format!("has the shape {:?}", tensor.dims)))?;
        let Some(dtype) = element::of_number(tensor.data_type) else {
            return Ok(Self {
                name,
                dtype: None,
                shape,
                bytes: Bytes::new(),
                transposed: false,
            });
        };
        let size = shape
            .iter()
            .try_fold(dtype.size(), |n, &extent| n.checked_mul(extent));
        let size = size.ok_or_else(|| damaged(format!("has the shape {shape:?}")))?;
        let bytes = match tensor.data_location.value() {
            EXTERNAL => external.read(
                &tensor
                    .external_data
                    .iter()
                    .map(|entry| (&*entry.key, &*entry.value))
                    .collect(),
                size,
            )?,
            _ => inline(&tensor, dtype),
        };
        if bytes.len() != size {
            let found = bytes.len();
            return Err(damaged(format!(
                "of shape {shape:?} takes {size} bytes, found {found}"
            )));
        }
        Ok(Self {
            name,
            dtype: Some(dtype),
            shape,
            bytes,
            transposed: false,
        })
    }

    pub(super) fn of_floats(values: &[f32], shape: Vec<usize>) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        Self::unnamed(DType::F32, shape, bytes.collect())
    }

    pub(super) fn of_ints(values: &[i64], shape: Vec<usize>) -> Self {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        Self::unnamed(DType::I64, shape, bytes.collect())
    }

    fn unnamed(dtype: DType, shape: Vec<usize>, bytes: Bytes) -> Self {
        Self {
            name: String::new(),
            dtype: Some(dtype),
            shape,
            bytes,
            transposed: false,
        }
    }

    pub(crate) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    pub(crate) fn is_float(&self) -> bool {
        self.dtype.is_some_and(|dtype| dtype.is_float())
    }

    /// Returns whether it is the boolean `false`.
    pub(crate) fn is_false(&self) -> bool {
        self.dtype == Some(BOOL) && self.bytes.iter().all(|byte| *byte == 0)
    }

    /// Returns the same values with another shape of the same size.
    pub(crate) fn reshaped(&self, shape: Vec<usize>) -> Option<Self> {
        let elements = shape
            .iter()
            .try_fold(1_usize, |n, &extent| n.checked_mul(extent))?;
        let fits = elements == self.elements() && !self.transposed;
        fits.then(|| Self {
            shape,
            ..self.clone()
        })
    }

    /// Returns the transposed matrix.
    pub(crate) fn transpose(&self) -> Option<Self> {
        let &[rows, columns] = &self.shape[..] else {
            return None;
        };
        Some(Self {
            shape: vec![columns, rows],
            transposed: !self.transposed,
            ..self.clone()
        })
    }

    /// Returns the values in row-major order, as little-endian bytes.
    pub(crate) fn bytes(&self) -> Cow<'_, [u8]> {
        let (true, &[rows, columns], Some(dtype)) = (self.transposed, &self.shape[..], self.dtype)
        else {
            return Cow::Borrowed(&self.bytes);
        };
        let size = dtype.size();
        let mut bytes = Vec::with_capacity(self.bytes.len());
        for row in 0..rows {
            for column in 0..columns {
                let at = (column * rows + row) * size;
                bytes.extend_from_slice(&self.bytes[at..at + size]);
            }
        }
        Cow::Owned(bytes)
    }

    /// Returns the values of a float tensor.
    pub(crate) fn floats(&self) -> Vec<f64> {
        let bytes = self.bytes();
        match self.dtype {
            Some(DType::F64) => collect(&bytes, f64::from_le_bytes),
            Some(DType::F32) => collect(&bytes, |bytes| f32::from_le_bytes(bytes).into()),
            Some(DType::F16) => collect(&bytes, |bytes| f16::from_le_bytes(bytes).into()),
            Some(DType::BF16) => collect(&bytes, |bytes| bf16::from_le_bytes(bytes).into()),
            _ => Vec::new(),
        }
    }

    /// Returns the values of a small integer tensor, such as a shape or a list of axes.
    pub(super) fn ints(&self) -> Option<Vec<i64>> {
        const MOST: usize = 32;
        let dtype = self.dtype?;
        if self.elements() > MOST || self.transposed {
            return None;
        }
        match dtype {
            DType::I64 => Some(collect(&self.bytes, i64::from_le_bytes)),
            DType::I32 => Some(collect(&self.bytes, |bytes| {
                i32::from_le_bytes(bytes).into()
            })),
            _ => None,
        }
    }
}

fn collect<const N: usize, T>(bytes: &[u8], value: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (values, _) = bytes.as_chunks::<N>();
    values.iter().map(|bytes| value(*bytes)).collect()
}

fn inline(tensor: &TensorProto, dtype: DType) -> Bytes {
    if !tensor.raw_data.is_empty() {
        return tensor.raw_data.clone();
    }
    let ints = &tensor.int32_data;
    let longs = &tensor.uint64_data;
    match dtype {
        DType::F32 => little_endian(&tensor.float_data, |v| v.to_le_bytes()),
        DType::F64 => little_endian(&tensor.double_data, |v| v.to_le_bytes()),
        DType::I64 => little_endian(&tensor.int64_data, |v| v.to_le_bytes()),
        DType::U64 => little_endian(longs, |v| v.to_le_bytes()),
        DType::U32 => little_endian(longs, |v| (v as u32).to_le_bytes()),
        DType::I32 => little_endian(ints, |v| v.to_le_bytes()),
        DType::F16 | DType::BF16 | DType::I16 | DType::U16 => {
            little_endian(ints, |v| (v as u16).to_le_bytes())
        }
        // One byte per element: `element::of_number` returns no other types.
        _ => little_endian(ints, |v| [v as u8]),
    }
}

fn little_endian<T: Copy, const N: usize>(values: &[T], bytes: impl Fn(T) -> [u8; N]) -> Bytes {
    values.iter().flat_map(|value| bytes(*value)).collect()
}
