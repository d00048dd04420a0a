//! Lists and removes the files of our cache.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::disk::{is_absent, is_at};
use super::error::FetchError;
use super::fetcher::Fetch;
use super::request::FileRequest;
use crate::PublishedFile;

/// A file in our cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheFile {
    /// The path of the file.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// The kind of file.
    pub kind: CacheFileKind,
}

/// The kind of a file in our cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheFileKind {
    /// Weights.
    Weights,
    /// The SHA-256 of weights.
    Hash,
    /// An incomplete download, which a later call resumes.
    Partial,
}

/// Which files [`Fetch::clean`] removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Clean {
    /// Incomplete downloads.
    Partials,
    /// All files that [`Fetch::list`] returns.
    All,
}

impl Fetch {
    /// Lists the files of `known` weights in our cache, their hashes and their incomplete
    /// downloads, sorted by name. It ignores all other files in the folder.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder exists and cannot be read.
    pub fn list<'a>(
        &self,
        known: impl IntoIterator<Item: Into<PublishedFile<'a>>>,
    ) -> Result<Vec<CacheFile>, FetchError> {
        let read = |source| FetchError::Read {
            path: self.cache().to_path_buf(),
            source,
        };
        let entries = match fs::read_dir(self.cache()) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            Err(error) => return Err(read(error)),
        };
        // Weights without a valid source have no file in the cache.
        let requests = known
            .into_iter()
            .filter_map(|weights| FileRequest::all(weights.into()).ok());
        let files = requests.flatten().filter(FileRequest::is_for_file);
        let known: Vec<String> = files.map(|request| request.name).collect();
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(read)?.path();
            let Some(kind) = kind(&path, &known) else {
                continue;
            };
            // The file may have been removed since the folder was read.
            if let Ok(metadata) = fs::metadata(&path)
                && metadata.is_file()
            {
                let bytes = metadata.len();
                files.push(CacheFile { path, bytes, kind });
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// Removes files from our cache and returns them. Downloads in progress are kept.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder cannot be read or a file cannot be removed.
    pub fn clean<'a>(
        &self,
        known: impl IntoIterator<Item: Into<PublishedFile<'a>>>,
        what: Clean,
    ) -> Result<Vec<CacheFile>, FetchError> {
        let mut removed = Vec::new();
        for file in self.list(known)? {
            let partial = file.kind == CacheFileKind::Partial;
            if what == Clean::Partials && !partial {
                continue;
            }
            // The lock is held until the file is removed.
            let claimed = claim(&file.path);
            if partial && claimed.is_none() {
                let path = file.path.display();
                let note = format!("`{path}`: kept, because its download is in progress");
                self.session.note(&note);
                continue;
            }
            match fs::remove_file(&file.path) {
                Ok(()) => removed.push(file),
                Err(error) if is_absent(&error) => {}
                Err(source) => {
                    return Err(FetchError::Remove {
                        path: file.path,
                        why: "is in the cache".into(),
                        source,
                    });
                }
            }
        }
        Ok(removed)
    }
}

/// Locks a file against downloads; `None` if a download has the lock.
fn claim(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    let free = !matches!(file.try_lock(), Err(TryLockError::WouldBlock));
    (free && is_at(path, file.try_clone().ok()?)).then_some(file)
}

fn kind(path: &Path, known: &[String]) -> Option<CacheFileKind> {
    let name = path.file_name()?.to_str()?;
    let is_known = |name: &str| known.iter().any(|known| known == name);
    if let Some(name) = name.strip_suffix(".sha256") {
        return is_known(name).then_some(CacheFileKind::Hash);
    }
    if let Some(rest) = name.strip_suffix(".part") {
        let (name, digits) = rest.rsplit_once('.')?;
        let hash = (8..=16).contains(&digits.len())
            && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        return (hash && is_known(name)).then_some(CacheFileKind::Partial);
    }
    is_known(name).then_some(CacheFileKind::Weights)
}
