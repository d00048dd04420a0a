//! Why an image cannot be decoded or opened.

use std::error::Error;
use std::path::PathBuf;

use super::budget::Refusal;

/// Why bytes could not be decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// There are no bytes.
    #[error("the file is empty: expected an image, found 0 bytes")]
    Empty,
    /// The first bytes belong to none of the formats.
    #[error(
        "not a known image: expected PNG, JPEG, WebP, BMP, GIF, TIFF or PNM, found bytes `{found}`"
    )]
    UnknownFormat {
        /// The first bytes, escaped.
        found: String,
    },
    /// The image is of a format that cannot be decoded here.
    #[error(
        "expected PNG, JPEG, WebP, BMP, GIF, TIFF or PNM, found {format}; convert it to PNG first"
    )]
    ForeignFormat {
        /// Name of the format.
        format: &'static str,
    },
    /// The header announces more pixels than are allowed.
    #[error(
        "the image is too large: expected at most {max_pixels} pixels, found {width}x{height}; \
         raise the limit if the file is to be trusted"
    )]
    TooManyPixels {
        /// Columns in the header.
        width: u32,
        /// Rows in the header.
        height: u32,
        /// The limit in force.
        max_pixels: u64,
    },
    /// The image needs more memory than all decoders together may hold.
    #[error(
        "the image needs too much memory: expected at most {limit} bytes, found {needed}; \
         make it smaller or raise the memory limit"
    )]
    Memory {
        /// The bytes that decoding takes, the file included where it is read from a path.
        needed: u64,
        /// The [limit](crate::set_memory_limit) in force.
        limit: u64,
    },
    /// The data ends before the image does.
    #[error(
        "the {format} data is cut short: expected the whole image, found the end of the data \
         before it; fetch the file again"
    )]
    Truncated {
        /// Name of the format.
        format: &'static str,
    },
    /// The image uses something of its format that is not supported.
    #[error("unsupported {format} image: found {what}; convert it to 8-bit RGB first")]
    Unsupported {
        /// Name of the format.
        format: &'static str,
        /// What is not supported.
        what: String,
    },
    /// The data breaks the rules of its format.
    #[error("cannot decode the {format} data: expected a whole, valid image")]
    Malformed {
        /// Name of the format.
        format: &'static str,
        /// What is wrong.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl DecodeError {
    pub(super) fn unknown(bytes: &[u8]) -> Self {
        let start = &bytes[..bytes.len().min(12)];
        Self::UnknownFormat {
            found: start.escape_ascii().to_string(),
        }
    }

    pub(super) fn unsupported(format: &'static str, what: impl Into<String>) -> Self {
        Self::Unsupported {
            format,
            what: what.into(),
        }
    }

    /// Keeps the innermost cause: the wrappers around it repeat its text.
    pub(super) fn malformed(format: &'static str, source: impl Error) -> Self {
        let mut cause: &dyn Error = &source;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        Self::broken(format, cause.to_string())
    }

    pub(super) fn broken(format: &'static str, what: impl Into<String>) -> Self {
        Self::Malformed {
            format,
            source: what.into().into(),
        }
    }

    pub(super) fn memory(held: u64, more: u64, refusal: Refusal) -> Self {
        let limit = match refusal {
            Refusal::Never(limit) => limit,
            Refusal::NotNow => super::budget::memory_limit(),
        };
        Self::Memory {
            needed: held.saturating_add(more),
            limit,
        }
    }
}

/// Why the image at a path could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file could not be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The path given.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The file was read, but is no image that can be used.
    #[error("cannot use `{}` as an image", path.display())]
    Decode {
        /// The path given.
        path: PathBuf,
        /// Why not.
        #[source]
        source: DecodeError,
    },
}
