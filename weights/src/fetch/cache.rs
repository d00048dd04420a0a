//! This crate's cache: a folder of downloaded files, each with its SHA-256 in a file beside it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::digest::{Pin, sha256};
use super::disk::{is_absent, is_at, open};
use super::error::FetchError;
use super::found::{Found, Origin};
use super::hash_file;
use super::progress::Progress;
use super::request::{FileRequest, Place};

/// The cache folder and the receiver of notes.
pub(super) struct Cache<'a> {
    pub(super) folder: &'a Path,
    pub(super) progress: &'a dyn Progress,
}

/// The status of a file in our cache.
pub(super) enum CacheStatus {
    Absent,
    Right {
        sha256: String,
    },
    /// The hash is unknown, so the file is not verified.
    NoHash {
        sha256: String,
    },
    /// The file had a wrong hash and was removed.
    Wrong {
        expected: String,
        found: String,
    },
}

impl Cache<'_> {
    pub(super) fn path(&self, request: &FileRequest) -> PathBuf {
        self.folder.join(&request.name)
    }

    /// Returns the file if it exists and its hash is right. Reports an unverified or removed file
    /// in a note.
    pub(super) fn find(&self, request: &FileRequest) -> Result<Option<Found>, FetchError> {
        let path = self.path(request);
        let sha256 = match self.status(request)? {
            CacheStatus::Absent => return Ok(None),
            CacheStatus::Right { sha256 } => sha256,
            CacheStatus::NoHash { sha256 } => {
                self.progress.note(&format!(
                    "`{}`: is used unverified, because no hash is recorded for it",
                    path.display()
                ));
                sha256
            }
            CacheStatus::Wrong { expected, found } => {
                self.progress.note(&format!(
                    "`{}`: has the sha256 {found}, expected {expected}; removed",
                    path.display()
                ));
                return Ok(None);
            }
        };
        let origin = Origin::Cache;
        Ok(Some(Found {
            path,
            origin,
            sha256,
        }))
    }

    /// Compares the file with the published hash and the recorded hash. Removes a wrong file.
    pub(super) fn status(&self, request: &FileRequest) -> Result<CacheStatus, FetchError> {
        let published = match &request.place {
            Place::Url { pin, .. } => Some(pin.clone()),
            Place::Hub { .. } => None,
            Place::Program => return Err(request.has_no_file()),
        };
        let path = &self.path(request);
        let read = |source| FetchError::Read {
            path: path.clone(),
            source,
        };
        let file = match open(path) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(CacheStatus::Absent),
            Err(error) => return Err(read(error)),
        };
        let found = sha256(&file).map_err(read)?;
        let recorded = hash_file::read(path)?;
        let pins: Vec<Pin> = published.into_iter().chain(recorded).collect();
        if pins.is_empty() {
            return Ok(CacheStatus::NoHash { sha256: found });
        }
        let Some(missed) = pins.iter().find(|pin| !pin.matches(&found)) else {
            return Ok(CacheStatus::Right { sha256: found });
        };
        let expected = missed.as_str().to_string();
        remove(path, file, &found, &expected)?;
        Ok(CacheStatus::Wrong { expected, found })
    }
}

/// Removes a wrong file and its hash file.
fn remove(path: &Path, file: File, found: &str, expected: &str) -> Result<(), FetchError> {
    // Another program may have replaced the file while this one hashed it.
    if !is_at(path, file) {
        return Ok(());
    }
    for path in [path, &hash_file::path(path)] {
        match fs::remove_file(path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                let path = path.to_path_buf();
                let why = format!("has the sha256 {found}, expected {expected},");
                return Err(FetchError::Remove { path, why, source });
            }
            _ => {}
        }
    }
    Ok(())
}
