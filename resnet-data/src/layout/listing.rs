//! What lies directly in a folder.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use resnet_image::has_image_ending;

use crate::search::{is_hidden, leads_above};

/// What lies directly in a folder, sorted by name, without what is hidden.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) folders: Vec<Folder>,
    pub(super) images: usize,
    /// Files that may be tables.
    pub(super) tables: Vec<PathBuf>,
}

/// A folder inside another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Folder {
    pub(super) name: String,
    pub(super) path: PathBuf,
}

/// What a folder with images is for, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Train,
    Valid,
    Test,
}

impl Part {
    /// The part that a folder is named after, in any case.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Self::Train),
            "val" | "valid" | "validation" | "dev" => Some(Self::Valid),
            "test" | "testing" | "eval" => Some(Self::Test),
            _ => None,
        }
    }

    /// Whether a name begins as that of a part: `train_set`, `test2017`, `ValidationData`.
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
            // Links are followed; what leads nowhere is told when images are looked for.
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

    /// The folders that are named after a part.
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

/// The folders directly in a folder; none where it cannot be read.
pub(super) fn folders(folder: &Path) -> Vec<Folder> {
    Listing::of(folder).map_or_else(|_| Vec::new(), |listing| listing.folders)
}

/// Whether an image lies directly in a folder.
pub(super) fn has_image(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files = entries.filter(|entry| !is_hidden(&entry.file_name()));
    files.any(|entry| has_image_ending(entry.file_name()) && !entry.path().is_dir())
}

/// Whether an image lies in a folder inside a folder, a few folders down.
pub(super) fn has_image_inside(folder: &Path) -> bool {
    below(folder, 4).any(|folder| has_image(&folder.path))
}

/// The folders in a folder down to a depth, the upper ones first. Not many, so that a large disk is not searched.
pub(super) fn below(folder: &Path, depth: usize) -> impl Iterator<Item = Folder> {
    const MOST: usize = 500;
    let first = folders(folder).into_iter().map(|folder| (folder, 1));
    let mut waiting: VecDeque<(Folder, usize)> = first.collect();
    let next = move || {
        let (folder, level) = waiting.pop_front()?;
        // A link may lead back up.
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
