use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::digest::{Pin, sha256};
use super::error::FetchError;
use super::fetcher::{Found, Origin};
use super::progress::Progress;
use super::wanted::{Place, Wanted};

/// Our folder: files under their own names, each with its hash in a file beside it.
pub(super) struct Cache<'a> {
    pub(super) folder: &'a Path,
    pub(super) progress: &'a dyn Progress,
}

/// What a look at a file of our cache says.
pub(super) enum Look {
    Absent,
    Right { sha256: String },
    NoHash { sha256: String },
    Wrong { expected: String, found: String },
}

impl Cache<'_> {
    pub(super) fn path(&self, wanted: &Wanted) -> PathBuf {
        self.folder.join(&wanted.name)
    }

    pub(super) fn find(&self, wanted: &Wanted) -> Result<Option<Found>, FetchError> {
        let path = self.path(wanted);
        let sha256 = match self.look(wanted)? {
            Look::Absent => return Ok(None),
            Look::Right { sha256 } => sha256,
            Look::NoHash { sha256 } => {
                self.progress.note(&format!(
                    "`{}`: is used unchecked, as no hash of it is recorded",
                    path.display()
                ));
                sha256
            }
            Look::Wrong { expected, found } => {
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

    /// Checks the file against the publisher's hash, or the recorded one. A wrong file is removed.
    pub(super) fn look(&self, wanted: &Wanted) -> Result<Look, FetchError> {
        let path = &self.path(wanted);
        let read = |source| FetchError::Read {
            path: path.clone(),
            source,
        };
        let file = match open(path) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(Look::Absent),
            Err(error) => return Err(read(error)),
        };
        let found = sha256(&file).map_err(read)?;
        let published = match &wanted.place {
            Place::Url { pin, .. } => Some(pin.clone()),
            Place::Hub { .. } => None,
        };
        let pins: Vec<Pin> = published.into_iter().chain(recorded(path)?).collect();
        if pins.is_empty() {
            return Ok(Look::NoHash { sha256: found });
        }
        let Some(missed) = pins.iter().find(|pin| !pin.matches(&found)) else {
            return Ok(Look::Right { sha256: found });
        };
        let expected = missed.as_str().to_string();
        self.remove(path, file, &found, &expected)?;
        Ok(Look::Wrong { expected, found })
    }

    fn remove(
        &self,
        path: &Path,
        file: File,
        found: &str,
        expected: &str,
    ) -> Result<(), FetchError> {
        // Another program may have put the right file there while this one was read.
        if !is_at(path, file) {
            return Ok(());
        }
        for path in [path, &hash_file(path)] {
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
}

/// Opens a file, but no pipe, which could keep us waiting for ever.
pub(super) fn open(path: &Path) -> io::Result<File> {
    match fs::metadata(path)?.is_file() {
        true => File::open(path),
        false => Err(io::Error::other("not a file")),
    }
}

/// Nothing is there, or not even the folder it would be in.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Whether this open file is the one that the path leads to.
pub(super) fn is_at(path: &Path, file: File) -> bool {
    let there = same_file::Handle::from_path(path);
    let open = same_file::Handle::from_file(file);
    matches!((there, open), (Ok(there), Ok(open)) if there == open)
}

/// The file with the hash of another.
pub(super) fn hash_file(path: &Path) -> PathBuf {
    with_ending(path, ".sha256")
}

pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

/// The line that `sha256sum --check` reads.
#[cfg_attr(
    not(feature = "download"),
    expect(dead_code, reason = "nothing is downloaded")
)]
pub(super) fn hash_line(sha256: &str, name: &str) -> String {
    format!("{sha256}  {name}\n")
}

/// The hash in the file beside this one, if that file is there. One that holds anything else is an
/// error: taken for missing, it would let any weights pass unchecked.
pub(super) fn recorded(path: &Path) -> Result<Option<Pin>, FetchError> {
    let hash_file = hash_file(path);
    let file = match open(&hash_file) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(source) => {
            let path = hash_file;
            return Err(FetchError::Read { path, source });
        }
    };
    const MAX_BYTES: u64 = 4096;
    let mut text = String::new();
    let read = file.take(MAX_BYTES).read_to_string(&mut text);
    let name = path.file_name().and_then(|name| name.to_str());
    let pin = read.ok().and_then(|_| {
        let (digits, rest) = text.lines().next()?.split_once(' ')?;
        // `sha256sum` writes a second space, or a star.
        let named = rest.strip_prefix([' ', '*'])?;
        Pin::whole(digits).filter(|_| Some(named) == name)
    });
    match pin {
        Some(pin) => Ok(Some(pin)),
        None => Err(FetchError::Recorded { path: hash_file }),
    }
}
