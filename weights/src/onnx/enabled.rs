//! The feature `onnx`: converts the network of `resnet-onnx` to entries, and its errors to errors
//! with the file name.

use std::path::Path;

use burn::tensor::{DType, TensorData};
use resnet_onnx::{OnnxError, OnnxTensor};

use super::Opened;
use crate::read::Content;
use crate::{Dtype, Entry, ReadError};

/// The tensors of an open ONNX file.
pub(crate) struct Tensors(Vec<OnnxTensor>);

impl Tensors {
    pub(crate) fn read(&self, entry: &Entry) -> TensorData {
        self.0[entry.place].read()
    }
}

/// Reads an ONNX file. `file` is its name in messages, `folder` the folder of its external data.
pub(crate) fn open(
    file: &str,
    content: Content,
    folder: Option<&Path>,
) -> Result<Opened, ReadError> {
    let network = resnet_onnx::open_with(content, folder, Content::of);
    let network = network.map_err(|error| refusal(file, error))?;
    let tensors = network.tensors.iter().enumerate();
    let entries = tensors.map(|(place, tensor)| entry(file, place, tensor));
    Ok(Opened {
        config: network.config,
        entries: entries.collect::<Result<_, _>>()?,
        tensors: Tensors(network.tensors),
    })
}

fn entry(file: &str, place: usize, tensor: &OnnxTensor) -> Result<Entry, ReadError> {
    let dtype = match tensor.dtype() {
        DType::F64 => Dtype::F64,
        DType::F32 => Dtype::F32,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        other => {
            return Err(ReadError::UnsupportedDtype {
                file: file.to_string(),
                key: tensor.key().to_string(),
                dtype: format!("{other:?}"),
            });
        }
    };
    let elements: usize = tensor.shape().iter().product();
    Ok(Entry {
        key: tensor.key().to_string(),
        dtype,
        shape: tensor.shape().to_vec(),
        size_bytes: elements * dtype.size_bytes(),
        place,
    })
}

fn refusal(file: &str, error: OnnxError) -> ReadError {
    match error {
        OnnxError::Truncated => ReadError::truncated(file, "it ends inside its graph"),
        OnnxError::Damaged { cause } => ReadError::damaged(file, cause),
        OnnxError::Message { source } => ReadError::Damaged {
            file: file.to_string(),
            key: None,
            cause: "its message cannot be decoded".to_string(),
            source: Some(source),
        },
        OnnxError::ExternalData {
            data,
            cause,
            source,
        } => ReadError::ExternalData {
            file: file.to_string(),
            data,
            cause,
            source,
        },
        OnnxError::UnknownGraph { cause } => unknown(file, cause),
        other => unknown(file, other.to_string()),
    }
}

fn unknown(file: &str, cause: String) -> ReadError {
    ReadError::UnknownGraph {
        file: file.to_string(),
        cause,
    }
}
