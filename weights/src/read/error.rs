//! Errors of reading checkpoints.

use std::error::Error;
use std::io;

/// The error for a checkpoint or tensor that cannot be read.
///
/// Every message names the file, the cause and a remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages explain the fields")]
pub enum ReadError {
    /// The operating system cannot open or read the file.
    #[error("`{file}`: cannot be read; check the path and your right to read it")]
    Io {
        file: String,
        #[source]
        source: io::Error,
    },

    /// The path is a folder without weights.
    #[error(
        "`{file}`: is a folder without `model.safetensors` or `pytorch_model.bin`; give the path of a checkpoint file"
    )]
    Folder { file: String },

    /// The file is empty.
    #[error("`{file}`: is empty; download the file again")]
    Empty { file: String },

    /// The file is not a checkpoint.
    #[error("`{file}`: is {found}, not a checkpoint; {advice}")]
    NotACheckpoint {
        file: String,
        found: String,
        advice: &'static str,
    },

    /// The file is truncated.
    #[error("`{file}`: is cut short: {cause}; download the file again")]
    Truncated { file: String, cause: String },

    /// The file or one of its tensors is inconsistent.
    #[error("`{file}`: {}is damaged: {cause}; download the file again", place(.key))]
    Damaged {
        file: String,
        key: Option<String>,
        cause: String,
        source: Option<Box<dyn Error + Send + Sync>>,
    },

    /// This version cannot read the config, labels or preprocessing in the header.
    #[error("`{file}`: {cause}; save the file again, or update this program")]
    Header { file: String, cause: String },

    /// The pickle calls functions that could run code.
    #[error(
        "`{file}`: asks to call `{global}`, which can run any program; nothing was run, but do \
         not trust this file: get the weights from their publisher"
    )]
    UnsafePickle { file: String, global: String },

    /// The safetensors header exceeds the limit of the format.
    #[error(
        "`{file}`: declares a header of {size_bytes} bytes, more than the {limit_bytes} the \
         format allows; download the file again"
    )]
    HeaderTooLarge {
        file: String,
        size_bytes: u64,
        limit_bytes: u64,
    },

    /// The file needs far more memory than its size explains.
    #[error(
        "`{file}`: {what} takes {size}, expected at most {limit} for a file of this size; if you trust \
         the file, save its state dict again with `torch.save`"
    )]
    TooLarge {
        file: String,
        what: String,
        size: String,
        limit: String,
    },

    /// The element type of a tensor is not supported.
    #[error(
        "`{file}`: `{key}` holds {dtype} elements, expected floats, integers or booleans of 8 to \
         64 bits; convert the tensor and save the file again"
    )]
    UnsupportedDtype {
        file: String,
        key: String,
        dtype: String,
    },

    /// The file is valid but uses an unsupported feature.
    #[error("`{file}`: {cause}; save `model.state_dict()` with a recent PyTorch and use that file")]
    Unsupported { file: String, cause: String },

    /// The file is valid, but some tensors are not plain dense arrays.
    #[error("`{file}`: {cause}; {advice}")]
    Unrepresentable {
        file: String,
        cause: String,
        advice: &'static str,
    },

    /// The file is valid, but reading it needs a feature that this build lacks.
    #[error(
        "`{file}`: is {found}, and this program was built without the feature `{feature}`; build it with \
         `--features {feature}`"
    )]
    FeatureOff {
        file: String,
        found: &'static str,
        feature: &'static str,
    },

    /// The ONNX graph is not a network of this zoo.
    #[error(
        "`{file}`: holds no residual network of this zoo: {cause}; generate code for it with `burn-import`"
    )]
    UnknownGraph { file: String, cause: String },

    /// The external data of an ONNX file are missing or invalid.
    #[error(
        "`{file}`: keeps weights in `{data}`, {cause}; put that file beside it, or export again with \
         `external_data=False`"
    )]
    ExternalData {
        file: String,
        data: String,
        cause: String,
        source: Option<io::Error>,
    },

    /// The file is valid, but contains no tensors.
    #[error("`{file}`: holds no tensors; give a file that holds a state dict")]
    NoTensors { file: String },

    /// The `config.json` beside the weights is not usable.
    #[error("`{file}`: {cause}")]
    Config { file: String, cause: String },

    /// The file has no such network, or several.
    #[error(
        "`{file}`: expected `{name}` to be one of its networks, found {found}; choose one with `ModelSource::with_state`"
    )]
    UnknownState {
        file: String,
        name: String,
        found: String,
    },

    /// The file does not contain the requested tensor.
    #[error("`{file}`: has no tensor `{key}`; list the keys of the file to see what it holds")]
    MissingKey { file: String, key: String },
}

fn place(key: &Option<String>) -> String {
    key.as_ref()
        .map_or_else(String::new, |key| format!("`{key}` "))
}

impl ReadError {
    pub(crate) fn io(file: &str, source: io::Error) -> Self {
        let file = file.to_string();
        ReadError::Io { file, source }
    }

    pub(crate) fn truncated(file: &str, cause: impl Into<String>) -> Self {
        ReadError::Truncated {
            file: file.to_string(),
            cause: cause.into(),
        }
    }

    pub(crate) fn damaged(file: &str, cause: impl Into<String>) -> Self {
        ReadError::Damaged {
            file: file.to_string(),
            key: None,
            cause: cause.into(),
            source: None,
        }
    }

    pub(crate) fn damaged_tensor(file: &str, key: &str, cause: impl Into<String>) -> Self {
        ReadError::Damaged {
            file: file.to_string(),
            key: Some(key.to_string()),
            cause: cause.into(),
            source: None,
        }
    }
}
