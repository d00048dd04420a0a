//! Why an ONNX file is no network.

use std::error::Error;
use std::io;

/// Why an ONNX file cannot be read as a residual network.
///
/// The messages do not name the file, which has no name here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// The file ends before its content does.
    #[error("the ONNX file is cut short: it ends inside its graph")]
    Truncated,

    /// The file contradicts itself.
    #[error("the ONNX file is damaged: {cause}")]
    Damaged {
        /// What is wrong.
        cause: String,
    },

    /// The file is no protobuf message of ONNX.
    #[error("the ONNX file is damaged: its message cannot be decoded")]
    Message {
        /// The decoder's error.
        source: Box<dyn Error + Send + Sync>,
    },

    /// The graph is no residual network that `ResNetConfig` describes, or not exactly one.
    #[error("the ONNX file holds no residual network of this zoo: {cause}")]
    UnknownGraph {
        /// The node and what is wrong with it.
        cause: String,
    },

    /// The weights are in another file, and cannot be read there.
    #[error("the ONNX file keeps weights in `{data}`, {cause}")]
    ExternalData {
        /// The other file, as the ONNX file names it.
        data: String,
        /// What is wrong, as a relative clause: "which is cut short".
        cause: String,
        /// The error of the operating system, if there is one.
        source: Option<io::Error>,
    },
}

impl OnnxError {
    pub(crate) fn damaged(cause: impl Into<String>) -> Self {
        Self::Damaged {
            cause: cause.into(),
        }
    }

    pub(crate) fn unknown(cause: impl Into<String>) -> Self {
        Self::UnknownGraph {
            cause: cause.into(),
        }
    }
}
