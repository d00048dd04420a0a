//! The contents of a folder.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use resnet_image::has_image_ending;

use crate::search::{is_hidden, leads_above};

/// The direct contents of a folder, sorted by name, without hidden entries.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) folders: Vec<Folder>,
    pub(super) images: usize,
    /// The files that may be tables.
    pub(super) tables: Vec<PathBuf>,
}

/// A subfolder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Folder {
    pub(super) name: String,
    pub(super) path: PathBuf,
}

/// A split, as the name of its folder says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Train,
    Valid,
    Test,
}

impl Part {
    /// Returns the split with this name, in any case.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Self::Train),
            "val" | "valid" | "validation" | "dev" => Some(Self::Valid),
            "test" | "testing" | "eval" => Some(Self::Test),
            _ => None,
        }
    }

    /// Returns whether a name starts like the name of a split: `train_set`, `test2017`,
    /// `ValidationData`.
    pub(super) fn is_hinted(name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let end = name.find(|c: char| !c.is_ascii_alphabetic());
        let word = &name[..end.unwrap_or(name.len())];
        let without = ["set", "data", "images", "imgs", "dataset"];
        let without = without.iter().filter_map(|end| word.strip_suffix(end));
        without
            .chain([word])
            .any(|word| Self::named(word).is_some())
    }
}

impl Folder {
    pub(super) fn part(&self) -> Option<Part> {
        Part::named(&self.name)
    }
}

impl Listing {
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        let mut listing = Self::default();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if is_hidden(&entry.file_name()) {
                continue;
            }
            let path = entry.path();
            // Follows links. The image search reports broken links later.
            let kind = match entry.file_type() {
                Ok(kind) if kind.is_symlink() => {
                    fs::metadata(&path).map(|metadata| metadata.file_type())
                }
                kind => kind,
            };
            let Ok(kind) = kind else { continue };
            if kind.is_dir() && leads_above(&path).is_some() {
                continue;
            }
            if kind.is_dir() {
                let name = entry.file_name().to_string_lossy().into_owned();
                listing.folders.push(Folder { name, path });
            } else if kind.is_file() && has_image_ending(&path) {
                listing.images += 1;
            } else if kind.is_file() && is_table(&path) {
                listing.tables.push(path);
            }
        }
        listing.folders.sort();
        listing.tables.sort();
        Ok(listing)
    }

    /// Returns the folders with the name of a split.
    pub(super) fn parts(&self, part: Part) -> Vec<&Folder> {
        let folders = self.folders.iter();
        folders
            .filter(|folder| folder.part() == Some(part))
            .collect()
    }
}

fn is_table(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default();
    ["csv", "tsv"]
        .iter()
        .any(|table| ending.eq_ignore_ascii_case(table))
}

/// Returns the subfolders of a folder, or an empty list if the folder is unreadable.
pub(super) fn folders(folder: &Path) -> Vec<Folder> {
    Listing::of(folder).map_or_else(|_| Vec::new(), |listing| listing.folders)
}

/// Returns whether a folder directly contains an image.
pub(super) fn has_image(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files = entries.filter(|entry| !is_hidden(&entry.file_name()));
    files.any(|entry| has_image_ending(entry.file_name()) && !entry.path().is_dir())
}

/// Returns whether a subfolder contains an image, down to four levels.
pub(super) fn has_image_inside(folder: &Path) -> bool {
    below(folder, 4).any(|folder| has_image(&folder.path))
}

/// Iterates over the folders below a folder down to a depth, upper levels first. Stops after 500,
/// so that it does not search a whole disk.
pub(super) fn below(folder: &Path, depth: usize) -> impl Iterator<Item = Folder> {
    const MOST: usize = 500;
    let first = folders(folder).into_iter().map(|folder| (folder, 1));
    let mut waiting: VecDeque<(Folder, usize)> = first.collect();
    let next = move || {
        let (folder, level) = waiting.pop_front()?;
        // A link may lead to a parent folder.
        if level < depth && !folder.path.is_symlink() {
            waiting.extend(
                folders(&folder.path)
                    .into_iter()
                    .map(|inner| (inner, level + 1)),
            );
        }
        Some(folder)
    };
    std::iter::from_fn(next).take(MOST)
}
