//! An incomplete download: a `.part` file, locked while a program writes to it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use resnet_files::write_atomically;

use super::error::DownloadError;
use crate::fetch::digest::{Pin, Running};
use crate::fetch::disk::{is_at, with_ending};
use crate::fetch::error::FetchError;
use crate::fetch::hash_file;
use crate::fetch::progress::Progress;

/// The first bytes of a file, locked against other programs.
pub(super) struct Part {
    path: PathBuf,
    file: File,
    hash: Running,
    length: u64,
}

impl Part {
    /// Opens the part of an earlier download of the same content, or creates an empty one.
    pub(super) fn open(
        whole: &Path,
        pin: &Pin,
        progress: &dyn Progress,
    ) -> Result<Self, DownloadError> {
        let digits = &pin.as_str()[..pin.as_str().len().min(16)];
        let path = with_ending(whole, &format!(".{digits}.part"));
        let opened = lock(&path, progress).and_then(|mut file| {
            let mut hash = Running::default();
            let length = hash.read(&mut file)?;
            Ok((file, hash, length))
        });
        match opened {
            Ok((file, hash, length)) => Ok(Self {
                path,
                file,
                hash,
                length,
            }),
            Err(source) => Err(DownloadError::Local(FetchError::Write { path, source })),
        }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Returns the SHA-256 of the bytes so far.
    pub(super) fn sha256(&self) -> String {
        self.hash.hex()
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), DownloadError> {
        let written = self.file.write_all(bytes);
        written.map_err(|source| self.error(source))?;
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn restart(&mut self) -> Result<(), DownloadError> {
        let emptied = self.file.set_len(0);
        let emptied = emptied.and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(|source| self.error(source))?;
        self.hash = Running::default();
        self.length = 0;
        Ok(())
    }

    pub(super) fn remove(&self) -> Result<(), DownloadError> {
        match fs::remove_file(&self.path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(DownloadError::Local(FetchError::Remove {
                    path: self.path.clone(),
                    why: "is of no use".into(),
                    source,
                }))
            }
            _ => Ok(()),
        }
    }

    /// Renames the part to the complete file. Writes the hash file first, so that no file appears
    /// without a hash.
    pub(super) fn finish(&self, whole: &Path, sha256: &str) -> Result<(), DownloadError> {
        self.file.sync_all().map_err(|source| self.error(source))?;
        let there = |source| {
            let path = whole.to_path_buf();
            DownloadError::Local(FetchError::Write { path, source })
        };
        let name = whole.file_name().unwrap_or_default().to_string_lossy();
        let line = hash_file::line(sha256, &name);
        write_atomically(hash_file::path(whole), line.as_bytes()).map_err(there)?;
        fs::rename(&self.path, whole).map_err(|error| {
            // Do not leave a hash file without its file.
            let _ = fs::remove_file(hash_file::path(whole));
            there(error)
        })?;
        // Only Unix can open and sync a folder.
        #[cfg(unix)]
        if let Some(folder) = whole.parent() {
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(there)?;
        }
        Ok(())
    }

    fn error(&self, source: io::Error) -> DownloadError {
        let path = self.path.clone();
        DownloadError::Local(FetchError::Write { path, source })
    }
}

/// Opens and locks the file. Waits while another program holds the lock. The operating system
/// releases the lock of a program that ends.
fn lock(path: &Path, progress: &dyn Progress) -> io::Result<File> {
    let mut told = false;
    loop {
        // A symbolic link could lead to a file of another user, and a pipe could block.
        if fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
            return Err(io::Error::other("is in the way and not a file; remove it"));
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let locked = match file.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => {
                if !told {
                    let path = path.display();
                    progress.note(&format!(
                        "`{path}`: another program is downloading it; waiting"
                    ));
                    told = true;
                }
                file.lock()
            }
            Err(TryLockError::Error(error)) => Err(error),
        };
        match locked {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // Some network file systems do not support locks. Two simultaneous downloads would
            // corrupt each other there, and the hash check would detect it.
            Err(error) => {
                let path = path.display();
                progress.note(&format!(
                    "`{path}`: cannot be locked ({error}); do not start a second download of it"
                ));
                return Ok(file);
            }
        }
        // The previous holder of the lock may have renamed or removed the file since it was opened
        // here.
        if is_at(path, file.try_clone()?) {
            return Ok(file);
        }
    }
}
