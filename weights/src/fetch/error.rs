use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a file of weights is not there.
///
/// Every message is one line: it names the file or the address, says what was found and what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are what the messages say")]
pub enum FetchError {
    /// A variable of the environment makes no sense.
    #[error("`{name}`: is {found}, expected {expected}; correct it or unset it")]
    Variable {
        name: &'static str,
        found: String,
        expected: &'static str,
    },

    /// The user has no home, so there is no folder to keep files in.
    #[error("no folder to keep weights in, as no home folder is known; set `RESNET_CACHE` to one")]
    NoFolder,

    /// The weights are in programs themselves, and in no file.
    #[error(
        "`{id}`: has no file, as it is in programs built with the feature `embedded`: expected a set that is downloaded; load it by its name"
    )]
    Embedded { id: String },

    /// The weights name no place.
    #[error("`{id}`: names no place to get its file from; add a source")]
    NoSource { id: String },

    /// A name from which a path or an address would be made.
    #[error(
        "`{id}`: its source has the {what} {name:?}, expected letters, digits and `.`, `_`, `-`, `+` only, with a letter or digit first"
    )]
    Name {
        id: String,
        what: &'static str,
        name: String,
    },

    /// What should be the beginning of a hash is something else.
    #[error("`{id}`: its source has the sha256 {sha256:?}, expected 8 to 64 hexadecimal digits")]
    Pin { id: String, sha256: String },

    /// The file that records the hash of another holds something else.
    #[error(
        "`{}`: holds no hash of the file beside it, expected a line as `sha256sum` writes it; remove it, and the weights \
         too unless you know where they come from", .path.display()
    )]
    Recorded { path: PathBuf },

    /// A file that is there cannot be read.
    #[error("`{}`: cannot be read; check your right to read it, or remove it", .path.display())]
    Read { path: PathBuf, source: io::Error },

    /// The folder of the cache cannot be made.
    #[error("`{}`: the folder for weights cannot be made; set `RESNET_CACHE` to a folder that you may write to", .path.display())]
    Folder { path: PathBuf, source: io::Error },

    /// A file of the cache cannot be written.
    #[error(
        "`{}`: cannot be written; check the space left and your right to write there, and try again (a download goes on \
         where it stopped), or set `RESNET_CACHE` to another folder", .path.display()
    )]
    Write { path: PathBuf, source: io::Error },

    /// A file of the cache cannot be removed.
    #[error("`{}`: {why} and cannot be removed; remove it by hand", .path.display())]
    Remove {
        path: PathBuf,
        why: String,
        source: io::Error,
    },

    /// The file is not here and the network must not be used.
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

    /// The library was built without what downloads need.
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

    /// No source gave the file.
    #[error(
        "`{id}`: not on this machine, and cannot be downloaded: {}; check the network and `HTTPS_PROXY` and repeat (a \
         download cut short goes on where it stopped), or get {url} by hand and put it at `{}`",
        lines(.failures), .path.display()
    )]
    Download {
        id: String,
        failures: Vec<Failure>,
        url: String,
        path: PathBuf,
    },
}

/// Why one address did not give the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The address asked.
    pub url: String,
    /// What went wrong there.
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
