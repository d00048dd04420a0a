//! Errors of reading an ONNX file.

use std::error::Error;
use std::io;

/// The error for an ONNX file that cannot be read as a residual network.
///
/// The messages do not contain the file name, which this crate does not know.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// The file is truncated.
    #[error("the ONNX file is cut short: it ends inside its graph")]
    Truncated,

    /// The file is inconsistent.
    #[error("the ONNX file is damaged: {cause}")]
    Damaged {
        /// The inconsistency.
        cause: String,
    },

    /// The file is not a valid protobuf message of ONNX.
    #[error("the ONNX file is damaged: its message cannot be decoded")]
    Message {
        /// The decoder's error.
        source: Box<dyn Error + Send + Sync>,
    },

    /// The graph is not a residual network that `ResNetConfig` describes.
    #[error("the ONNX file holds no residual network of this zoo: {cause}")]
    UnknownGraph {
        /// The node and its mismatch.
        cause: String,
    },

    /// The file with the external weights cannot be read.
    #[error("the ONNX file keeps weights in `{data}`, {cause}")]
    ExternalData {
        /// The external file, as named in the ONNX file.
        data: String,
        /// The cause, as a relative clause: "which is cut short".
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
