//! Reads PyTorch files: zip, legacy and tar.

use std::path::Path;

use burn::tensor::TensorData;
use pytorch_reader::{DType, PickleError, PytorchError, PytorchReader, Tensor};
use tempfile::TempPath;

use super::container::Container;
use super::{Dtype, Entry, ReadError, archive, guard, quantized};

/// The values of an open PyTorch file.
pub(super) enum Tensors {
    Plain(Plain),
    Quantized(quantized::Tensors),
}

/// The values of a file without quantized tensors.
pub(super) struct Plain {
    tensors: Vec<Tensor>,
    file_size: u64,
}

/// The result of opening a PyTorch file.
pub(super) struct Opened {
    pub(super) entries: Vec<Entry>,
    pub(super) tensors: Tensors,
    /// The copy that is read instead of the file, if there is one.
    pub(super) copy: Option<TempPath>,
}

/// Reads the index of the file at `path`. Messages call it `file`.
pub(super) fn open(path: &Path, file: &str, container: Container) -> Result<Opened, ReadError> {
    if let Some(found) = guard::check(path, file, container)? {
        let (entries, tensors) = quantized::open(path, file, found)?;
        return Ok(Opened {
            entries,
            tensors: Tensors::Quantized(tensors),
            copy: None,
        });
    }
    let copy = match container {
        Container::Zip => {
            archive::readable_copy(path).map_err(|error| ReadError::io(file, error))?
        }
        _ => None,
    };
    let path = copy.as_deref().unwrap_or(path);
    let reader = PytorchReader::new(path).map_err(|error| refuse(file, error))?;
    let file_size = std::fs::metadata(path)
        .map_err(|error| ReadError::io(file, error))?
        .len();

    let mut entries = Vec::with_capacity(reader.len());
    let mut tensors = Vec::with_capacity(reader.len());
    for (key, mut tensor) in reader.into_tensors() {
        // Errors of the reader would start with this name; this crate adds the key instead.
        tensor.name.clear();
        entries.push(Entry {
            key,
            dtype: dtype(tensor.dtype()),
            shape: tensor.shape().to_vec(),
            size_bytes: tensor.byte_len(),
            place: tensors.len(),
        });
        tensors.push(tensor);
    }
    Ok(Opened {
        entries,
        tensors: Tensors::Plain(Plain { tensors, file_size }),
        copy,
    })
}

impl Tensors {
    pub(super) fn read(&self, file: &str, entry: &Entry) -> Result<TensorData, ReadError> {
        match self {
            Self::Plain(tensors) => tensors.read(file, entry),
            Self::Quantized(tensors) => tensors.read(file, entry),
        }
    }
}

impl Plain {
    fn read(&self, file: &str, entry: &Entry) -> Result<TensorData, ReadError> {
        let damaged = |cause: String| ReadError::damaged_tensor(file, &entry.key, cause);
        let tensor = self
            .tensors
            .get(entry.place)
            .ok_or_else(|| damaged("its place is unknown".to_string()))?;
        // A view with repeated elements can claim any size; the reader's own limit is 10 GiB.
        if entry.size_bytes as u64 > self.file_size {
            return Err(ReadError::TooLarge {
                file: file.to_string(),
                what: format!("`{}`", entry.key),
                size: format!("{} bytes", entry.size_bytes),
                limit: format!("{} bytes", self.file_size),
            });
        }
        let bytes = tensor.read().map_err(|error| match error.raw_os_error() {
            Some(_) => ReadError::io(file, error),
            None => damaged(error.to_string()),
        })?;
        if bytes.len() != entry.size_bytes {
            let cause = format!("expected {} bytes, found {}", entry.size_bytes, bytes.len());
            return Err(damaged(cause));
        }
        Ok(entry.dtype.decode(&bytes, &entry.shape))
    }
}

fn refuse(file: &str, error: PytorchError) -> ReadError {
    let damaged = |cause: String| ReadError::damaged(file, cause);
    match error {
        PytorchError::Io(error) | PytorchError::Pickle(PickleError::Io(error)) => {
            match error.raw_os_error() {
                Some(_) => ReadError::io(file, error),
                None => damaged(error.to_string()),
            }
        }
        PytorchError::Pickle(PickleError::UnsupportedType(name)) => ReadError::Unsupported {
            file: file.to_string(),
            cause: format!(
                "holds an object of the class `{name}`, which this reader cannot represent"
            ),
        },
        PytorchError::Pickle(PickleError::NoDataSource) => ReadError::Unsupported {
            file: file.to_string(),
            cause: "is a bare pickle, which names tensors without their values".to_string(),
        },
        // The scan has already checked that the pickle is complete.
        PytorchError::Pickle(error) => ReadError::Unrepresentable {
            file: file.to_string(),
            cause: format!(
                "holds Python objects beside tensors that this reader does not know ({error})"
            ),
            advice: "save `model.state_dict()` alone",
        },
        PytorchError::InvalidFormat(cause) if cause.starts_with("Big-endian") => {
            ReadError::Unsupported {
                file: file.to_string(),
                cause: "was written on a big-endian machine".to_string(),
            }
        }
        PytorchError::InvalidFormat(cause) if cause.starts_with("Expected a dictionary") => {
            let found = cause.rsplit("found ").next().unwrap_or_default();
            ReadError::Unrepresentable {
                file: file.to_string(),
                cause: format!("expected a dictionary of tensors, found `{found}`"),
                advice: match found.contains("list") || found.contains("tuple") {
                    true => "save the state dict in it, such as `torch.load(…)[0]`, by itself",
                    false => "save `model.state_dict()`",
                },
            }
        }
        PytorchError::InvalidFormat(cause) if cause.contains("beyond the end of the file") => {
            ReadError::truncated(file, cause)
        }
        error => damaged(error.to_string()),
    }
}

fn dtype(dtype: DType) -> Dtype {
    match dtype {
        DType::F64 => Dtype::F64,
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::I64 => Dtype::I64,
        DType::I32 => Dtype::I32,
        DType::I16 => Dtype::I16,
        DType::I8 => Dtype::I8,
        DType::U64 => Dtype::U64,
        DType::U32 => Dtype::U32,
        DType::U16 => Dtype::U16,
        DType::U8 => Dtype::U8,
        DType::Bool => Dtype::Bool,
    }
}
