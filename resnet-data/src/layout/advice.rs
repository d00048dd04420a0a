//! Descriptions of folders, and advice, for errors.

use std::path::{Path, PathBuf};

use super::listing::{Folder, Listing, Part, below, folders, has_image};

/// The number of subfolders to show per folder.
const SHOWN: usize = 3;

/// Describes folders and their contents: ``` `data/` (2 folders: `train/` (3 folders), `val/` (3
/// folders)) ```.
pub(super) fn excerpt(listing: &Listing) -> String {
    shown(&listing.folders, 1)
}

fn shown(folders: &[Folder], depth: usize) -> String {
    let mut parts: Vec<String> = folders
        .iter()
        .take(SHOWN)
        .map(|folder| format!("`{}/` ({})", folder.name, inside(&folder.path, depth)))
        .collect();
    if folders.len() > SHOWN {
        parts.push(format!("{} more", folders.len() - SHOWN));
    }
    parts.join(", ")
}

fn inside(folder: &Path, depth: usize) -> String {
    let listing = Listing::of(folder).unwrap_or_default();
    let count = counted(listing.folders.len(), "folder");
    let folders = match listing.folders.is_empty() {
        true => None,
        false if depth == 0 => Some(count),
        false => Some(format!("{count}: {}", shown(&listing.folders, depth - 1))),
    };
    match (listing.images, folders) {
        (0, Some(folders)) => folders,
        (images, None) => counted(images, "image"),
        (images, Some(folders)) => format!("{}, {folders}", counted(images, "image")),
    }
}

/// Formats a count with its noun: `1 image`, `2 images`.
pub(super) fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// Formats the first few names in backticks.
pub(super) fn named(folders: &[&Folder]) -> String {
    let names = folders.iter().take(2 * SHOWN);
    let names: Vec<String> = names.map(|folder| format!("`{}`", folder.name)).collect();
    match folders.len() - names.len() {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

/// Returns the advice to pass one of the paths below a folder that hold a dataset, if there are
/// any.
pub(super) fn paths(folder: &Path) -> Option<String> {
    let mut found: Vec<PathBuf> = Vec::new();
    for candidate in below(folder, 4) {
        let inside_another = found.iter().any(|above| candidate.path.starts_with(above));
        if !inside_another && is_dataset(&candidate.path) {
            found.push(candidate.path);
        }
    }
    let more = if found.len() > SHOWN { ", …" } else { "" };
    let paths = found.iter().take(SHOWN);
    let paths: Vec<String> = paths.map(|path| format!("`{}`", path.display())).collect();
    match paths.as_slice() {
        [] => None,
        [path] => Some(format!("pass {path}")),
        _ => Some(format!("pass one of {}{more}", paths.join(", "))),
    }
}

/// Returns advice that suggests passing one of the tables, preferably the training table. Returns
/// `None` if there are no tables.
pub(super) fn table(tables: &[PathBuf]) -> Option<String> {
    let is_train = |table: &&PathBuf| {
        let stem = table.file_stem().unwrap_or_default().to_string_lossy();
        Part::named(&stem) == Some(Part::Train)
    };
    let table = tables.iter().find(is_train).or(tables.first())?;
    Some(format!("pass the table `{}`", table.display()))
}

/// Returns whether a folder looks like a dataset.
fn is_dataset(folder: &Path) -> bool {
    if super::is_cifar(folder) {
        return true;
    }
    let inside = folders(folder);
    let is_train = |folder: &&Folder| folder.part() == Some(Part::Train);
    match inside.iter().find(is_train) {
        Some(train) => are_classes(&folders(&train.path)),
        None => are_classes(&inside),
    }
}

/// Returns whether at least two of the first folders have images, and no folder has the name of a
/// split.
fn are_classes(folders: &[Folder]) -> bool {
    let few = folders.iter().take(20);
    let with_images = few.filter(|folder| has_image(&folder.path)).count();
    with_images >= 2 && folders.iter().all(|folder| folder.part().is_none())
}
