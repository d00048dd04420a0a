//! Why a dataset cannot be used.

use std::io;
use std::path::PathBuf;

/// Why a dataset is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file or a folder cannot be read.
    #[error("`{}`: expected {expected}", .path.display())]
    Io {
        /// It.
        path: PathBuf,
        /// What should be there.
        expected: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
    /// A folder or a file has another form.
    #[error("`{}`: expected {expected}, found {found}", .path.display())]
    Form {
        /// It.
        path: PathBuf,
        /// What should be there.
        expected: String,
        /// What is.
        found: String,
    },
    /// What is there can be taken in several ways, or in none.
    #[error("`{}`: expected {expected}, found {found}; {advice}", .path.display())]
    Unclear {
        /// The folder or the file.
        path: PathBuf,
        /// What should be there.
        expected: String,
        /// What is.
        found: String,
        /// What to do.
        advice: String,
    },
    /// There are too few images.
    #[error("expected {expected}, found {found}")]
    TooFew {
        /// What is needed.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A label is not the number of a class.
    #[error("`{name}`: expected a class below {classes}, found {label}")]
    Label {
        /// The image.
        name: String,
        /// The label.
        label: usize,
        /// The number of classes.
        classes: usize,
    },
    /// A dataset cannot be split so.
    #[error("expected a share between 0 and 1 to split off, found {found}")]
    Share {
        /// The share asked for.
        found: f64,
    },
}
