//! Hash files: they record the SHA-256 of a file in our cache, in the format of `sha256sum`.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::digest::Pin;
use super::disk::{is_absent, open, with_ending};
use super::error::FetchError;

const MAX_BYTES: u64 = 4096;

/// Returns the path of the hash file: `net.pth.sha256` for `net.pth`.
pub(super) fn path(file: &Path) -> PathBuf {
    with_ending(file, ".sha256")
}

/// Returns the content of a hash file, one line that `sha256sum --check` accepts.
#[cfg_attr(
    not(feature = "download"),
    expect(dead_code, reason = "nothing is downloaded")
)]
pub(super) fn line(sha256: &str, name: &str) -> String {
    format!("{sha256}  {name}\n")
}

/// Reads the recorded SHA-256 of a file. Returns `None` if there is no hash file.
///
/// # Errors
///
/// Returns an error if the hash file cannot be read or is malformed. A malformed file must not
/// count as a missing one, because a file without a hash is used unverified.
pub(super) fn read(file: &Path) -> Result<Option<Pin>, FetchError> {
    let hash_file = path(file);
    let opened = match open(&hash_file) {
        Ok(opened) => opened,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(source) => {
            let path = hash_file;
            return Err(FetchError::Read { path, source });
        }
    };
    let mut text = String::new();
    let read = opened.take(MAX_BYTES).read_to_string(&mut text);
    let name = file.file_name().and_then(|name| name.to_str());
    let pin = read.ok().and_then(|_| {
        let (digits, rest) = text.lines().next()?.split_once(' ')?;
        // `sha256sum` writes a second space, or an asterisk.
        let named = rest.strip_prefix([' ', '*'])?;
        Pin::whole(digits).filter(|_| Some(named) == name)
    });
    match pin {
        Some(pin) => Ok(Some(pin)),
        None => Err(FetchError::Recorded { path: hash_file }),
    }
}
