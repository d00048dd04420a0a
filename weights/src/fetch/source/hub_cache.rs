//! The cache of huggingface_hub, where each revision of a repository has links to blobs.

use std::fs;
use std::path::{Path, PathBuf};

use super::{ForeignFile, Location, WeightSource};
use crate::fetch::digest::Pin;
use crate::fetch::found::Origin;
use crate::fetch::request::{FileRequest, Place};
use crate::fetch::settings::Settings;

struct HubCache {
    folder: PathBuf,
}

pub(super) fn create(settings: &Settings) -> Option<Box<dyn WeightSource>> {
    let folder = settings.hub.clone()?;
    Some(Box::new(HubCache { folder }))
}

impl WeightSource for HubCache {
    fn locate(&self, request: &FileRequest) -> Option<Location> {
        let Place::Hub { repo, file } = &request.place else {
            return None;
        };
        let path = self.revision(repo)?.join(file);
        Some(Location::ForeignCache(ForeignFile {
            pin: blob_hash(&path),
            path,
            origin: Origin::HuggingFace,
        }))
    }
}

impl HubCache {
    /// Returns the folder of the revision that `main` refers to.
    fn revision(&self, repo: &str) -> Option<PathBuf> {
        let folder = format!("models--{}", repo.replace('/', "--"));
        let folder = self.folder.join(folder);
        let commit = fs::read_to_string(folder.join("refs").join("main")).ok();
        let commit = commit.as_deref().map_or("main", str::trim);
        let plain = !commit.is_empty() && commit.bytes().all(|byte| byte.is_ascii_alphanumeric());
        plain.then(|| folder.join("snapshots").join(commit))
    }
}

/// Returns the SHA-256 of a large file: the name of the blob that its link points to.
fn blob_hash(path: &Path) -> Option<Pin> {
    let blob = path.canonicalize().ok().filter(|blob| blob.is_file())?;
    let in_blobs = blob.parent()?.file_name()? == "blobs";
    Pin::whole(blob.file_name()?.to_str()?).filter(|_| in_blobs)
}
