//! Verifies files in the caches of other programs. They are used in place and never modified.

use super::digest::sha256;
use super::disk::{is_absent, open};
use super::found::Found;
use super::progress::Progress;
use super::source::ForeignFile;

/// Returns the file if it exists and its hash is right. Any other file is ignored, with a note.
pub(super) fn find(file: ForeignFile, progress: &dyn Progress) -> Option<Found> {
    let ForeignFile { path, origin, pin } = file;
    let Some(pin) = pin else {
        if path.is_file() {
            let path = path.display();
            progress.note(&format!("`{path}`: ignored, because its hash is unknown"));
        }
        return None;
    };
    match open(&path).and_then(sha256) {
        Ok(sha256) if pin.matches(&sha256) => Some(Found {
            path,
            origin,
            sha256,
        }),
        Ok(sha256) => {
            progress.note(&format!(
                "`{}`: has the sha256 {sha256}, expected {}; ignored",
                path.display(),
                pin.as_str()
            ));
            None
        }
        Err(error) if is_absent(&error) => None,
        Err(error) => {
            let path = path.display();
            progress.note(&format!(
                "`{path}`: ignored, because it cannot be read: {error}"
            ));
            None
        }
    }
}
