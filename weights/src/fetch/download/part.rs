use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::trouble::Trouble;
use crate::fetch::cache::{hash_file, hash_line, is_at, with_ending};
use crate::fetch::digest::{Pin, Running};
use crate::fetch::error::FetchError;
use crate::fetch::progress::Progress;
use crate::write_atomically;

/// The beginning of a file, locked: no other program adds to it while this one does.
pub(super) struct Part {
    path: PathBuf,
    file: File,
    hash: Running,
    length: u64,
}

impl Part {
    /// Opens what an earlier download of this content has left, or makes an empty file.
    pub(super) fn open(whole: &Path, pin: &Pin, progress: &dyn Progress) -> Result<Self, Trouble> {
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
            Err(source) => Err(Trouble::Here(FetchError::Write { path, source })),
        }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The sha256 of what is there.
    pub(super) fn sha256(&self) -> String {
        self.hash.hex()
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        let written = self.file.write_all(bytes);
        written.map_err(|source| self.error(source))?;
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn restart(&mut self) -> Result<(), Trouble> {
        let emptied = self.file.set_len(0);
        let emptied = emptied.and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map_err(|source| self.error(source))?;
        self.hash = Running::default();
        self.length = 0;
        Ok(())
    }

    pub(super) fn remove(&self) -> Result<(), Trouble> {
        match fs::remove_file(&self.path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(Trouble::Here(FetchError::Remove {
                    path: self.path.clone(),
                    why: "is of no use".into(),
                    source,
                }))
            }
            _ => Ok(()),
        }
    }

    /// Makes it the whole file, with its hash beside it first: a file is never seen without.
    pub(super) fn finish(&self, whole: &Path, sha256: &str) -> Result<(), Trouble> {
        self.file.sync_all().map_err(|source| self.error(source))?;
        let there = |source| {
            let path = whole.to_path_buf();
            Trouble::Here(FetchError::Write { path, source })
        };
        let name = whole.file_name().unwrap_or_default().to_string_lossy();
        write_atomically(hash_file(whole), hash_line(sha256, &name).as_bytes()).map_err(there)?;
        fs::rename(&self.path, whole).map_err(|error| {
            // A hash without a file would be left behind otherwise.
            let _ = fs::remove_file(hash_file(whole));
            there(error)
        })?;
        // Only Unix lets a folder be opened and synced.
        #[cfg(unix)]
        if let Some(folder) = whole.parent() {
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(there)?;
        }
        Ok(())
    }

    fn error(&self, source: io::Error) -> Trouble {
        let path = self.path.clone();
        Trouble::Here(FetchError::Write { path, source })
    }
}

/// Waits until no other program has the file. The system lets go of the lock of a program that ends in any way.
fn lock(path: &Path, progress: &dyn Progress) -> io::Result<File> {
    let mut told = false;
    loop {
        // A link could lead to a file of someone else, and a pipe could keep us waiting.
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
            // Some network file systems have no locks. Two downloads at once would spoil each other there, and
            // the hash would tell.
            Err(error) => {
                let path = path.display();
                progress.note(&format!(
                    "`{path}`: cannot be locked ({error}); do not start a second download of it"
                ));
                return Ok(file);
            }
        }
        // Whoever had the lock has renamed or removed the file since it was opened.
        if is_at(path, file.try_clone()?) {
            return Ok(file);
        }
    }
}
