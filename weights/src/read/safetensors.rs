//! Reads safetensors files.

use std::ops::Range;

use burn::tensor::TensorData;
use safetensors::tensor::{Dtype as FileDtype, Metadata as Header};

use super::mapped::Content;
use super::{Dtype, Entry, ReadError};
use crate::metadata::Metadata;

/// The header limit of the format, in bytes.
pub(super) const MAX_HEADER_BYTES: u64 = 100_000_000;

const LENGTH_BYTES: usize = 8;

/// The values of an open safetensors file.
pub(super) struct Tensors {
    content: Content,
    ranges: Vec<Range<usize>>,
}

/// The content of the header.
pub(super) struct Opened {
    pub(super) entries: Vec<Entry>,
    pub(super) tensors: Tensors,
    pub(super) metadata: Metadata,
}

/// Reads the header of `content`.
pub(super) fn open(file: &str, content: Content) -> Result<Opened, ReadError> {
    let (header, data_start) = header(file, &content)?;
    let index: Header = serde_json::from_slice(header)
        .map_err(|error| ReadError::damaged(file, format!("its header says: {error}")))?;
    let infos = index.tensors();

    // `Header` has already checked that the ranges are contiguous and fit the shapes.
    let expected = (data_start as u64).saturating_add(index.data_len() as u64);
    let found = content.len() as u64;
    if found < expected {
        let first = infos
            .iter()
            .filter(|(_, info)| info.data_offsets.1 as u64 > found - data_start as u64)
            .min_by_key(|(_, info)| info.data_offsets);
        let first = first.map_or("", |(key, _)| key.as_str());
        let cause = format!(
            "expected {expected} bytes, found {found}; `{first}` is the first tensor missing"
        );
        return Err(ReadError::truncated(file, cause));
    }
    if found > expected {
        let cause = format!("expected {expected} bytes, found {found}");
        return Err(ReadError::damaged(file, cause));
    }

    let mut entries = Vec::with_capacity(infos.len());
    let mut ranges = Vec::with_capacity(infos.len());
    for (key, info) in infos {
        let (start, end) = info.data_offsets;
        let Some(dtype) = dtype(info.dtype) else {
            return Err(ReadError::UnsupportedDtype {
                file: file.to_string(),
                key,
                dtype: info.dtype.to_string(),
            });
        };
        entries.push(Entry {
            key,
            dtype,
            shape: info.shape.clone(),
            size_bytes: end - start,
            place: ranges.len(),
        });
        ranges.push(data_start + start..data_start + end);
    }
    let metadata = match index.metadata() {
        Some(map) => Metadata::from_header(map).map_err(|cause| ReadError::Header {
            file: file.to_string(),
            cause,
        })?,
        None => Metadata::default(),
    };
    let tensors = Tensors { content, ranges };
    Ok(Opened {
        entries,
        tensors,
        metadata,
    })
}

fn header<'a>(file: &str, content: &'a [u8]) -> Result<(&'a [u8], usize), ReadError> {
    let Some((length, rest)) = content.split_first_chunk::<LENGTH_BYTES>() else {
        return Err(ReadError::truncated(file, "it ends inside its header"));
    };
    let size_bytes = u64::from_le_bytes(*length);
    if size_bytes > MAX_HEADER_BYTES {
        return Err(ReadError::HeaderTooLarge {
            file: file.to_string(),
            size_bytes,
            limit_bytes: MAX_HEADER_BYTES,
        });
    }
    let size = size_bytes as usize;
    let header = rest.get(..size).ok_or_else(|| {
        let cause = format!("expected a header of {size} bytes, found {}", rest.len());
        ReadError::truncated(file, cause)
    })?;
    Ok((header, LENGTH_BYTES + size))
}

impl Tensors {
    pub(super) fn read(&self, file: &str, entry: &Entry) -> Result<TensorData, ReadError> {
        let range = self.ranges.get(entry.place).cloned();
        let part = range.and_then(|range| Some((self.content.get(range.clone())?, range)));
        let (bytes, range) = part.ok_or_else(|| {
            ReadError::damaged_tensor(file, &entry.key, "it lies outside the file")
        })?;
        let data = entry.dtype.decode(bytes, &entry.shape);
        self.content.release(range);
        Ok(data)
    }
}

fn dtype(dtype: FileDtype) -> Option<Dtype> {
    Some(match dtype {
        FileDtype::F64 => Dtype::F64,
        FileDtype::F32 => Dtype::F32,
        FileDtype::F16 => Dtype::F16,
        FileDtype::BF16 => Dtype::BF16,
        FileDtype::I64 => Dtype::I64,
        FileDtype::I32 => Dtype::I32,
        FileDtype::I16 => Dtype::I16,
        FileDtype::I8 => Dtype::I8,
        FileDtype::U64 => Dtype::U64,
        FileDtype::U32 => Dtype::U32,
        FileDtype::U16 => Dtype::U16,
        FileDtype::U8 => Dtype::U8,
        FileDtype::BOOL => Dtype::Bool,
        _ => return None,
    })
}
