//! Errors of finding and downloading weights.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// The error for a file of weights that is not available.
///
/// Every message is one line. It names the file or the address, the cause, and a remedy.
#[derive(Debug, Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages explain the fields")]
pub enum FetchError {
    /// An environment variable has an invalid value.
    #[error("`{name}`: is {found}, expected {expected}; correct it or unset it")]
    Variable {
        name: &'static str,
        found: String,
        expected: &'static str,
    },

    /// The home folder is unknown, so our cache has no default folder.
    #[error(
        "the home folder is unknown, so there is no default cache; set `RESNET_CACHE` to a folder"
    )]
    NoFolder,

    /// The weights are compiled into programs and have no file.
    #[error(
        "`{id}`: has no file, because the feature `embedded` compiles it into programs; load it by its name"
    )]
    Embedded { id: String },

    /// The weights have no source.
    #[error("`{id}`: has no source for its file; add one")]
    NoSource { id: String },

    /// A name is not safe in a path or an address.
    #[error(
        "`{id}`: its source has the {what} {name:?}, expected letters, digits and `.`, `_`, `-`, `+` only, with a letter or digit first"
    )]
    Name {
        id: String,
        what: &'static str,
        name: String,
    },

    /// The first digits of a hash are malformed.
    #[error("`{id}`: its source has the sha256 {sha256:?}, expected 8 to 64 hexadecimal digits")]
    Pin { id: String, sha256: String },

    /// The file with the recorded hash is malformed.
    #[error(
        "`{}`: holds no hash of the file beside it, expected a line as `sha256sum` writes it; remove it, and the weights \
         too unless you know where they come from", .path.display()
    )]
    Recorded { path: PathBuf },

    /// A file exists and cannot be read.
    #[error("`{}`: cannot be read; check your right to read it, or remove it", .path.display())]
    Read { path: PathBuf, source: io::Error },

    /// The folder of our cache cannot be created.
    #[error("`{}`: the folder for weights cannot be made; set `RESNET_CACHE` to a folder that you may write to", .path.display())]
    Folder { path: PathBuf, source: io::Error },

    /// A file of our cache cannot be written.
    #[error(
        "`{}`: cannot be written; check the space left and your right to write there, and try again (an interrupted \
         download resumes), or set `RESNET_CACHE` to another folder", .path.display()
    )]
    Write { path: PathBuf, source: io::Error },

    /// A file of our cache cannot be removed.
    #[error("`{}`: {why} and cannot be removed; remove it by hand", .path.display())]
    Remove {
        path: PathBuf,
        why: String,
        source: io::Error,
    },

    /// The file is not on this machine, and the network is disabled.
    #[error(
        "`{id}`: not on this machine, and the network is switched off (`RESNET_OFFLINE`, `HF_HUB_OFFLINE`); looked for {}; \
         switch it on, or get {url} by hand and put it at `{}`", list(.looked), .path.display()
    )]
    Offline {
        id: String,
        looked: Vec<PathBuf>,
        url: String,
        path: PathBuf,
    },

    /// The file is not on this machine, and the crate was built without the feature `download`.
    #[error(
        "`{id}`: not on this machine, and this program was built without the feature `download`; looked for {}; build it with \
         that feature, or get {url} by hand and put it at `{}`", list(.looked), .path.display()
    )]
    NotEnabled {
        id: String,
        looked: Vec<PathBuf>,
        url: String,
        path: PathBuf,
    },

    /// The program canceled the download: [`Progress::is_canceled`](super::Progress::is_canceled).
    #[error("`{name}`: the download was canceled; repeat it to resume")]
    Canceled { name: String },

    /// No source provided the file.
    #[error(
        "`{id}`: not on this machine, and cannot be downloaded: {}; check the network and `HTTPS_PROXY` and repeat (an \
         interrupted download resumes), or get {url} by hand and put it at `{}`",
        lines(.failures), .path.display()
    )]
    Download {
        id: String,
        failures: Vec<Failure>,
        url: String,
        path: PathBuf,
    },
}

/// The reason why one address did not provide the file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The address.
    pub url: String,
    /// The reason.
    pub reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.url, self.reason)
    }
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths
        .iter()
        .map(|path| format!("`{}`", path.display()))
        .collect();
    paths.join(", ")
}

fn lines(failures: &[Failure]) -> String {
    let failures: Vec<_> = failures.iter().map(Failure::to_string).collect();
    failures.join("; ")
}
