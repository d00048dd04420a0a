//! Why a checkpoint cannot be read.

use std::error::Error;
use std::io;


/// Why a checkpoint, or a tensor of it, cannot be read.
///
/// Every message names the file, says what was found and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are what the messages say")]
pub enum ReadError {
    /// The operating system refuses the file.
    #[error("`{file}`: cannot be read; check the path and your right to read it")]
    Io {
        file: String,
        #[source]
        source: io::Error,
    },

    /// The path leads to a folder without weights.
    #[error(
        "`{file}`: is a folder without `model.safetensors` or `pytorch_model.bin`; give the path of a checkpoint file"
    )]
    Folder { file: String },

    /// The file holds nothing.
    #[error("`{file}`: is empty; download the file again")]
    Empty { file: String },

    /// The file is something else.
    #[error("`{file}`: is {found}, not a checkpoint; {advice}")]
    NotACheckpoint {
        file: String,
        found: String,
        advice: &'static str,
    },

    /// The file ends before its content does.
    #[error("`{file}`: is cut short: {cause}; download the file again")]
    Truncated { file: String, cause: String },

    /// The file, or one of its tensors, contradicts itself.
    #[error("`{file}`: {}is damaged: {cause}; download the file again", place(.key))]
    Damaged {
        file: String,
        key: Option<String>,
        cause: String,
        source: Option<Box<dyn Error + Send + Sync>>,
    },

    /// The header states a network, labels or preprocessing that this version cannot read.
    #[error("`{file}`: {cause}; save the file again, or update this program")]
    Header { file: String, cause: String },

    /// Reading the file the way PyTorch does would run code.
    #[error(
        "`{file}`: asks to call `{global}`, which can run any program; nothing was run, but do \
         not trust this file: get the weights from their publisher"
    )]
    UnsafePickle { file: String, global: String },

    /// A safetensors header above the limit of the format.
    #[error(
        "`{file}`: declares a header of {size_bytes} bytes, more than the {limit_bytes} the \
         format allows; download the file again"
    )]
    HeaderTooLarge {
        file: String,
        size_bytes: u64,
        limit_bytes: u64,
    },

    /// The file asks for far more memory than its size explains.
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

    /// A tensor whose elements have no counterpart here.
    #[error(
        "`{file}`: `{key}` holds {dtype} elements, expected floats, integers or booleans of 8 to \
         64 bits; convert the tensor and save the file again"
    )]
    UnsupportedDtype {
        file: String,
        key: String,
        dtype: String,
    },

    /// A valid file which uses something this reader does not know.
    #[error("`{file}`: {cause}; save `model.state_dict()` with a recent PyTorch and use that file")]
    Unsupported { file: String, cause: String },

    /// A valid file whose tensors, or some of them, are no plain arrays of numbers.
    #[error("`{file}`: {cause}; {advice}")]
    Unrepresentable {
        file: String,
        cause: String,
        advice: &'static str,
    },

    /// A valid file that this build was made not to read.
    #[error(
        "`{file}`: is {found}, and this program was built without the feature `{feature}`; build it with \
         `--features {feature}`"
    )]
    FeatureOff {
        file: String,
        found: &'static str,
        feature: &'static str,
    },

    /// An ONNX graph that is no network of this zoo, or not exactly one.
    #[error(
        "`{file}`: holds no residual network of this zoo: {cause}; generate code for it with `burn-import`"
    )]
    UnknownGraph { file: String, cause: String },

    /// An ONNX file whose weights are not in it, and not where it says.
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

    /// A valid file without a single tensor.
    #[error("`{file}`: holds no tensors; give a file that holds a state dict")]
    NoTensors { file: String },

    /// The `config.json` beside the weights cannot be used.
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

    /// The tensor asked for is not in the file.
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
