//! Opens and compares files by path.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Opens a regular file.
///
/// # Errors
///
/// Returns the error of the operating system, or an error for a pipe, which could block forever.
pub(super) fn open(path: &Path) -> io::Result<File> {
    match fs::metadata(path)?.is_file() {
        true => File::open(path),
        false => Err(io::Error::other("not a file")),
    }
}

/// Returns whether the error says that the file, or a folder above it, does not exist.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Returns whether the path leads to this open file.
pub(super) fn is_at(path: &Path, file: File) -> bool {
    let there = same_file::Handle::from_path(path);
    let open = same_file::Handle::from_file(file);
    matches!((there, open), (Ok(there), Ok(open)) if there == open)
}

/// Appends an ending to the file name: `.part` after `net.pth` gives `net.pth.part`.
pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(ending);
    path.into()
}
