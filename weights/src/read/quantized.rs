//! Reads PyTorch files with quantized tensors.
//!
//! A quantized tensor `KEY.weight` becomes the tensors `KEY.weight` of integers,
//! `KEY.weight_scale` and `KEY.weight_zero_point`.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use burn::tensor::TensorData;
use zip::ZipArchive;

use super::guard::Quantized;
use super::pickle::{Recorded, Scales};
use super::{Dtype, Entry, ReadError, archive};

/// Largest storage of a tensor, relative to its size, and in addition.
const SHARE: u64 = 4;
const SLACK_BYTES: u64 = 4096;

/// The values of an open file.
pub(super) struct Tensors {
    archive: Mutex<ZipArchive<BufReader<File>>>,
    /// Start of the names of storages in the archive.
    folder: String,
    values: Vec<Values>,
}

enum Values {
    Stored(Recorded),
    /// One scale for all integers.
    Scale(f64),
    ZeroPoint(i64),
}

/// Returns the index of a file.
pub(super) fn open(
    path: &Path,
    file: &str,
    found: Quantized,
) -> Result<(Vec<Entry>, Tensors), ReadError> {
    let handle = File::open(path).map_err(|error| ReadError::io(file, error))?;
    let opened = archive::open(BufReader::new(handle));
    let opened = opened.map_err(|error| ReadError::damaged(file, error.to_string()))?;
    let folder = found.pickle.strip_suffix("data.pkl").unwrap_or_default();
    let mut index = Index {
        file,
        entries: Vec::new(),
        values: Vec::new(),
    };
    for (key, tensor) in found.tensors {
        match &tensor.scales {
            Scales::None => {}
            Scales::PerTensor(scale, zero_point) => {
                index.constant(&format!("{key}_scale"), Dtype::F64, Values::Scale(*scale));
                let zero_point = Values::ZeroPoint(*zero_point);
                index.constant(&format!("{key}_zero_point"), Dtype::I64, zero_point);
            }
            Scales::PerChannel(pair) => {
                let [scales, zero_points] = &**pair;
                index.stored(format!("{key}_scale"), scales.clone())?;
                index.stored(format!("{key}_zero_point"), zero_points.clone())?;
            }
        }
        index.stored(key, tensor)?;
    }
    let tensors = Tensors {
        archive: Mutex::new(opened),
        folder: format!("{folder}data/"),
        values: index.values,
    };
    Ok((index.entries, tensors))
}

/// The index of a file under construction.
struct Index<'a> {
    file: &'a str,
    entries: Vec<Entry>,
    values: Vec<Values>,
}

impl Index<'_> {
    fn constant(&mut self, key: &str, dtype: Dtype, value: Values) {
        self.push(key.to_string(), dtype, Vec::new(), value);
    }

    fn stored(&mut self, key: String, tensor: Recorded) -> Result<(), ReadError> {
        let dtype = match tensor.class.as_str() {
            "DoubleStorage" => Dtype::F64,
            "FloatStorage" => Dtype::F32,
            "HalfStorage" => Dtype::F16,
            "BFloat16Storage" => Dtype::BF16,
            "LongStorage" => Dtype::I64,
            "IntStorage" => Dtype::I32,
            "ShortStorage" => Dtype::I16,
            "QInt8Storage" | "CharStorage" => Dtype::I8,
            "ByteStorage" => Dtype::U8,
            "BoolStorage" => Dtype::Bool,
            class => {
                return Err(ReadError::UnsupportedDtype {
                    file: self.file.to_string(),
                    key,
                    dtype: class.to_string(),
                });
            }
        };
        let shape = tensor.shape.iter().map(|size| usize::try_from(*size));
        let shape: Vec<usize> = shape
            .collect::<Result<_, _>>()
            .map_err(|_| ReadError::damaged_tensor(self.file, &key, "its shape is too large"))?;
        if shape.len() != tensor.stride.len() {
            let cause = "its shape and its strides differ in length";
            return Err(ReadError::damaged_tensor(self.file, &key, cause));
        }
        self.push(key, dtype, shape, Values::Stored(tensor));
        Ok(())
    }

    fn push(&mut self, key: String, dtype: Dtype, shape: Vec<usize>, value: Values) {
        let count = shape
            .iter()
            .fold(1_usize, |count, size| count.saturating_mul(*size));
        self.entries.push(Entry {
            key,
            dtype,
            shape,
            size_bytes: count.saturating_mul(dtype.size_bytes()),
            place: self.values.len(),
        });
        self.values.push(value);
    }
}

impl Tensors {
    pub(super) fn read(&self, file: &str, entry: &Entry) -> Result<TensorData, ReadError> {
        let damaged = |cause: String| ReadError::damaged_tensor(file, &entry.key, cause);
        let tensor = match self.values.get(entry.place) {
            Some(Values::Stored(tensor)) => tensor,
            Some(Values::Scale(scale)) => return Ok(TensorData::new(vec![*scale], [0_usize; 0])),
            Some(Values::ZeroPoint(zero)) => return Ok(TensorData::new(vec![*zero], [0_usize; 0])),
            None => return Err(damaged("its place is unknown".into())),
        };
        let name = format!("{}{}", self.folder, tensor.storage);
        let mut archive = self.archive.lock().unwrap_or_else(PoisonError::into_inner);
        let mut storage = archive
            .by_name(&name)
            .map_err(|error| damaged(format!("archive entry `{name}`: {error}")))?;
        // The guard has limited the unpacked size of all entries. A part of a large storage would be
        // read again and again.
        let size = storage.size();
        let limit = (entry.size_bytes as u64).saturating_mul(SHARE) + SLACK_BYTES;
        if size > limit || (entry.size_bytes as u64) > size {
            let cause = format!("expected a storage of its own, found one of {size} bytes");
            return Err(damaged(cause));
        }
        let mut bytes = Vec::new();
        Read::take(&mut storage, size)
            .read_to_end(&mut bytes)
            .map_err(|error| damaged(format!("archive entry `{name}`: {error}")))?;
        let outside = || damaged("it lies outside its storage".into());
        let values = gather(&bytes, tensor, &entry.shape, entry.dtype.size_bytes());
        Ok(entry
            .dtype
            .decode(&values.ok_or_else(outside)?, &entry.shape))
    }
}

/// Returns the elements of a tensor in row-major order, or `None` if they are outside of the storage
/// or more than it has.
fn gather(bytes: &[u8], tensor: &Recorded, shape: &[usize], size: usize) -> Option<Vec<u8>> {
    let count = shape
        .iter()
        .try_fold(1_usize, |count, size| count.checked_mul(*size))?;
    let elements = bytes.len() / size;
    // A view with repeated elements can claim any size.
    if count > elements {
        return None;
    }
    let offset = usize::try_from(tensor.offset).ok()?;
    let strides: Option<Vec<usize>> = tensor
        .stride
        .iter()
        .map(|stride| (*stride).try_into().ok())
        .collect();
    let strides = strides?;
    let mut values = Vec::with_capacity(count.checked_mul(size)?);
    let mut place = vec![0; shape.len()];
    for _ in 0..count {
        let steps = place.iter().zip(&strides);
        let mut at = steps.map(|(index, stride): (&usize, _)| index.checked_mul(*stride));
        let at = at.try_fold(offset, |sum, step| sum.checked_add(step?))?;
        let first = at.checked_mul(size)?;
        values.extend_from_slice(bytes.get(first..first.checked_add(size)?)?);
        for axis in (0..shape.len()).rev() {
            place[axis] += 1;
            if place[axis] < shape[axis] {
                break;
            }
            place[axis] = 0;
        }
    }
    Some(values)
}
