//! The caches of other programs: files are used where they lie, and nothing is changed.

use std::fs;
use std::path::{Path, PathBuf};

use super::cache::{is_absent, open};
use super::digest::{Pin, sha256};
use super::fetcher::{Found, Origin};
use super::progress::Progress;
use super::settings::Settings;
use super::wanted::{Place, Wanted};

pub(super) fn find(settings: &Settings, progress: &dyn Progress, wanted: &Wanted) -> Option<Found> {
    let path = place(settings, wanted)?;
    let (origin, pin) = match &wanted.place {
        Place::Url { pin, .. } => (Origin::Torch, pin.clone()),
        Place::Hub { .. } => {
            if !path.is_file() {
                return None;
            }
            let Some(pin) = blob_hash(&path) else {
                let path = path.display();
                progress.note(&format!("`{path}`: passed over, as its hash is not known"));
                return None;
            };
            (Origin::HuggingFace, pin)
        }
    };
    match open(&path).and_then(sha256) {
        Ok(sha256) if pin.matches(&sha256) => Some(Found {
            path,
            origin,
            sha256,
        }),
        Ok(sha256) => {
            progress.note(&format!(
                "`{}`: has the sha256 {sha256}, expected {}; passed over",
                path.display(),
                pin.as_str()
            ));
            None
        }
        Err(error) if is_absent(&error) => None,
        Err(error) => {
            let path = path.display();
            progress.note(&format!(
                "`{path}`: passed over, as it cannot be read: {error}"
            ));
            None
        }
    }
}

/// Where the other program would have put the file.
pub(super) fn place(settings: &Settings, wanted: &Wanted) -> Option<PathBuf> {
    match &wanted.place {
        Place::Url { .. } => Some(settings.torch.as_ref()?.join(&wanted.name)),
        Place::Hub { repo, file } => {
            let folder = format!("models--{}", repo.replace('/', "--"));
            let folder = settings.hub.as_ref()?.join(folder);
            let commit = fs::read_to_string(folder.join("refs").join("main")).ok();
            let commit = commit.as_deref().map_or("main", str::trim);
            let plain =
                !commit.is_empty() && commit.bytes().all(|byte| byte.is_ascii_alphanumeric());
            plain.then(|| folder.join("snapshots").join(commit).join(file))
        }
    }
}

/// A large file of the hub is a link to a blob whose name is its sha256.
fn blob_hash(path: &Path) -> Option<Pin> {
    let blob = path.canonicalize().ok()?;
    let in_blobs = blob.parent()?.file_name()? == "blobs";
    Pin::whole(blob.file_name()?.to_str()?).filter(|_| in_blobs)
}
