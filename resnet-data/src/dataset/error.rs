//! The errors of a dataset.

use std::io;
use std::path::PathBuf;

/// The error of a dataset that cannot be opened, created or split.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// An unreadable file or folder.
    #[error("`{}`: expected {expected}", .path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The expected content.
        expected: &'static str,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A folder or file in another format.
    #[error("`{}`: expected {expected}, found {found}", .path.display())]
    Form {
        /// The path.
        path: PathBuf,
        /// The expected content.
        expected: String,
        /// The content found.
        found: String,
    },
    /// An ambiguous or unsuitable folder or file.
    #[error("`{}`: expected {expected}, found {found}; {advice}", .path.display())]
    Unclear {
        /// The path.
        path: PathBuf,
        /// The expected content.
        expected: String,
        /// The content found.
        found: String,
        /// The advice to the user.
        advice: String,
    },
    /// Too few images.
    #[error("expected {expected}, found {found}")]
    TooFew {
        /// The expected number.
        expected: String,
        /// The number found.
        found: String,
    },
    /// A label that is not the index of a class.
    #[error("`{name}`: expected a class below {classes}, found {label}")]
    Label {
        /// The name of the image.
        name: String,
        /// The label.
        label: usize,
        /// The number of classes.
        classes: usize,
    },
    /// A share that cannot be split off.
    #[error("expected a share between 0 and 1 to split off, found {found}")]
    Share {
        /// The requested share.
        found: f64,
    },
}
