//! Tensors that the file holds: initialisers and constants.

use std::borrow::Cow;

use bytes::Bytes;
use half::{bf16, f16};
use onnx_ir::TensorProto;

use super::Cause;
use super::external::External;
use crate::Dtype;

/// A tensor of the file.
#[derive(Clone, Debug)]
pub(super) struct Constant {
    pub(super) name: String,
    /// None for elements that have no counterpart here, such as 4-bit numbers.
    pub(super) dtype: Option<Dtype>,
    pub(super) shape: Vec<usize>,
    bytes: Bytes,
    /// Whether `shape` is that of a matrix whose values are stored column by column.
    transposed: bool,
}

/// `DataType` of `onnx.proto`.
fn dtype(number: i32) -> Option<Dtype> {
    Some(match number {
        1 => Dtype::F32,
        2 => Dtype::U8,
        3 => Dtype::I8,
        4 => Dtype::U16,
        5 => Dtype::I16,
        6 => Dtype::I32,
        7 => Dtype::I64,
        9 => Dtype::Bool,
        10 => Dtype::F16,
        11 => Dtype::F64,
        12 => Dtype::U32,
        13 => Dtype::U64,
        16 => Dtype::BF16,
        _ => return None,
    })
}

/// `DataLocation::EXTERNAL`.
const EXTERNAL: i32 = 1;

impl Constant {
    pub(super) fn new(tensor: TensorProto, external: &mut External<'_>) -> Result<Self, Cause> {
        let name = tensor.name.clone();
        let damaged = |cause: String| Cause::Damaged(format!("tensor `{name}` {cause}"));
        let shape = tensor.dims.iter().map(|&extent| usize::try_from(extent));
        let shape: Vec<usize> = shape
            .collect::<Result<_, _>>()
            .map_err(|_| damaged(format!("has the shape {:?}", tensor.dims)))?;
        let Some(dtype) = dtype(tensor.data_type) else {
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
            .try_fold(dtype.size_bytes(), |n, &extent| n.checked_mul(extent));
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
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        Self {
            name: String::new(),
            dtype: Some(Dtype::F32),
            shape,
            bytes: bytes.into(),
            transposed: false,
        }
    }

    pub(super) fn of_ints(values: &[i64], shape: Vec<usize>) -> Self {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        Self {
            name: String::new(),
            dtype: Some(Dtype::I64),
            shape,
            bytes: bytes.into(),
            transposed: false,
        }
    }

    pub(super) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    pub(super) fn is_float(&self) -> bool {
        self.dtype.is_some_and(Dtype::is_float)
    }

    /// Whether it is the truth value `false`.
    pub(super) fn is_false(&self) -> bool {
        self.dtype == Some(Dtype::Bool) && self.bytes.iter().all(|byte| *byte == 0)
    }

    /// The same values in another shape of as many elements.
    pub(super) fn reshaped(&self, shape: Vec<usize>) -> Option<Self> {
        let elements = shape
            .iter()
            .try_fold(1_usize, |n, &extent| n.checked_mul(extent))?;
        let fits = elements == self.elements() && !self.transposed;
        fits.then(|| Self {
            shape,
            ..self.clone()
        })
    }

    /// The transposed matrix.
    pub(super) fn transpose(&self) -> Option<Self> {
        let &[rows, columns] = &self.shape[..] else {
            return None;
        };
        Some(Self {
            shape: vec![columns, rows],
            transposed: !self.transposed,
            ..self.clone()
        })
    }

    /// The values in row-major order, little-endian.
    pub(super) fn bytes(&self) -> Cow<'_, [u8]> {
        let (true, &[rows, columns], Some(dtype)) = (self.transposed, &self.shape[..], self.dtype)
        else {
            return Cow::Borrowed(&self.bytes);
        };
        let size = dtype.size_bytes();
        let mut bytes = Vec::with_capacity(self.bytes.len());
        for row in 0..rows {
            for column in 0..columns {
                let at = (column * rows + row) * size;
                bytes.extend_from_slice(&self.bytes[at..at + size]);
            }
        }
        Cow::Owned(bytes)
    }

    /// The values of a tensor of floats.
    pub(super) fn floats(&self) -> Vec<f64> {
        let bytes = self.bytes();
        match self.dtype {
            Some(Dtype::F64) => bytes
                .as_chunks()
                .0
                .iter()
                .map(|b| f64::from_le_bytes(*b))
                .collect(),
            Some(Dtype::F32) => bytes
                .as_chunks()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b).into())
                .collect(),
            Some(Dtype::F16) => bytes
                .as_chunks()
                .0
                .iter()
                .map(|b| f16::from_le_bytes(*b).into())
                .collect(),
            Some(Dtype::BF16) => bytes
                .as_chunks()
                .0
                .iter()
                .map(|b| bf16::from_le_bytes(*b).into())
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The values of a tensor of a few integers, as shapes and axes are.
    pub(super) fn ints(&self) -> Option<Vec<i64>> {
        const MOST: usize = 32;
        let dtype = self.dtype?;
        if self.elements() > MOST || self.transposed {
            return None;
        }
        match dtype {
            Dtype::I64 => Some(
                self.bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|b| i64::from_le_bytes(*b))
                    .collect(),
            ),
            Dtype::I32 => Some(
                self.bytes
                    .as_chunks()
                    .0
                    .iter()
                    .map(|b| i32::from_le_bytes(*b).into())
                    .collect(),
            ),
            _ => None,
        }
    }
}

fn inline(tensor: &TensorProto, dtype: Dtype) -> Bytes {
    if !tensor.raw_data.is_empty() {
        return tensor.raw_data.clone();
    }
    let ints = &tensor.int32_data;
    let bytes: Vec<u8> = match dtype {
        Dtype::F32 => tensor
            .float_data
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect(),
        Dtype::F64 => tensor
            .double_data
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect(),
        Dtype::I64 => tensor
            .int64_data
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect(),
        Dtype::U64 => tensor
            .uint64_data
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect(),
        Dtype::U32 => tensor
            .uint64_data
            .iter()
            .flat_map(|v| (*v as u32).to_le_bytes())
            .collect(),
        Dtype::I32 => ints.iter().flat_map(|v| v.to_le_bytes()).collect(),
        Dtype::F16 | Dtype::BF16 | Dtype::I16 | Dtype::U16 => ints
            .iter()
            .flat_map(|v| (*v as u16).to_le_bytes())
            .collect(),
        Dtype::I8 | Dtype::U8 | Dtype::Bool => ints.iter().map(|v| *v as u8).collect(),
    };
    bytes.into()
}
