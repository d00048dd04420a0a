//! The errors of decoding and opening an image.

use std::error::Error;
use std::path::PathBuf;

use super::budget::Refusal;

/// The error of bytes that cannot be decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// No bytes.
    #[error("the file is empty: expected an image, found 0 bytes")]
    Empty,
    /// An unknown format.
    #[error(
        "not a known image: expected PNG, JPEG, WebP, BMP, GIF, TIFF or PNM, found bytes `{found}`"
    )]
    UnknownFormat {
        /// The first bytes, escaped.
        found: String,
    },
    /// A known image format that is not supported.
    #[error(
        "expected PNG, JPEG, WebP, BMP, GIF, TIFF or PNM, found {format}; convert it to PNG first"
    )]
    ForeignFormat {
        /// The name of the format.
        format: &'static str,
    },
    /// A header that claims more pixels than allowed.
    #[error(
        "the image is too large: expected at most {max_pixels} pixels, found {width}x{height}; \
         raise the limit if you trust the file"
    )]
    TooManyPixels {
        /// The width in the header.
        width: u32,
        /// The height in the header.
        height: u32,
        /// The current limit.
        max_pixels: u64,
    },
    /// An image that needs more memory than the limit.
    #[error(
        "the image needs too much memory: expected at most {limit} bytes, found {needed}; \
         make it smaller or raise the memory limit"
    )]
    Memory {
        /// The bytes that decoding takes, including the file if the image comes from a path.
        needed: u64,
        /// The current [limit](crate::set_memory_limit).
        limit: u64,
    },
    /// Data that ends before the image does.
    #[error(
        "the {format} data is cut short: expected the whole image, found the end of the data \
         before it; fetch the file again"
    )]
    Truncated {
        /// The name of the format.
        format: &'static str,
    },
    /// An unsupported feature of a supported format.
    #[error("unsupported {format} image: found {what}; convert it to 8-bit RGB first")]
    Unsupported {
        /// The name of the format.
        format: &'static str,
        /// The unsupported feature.
        what: String,
    },
    /// Data that is invalid for its format.
    #[error("cannot decode the {format} data: expected a whole, valid image")]
    Malformed {
        /// The name of the format.
        format: &'static str,
        /// The cause.
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

    /// Keeps only the innermost cause, as the wrappers repeat its text.
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

/// The error of an image file that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A file that cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: std::io::Error,
    },
    /// A file that cannot be decoded.
    #[error("cannot use `{}` as an image", path.display())]
    Decode {
        /// The path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: DecodeError,
    },
}
