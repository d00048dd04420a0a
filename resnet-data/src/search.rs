//! A search for files below a folder.

use std::ffi::OsStr;
use std::fs::{self, FileType};
use std::path::{Path, PathBuf};

use resnet_image::has_image_ending;
use walkdir::{DirEntry, WalkDir};

use crate::{BadImage, Skipped};

/// The image files below a folder, sorted by name.
///
/// The search follows links. It leaves out hidden files and folders, and `__MACOSX`, which macOS
/// adds to archives.
#[derive(Clone, Debug, Default)]
pub struct ImageFiles {
    /// The files with an image file extension. An unreadable entry has the reason instead of the
    /// path.
    pub found: Vec<Result<PathBuf, BadImage>>,
    /// All other files.
    pub skipped: Skipped,
}

impl ImageFiles {
    /// Searches a folder and its subfolders. Never opens a file.
    ///
    /// Lists as unreadable: broken links, link cycles, folders without permission, and pipes or
    /// devices with an image file extension.
    pub fn below(folder: impl AsRef<Path>) -> Self {
        let mut files = Self::default();
        for entry in walk(folder.as_ref(), usize::MAX) {
            match entry {
                Found::Folder(_) => {}
                Found::File(path) if has_image_ending(&path) => files.found.push(Ok(path)),
                Found::File(path) => files.skipped.add(&path),
                Found::Unreadable(image) => files.found.push(Err(image)),
            }
        }
        files
    }
}

/// An entry found by the search.
pub(crate) enum Found {
    Folder(DirEntry),
    File(PathBuf),
    Unreadable(BadImage),
}

/// Iterates over the entries of a folder down to a depth, sorted by name. Follows links.
///
/// An entry that is neither a regular file nor named like an image counts as a file, because it is
/// never opened.
pub(crate) fn walk(folder: &Path, depth: usize) -> impl Iterator<Item = Found> {
    let mut entries = WalkDir::new(folder)
        .min_depth(1)
        .max_depth(depth)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| !is_hidden(entry.file_name()));
    let next = move || loop {
        match entries.next()? {
            Ok(entry) if entry.file_type().is_dir() => {
                let Some(target) = leads_above(entry.path()) else {
                    return Some(Found::Folder(entry));
                };
                entries.skip_current_dir();
                return Some(circle(entry.path(), &target));
            }
            Ok(entry) if !entry.file_type().is_file() && has_image_ending(entry.path()) => {
                let found = kind(entry.file_type());
                let reason = format!("expected a file, found {found}");
                return Some(unreadable(entry.path(), reason));
            }
            Ok(entry) => return Some(Found::File(entry.into_path())),
            Err(error) => match not_found(&error) {
                Some(found) => return Some(found),
                None => continue,
            },
        }
    };
    std::iter::from_fn(next)
}

/// Returns the target of a link if it is a parent folder of the link. The search would never end in
/// such a cycle.
pub(crate) fn leads_above(path: &Path) -> Option<PathBuf> {
    if !path.is_symlink() {
        return None;
    }
    let target = path.canonicalize().ok()?;
    let holder = path.parent()?;
    let holder = match holder.as_os_str().is_empty() {
        true => Path::new("."),
        false => holder,
    };
    holder
        .canonicalize()
        .ok()?
        .starts_with(&target)
        .then_some(target)
}

fn circle(path: &Path, target: &Path) -> Found {
    let target = target.display();
    unreadable(
        path,
        format!("expected a folder, found a link to `{target}`, which holds the link"),
    )
}

fn unreadable(path: &Path, reason: String) -> Found {
    Found::Unreadable(BadImage {
        name: path.to_string_lossy().into_owned(),
        reason,
    })
}

fn not_found(error: &walkdir::Error) -> Option<Found> {
    let path = error.path()?;
    if error.depth() > 0 && path.file_name().is_some_and(is_hidden) {
        return None;
    }
    if let Some(ancestor) = error.loop_ancestor() {
        return Some(circle(path, ancestor));
    }
    let cause = error
        .io_error()
        .map_or_else(String::new, ToString::to_string);
    if !path.is_symlink() {
        let reason = format!("expected a folder that can be searched: {cause}");
        return Some(unreadable(path, reason));
    }
    // Skips a link named `notes.txt` like a file with this name.
    if path.extension().is_some() && !has_image_ending(path) {
        return Some(Found::File(path.into()));
    }
    let target = fs::read_link(path).unwrap_or_default();
    let reason = format!(
        "expected an image, found a link to `{}`, which cannot be followed: {cause}",
        target.display()
    );
    Some(unreadable(path, reason))
}

/// Returns whether the search leaves out a file or folder because of its name.
pub(crate) fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".") || name == "__MACOSX"
}

/// Describes an entry that is not a regular file.
#[cfg(unix)]
fn kind(file: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match file {
        file if file.is_dir() => "a folder",
        file if file.is_fifo() => "a named pipe",
        file if file.is_socket() => "a socket",
        file if file.is_char_device() || file.is_block_device() => "a device",
        _ => "something else",
    }
}

#[cfg(not(unix))]
fn kind(file: FileType) -> &'static str {
    match file.is_dir() {
        true => "a folder",
        false => "something else",
    }
}
