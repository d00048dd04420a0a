//! The layout of a folder: which subfolders are classes, and which are splits for training and
//! validation.

mod advice;
mod listing;

use std::path::{Path, PathBuf};

use self::advice::{counted, excerpt, named};
use self::listing::{Folder, Listing, Part, has_image, has_image_inside};
use crate::dataset::DataError;
use crate::folder::unsearchable;
use crate::{ImageFiles, Layout};

const SORT: &str = "sort the images into one folder for each class";

/// The purpose of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Train,
    Evaluate,
}

/// The folders that hold the classes.
#[derive(Debug)]
pub(crate) struct Folders {
    /// The folder to train on or to evaluate.
    pub(crate) first: PathBuf,
    /// The folder to validate on, if there is one.
    pub(crate) valid: Option<PathBuf>,
    pub(crate) notes: Vec<String>,
}

/// Returns whether a folder has the binary files of CIFAR-10 or CIFAR-100.
pub(crate) fn is_cifar(folder: &Path) -> bool {
    ["data_batch_1.bin", "train.bin"]
        .iter()
        .any(|name| folder.join(name).is_file())
}

/// Decides which folders hold the classes.
pub(crate) fn folders(root: &Path, layout: Layout, purpose: Purpose) -> Result<Folders, DataError> {
    let listing = list(root)?;
    if listing.folders.is_empty() {
        return Err(no_folders(root, &listing));
    }
    let one = |folder: &Path| Folders {
        first: folder.into(),
        valid: None,
        notes: Vec::new(),
    };
    if layout == Layout::Classes {
        check_count(root, &listing, purpose)?;
        return Ok(one(root));
    }
    let train = listing.parts(Part::Train);
    let valid = match listing.parts(Part::Valid) {
        valid if valid.is_empty() => listing.parts(Part::Test),
        valid => valid,
    };
    if train.is_empty() && valid.is_empty() {
        check_classes(root, &listing, purpose)?;
        return Ok(one(root));
    }
    for (folders, what) in [(&train, "train from"), (&valid, "validate with")] {
        if folders.len() > 1 {
            return Err(DataError::Unclear {
                path: root.into(),
                expected: format!("one folder to {what}"),
                found: format!("{}: {}", named(folders), excerpt(&listing)),
                advice: "move all but one of them elsewhere, or pass the one you mean".into(),
            });
        }
    }
    match (train.first(), valid.first(), purpose) {
        (None, Some(valid), _) => {
            only_valid(root, &listing, valid, purpose).map(|()| one(&valid.path))
        }
        (Some(train), valid, _) => parts(root, &listing, train, valid.copied(), purpose),
        (None, None, _) => Ok(one(root)),
    }
}

/// Decides the folders if there is a training split.
fn parts(
    root: &Path,
    listing: &Listing,
    train: &Folder,
    valid: Option<&Folder>,
    purpose: Purpose,
) -> Result<Folders, DataError> {
    let mut notes = Vec::new();
    let mut valid = valid;
    let inside = list(&train.path)?;
    if let (Some(folder), false) = (valid, inside.folders.is_empty()) {
        let unsorted = list(&folder.path)?;
        // Competitions publish test images without labels, so predictions on them cannot be scored.
        if folder.part() == Some(Part::Test) && unsorted.folders.is_empty() && unsorted.images > 0 {
            notes.push(format!(
                "`{}`: left out, as its {} are not in class folders",
                folder.path.display(),
                counted(unsorted.images, "image")
            ));
            valid = None;
        }
    }
    if let (Purpose::Evaluate, Some(valid)) = (purpose, valid) {
        let others = listing.parts(Part::Test);
        if let (Some(Part::Valid), Some(test)) = (valid.part(), others.first()) {
            notes.push(format!(
                "evaluating `{}`; pass `{}` for the other images",
                valid.path.display(),
                test.path.display()
            ));
        }
        check_classes(&valid.path, &list(&valid.path)?, purpose)?;
        return Ok(Folders {
            first: valid.path.clone(),
            valid: None,
            notes,
        });
    }
    if inside.folders.is_empty() {
        return Err(unsorted(root, listing, train, &inside));
    }
    check_classes(&train.path, &inside, purpose)?;
    if let Some(valid) = valid {
        check_classes(&valid.path, &list(&valid.path)?, Purpose::Evaluate)?;
    }
    if purpose == Purpose::Evaluate {
        let train = train.path.display();
        notes.push(format!(
            "evaluating the training images, `{train}`, as there are no others"
        ));
    }
    notes.extend(beside(root, listing, &train.name));
    Ok(Folders {
        first: train.path.clone(),
        valid: valid.map(|valid| valid.path.clone()),
        notes,
    })
}

/// Returns a note about images that lie beside the training split and in no other split.
fn beside(root: &Path, listing: &Listing, train: &str) -> Option<String> {
    let images = |folder: &Folder| ImageFiles::below(&folder.path).found.len();
    let others = listing.folders.iter();
    let others = others.filter(|folder| folder.part().is_none());
    let others = others.map(|folder| (images(folder), folder));
    let (counts, folders): (Vec<usize>, Vec<&Folder>) =
        others.filter(|(images, _)| *images > 0).unzip();
    let images = listing.images + counts.iter().sum::<usize>();
    if images == 0 {
        return None;
    }
    let place = match folders.is_empty() {
        true => String::new(),
        false => format!(" in {}", named(&folders)),
    };
    Some(format!(
        "`{}`: {}{place} left out, beside `{train}`",
        root.display(),
        counted(images, "image"),
    ))
}

/// Checks a folder with a validation split and no training split, which suffices only for
/// evaluation.
fn only_valid(
    root: &Path,
    listing: &Listing,
    valid: &Folder,
    purpose: Purpose,
) -> Result<(), DataError> {
    let others = listing.folders.iter();
    let others: Vec<&Folder> = others
        .filter(|folder| folder.part().is_none())
        .filter(|folder| has_image(&folder.path) || has_image_inside(&folder.path))
        .collect();
    let name = &valid.name;
    if !others.is_empty() {
        return Err(DataError::Unclear {
            path: root.into(),
            expected:
                "one folder for each class, or the folders `train` and `val` with class folders"
                    .into(),
            found: format!("`{name}` beside {}: {}", named(&others), excerpt(listing)),
            advice: format!(
                "move the classes to train from into `{}`, or pass `Layout::Classes` if `{name}` is a class",
                root.join("train").display()
            ),
        });
    }
    if purpose == Purpose::Train {
        return Err(DataError::Unclear {
            path: root.into(),
            expected: "a folder `train` with one folder for each class".into(),
            found: excerpt(listing),
            advice: format!(
                "pass `{}` to train from it alone, or `Layout::Classes` if its folders are classes",
                valid.path.display()
            ),
        });
    }
    check_classes(&valid.path, &list(&valid.path)?, purpose)
}

/// Checks that the subfolders are classes.
fn check_classes(folder: &Path, listing: &Listing, purpose: Purpose) -> Result<(), DataError> {
    if listing.folders.is_empty() {
        return Err(no_folders(folder, listing));
    }
    let nested = |inner: &&Folder| !has_image(&inner.path) && has_image_inside(&inner.path);
    let nested: Vec<&Folder> = listing.folders.iter().filter(nested).collect();
    let all_parts = listing
        .folders
        .iter()
        .all(|inner| Part::is_hinted(&inner.name));
    let some_part = listing.folders.iter().any(|inner| inner.part().is_some());
    if nested.is_empty() && !all_parts && !some_part {
        return check_count(folder, listing, purpose);
    }
    let found = match nested.as_slice() {
        [] => format!("names of splits: {}", excerpt(listing)),
        nested => format!(
            "folders of folders in {}: {}",
            named(nested),
            excerpt(listing)
        ),
    };
    let advice = advice::paths(folder);
    let advice = advice.unwrap_or_else(|| SORT.into());
    let classes = match listing.folders.len() {
        1 => "",
        _ => ", or add `Layout::Classes` if each of these folders is a class",
    };
    Err(DataError::Unclear {
        path: folder.into(),
        expected: "one folder of images for each class".into(),
        found,
        advice: advice + classes,
    })
}

/// Checks that there are at least two classes to train on.
fn check_count(folder: &Path, listing: &Listing, purpose: Purpose) -> Result<(), DataError> {
    if purpose == Purpose::Evaluate || listing.folders.len() > 1 {
        return Ok(());
    }
    Err(DataError::Unclear {
        path: folder.into(),
        expected: "two classes or more".into(),
        found: format!("one: {}", excerpt(listing)),
        advice: advice::table(&listing.tables)
            .unwrap_or_else(|| "pass a folder with one folder of images for each class".into()),
    })
}

fn list(folder: &Path) -> Result<Listing, DataError> {
    Listing::of(folder).map_err(|source| unsearchable(folder, source))
}

/// The error for a folder without subfolders.
fn no_folders(folder: &Path, listing: &Listing) -> DataError {
    let advice = match (advice::table(&listing.tables), folder.parent()) {
        (Some(advice), _) => advice,
        (None, Some(above)) if listing.images > 0 && above.components().next().is_some() => {
            format!(
                "pass `{}` if this folder is one class of several, or sort the images into one folder for each class",
                above.display()
            )
        }
        _ => SORT.into(),
    };
    DataError::Unclear {
        path: folder.into(),
        expected: "one folder of images per class".into(),
        found: match listing.images {
            0 => "no folder inside".into(),
            images => format!("no folder inside, but {}", counted(images, "image")),
        },
        advice,
    }
}

/// The error for training images that are not in class folders.
fn unsorted(root: &Path, listing: &Listing, train: &Folder, inside: &Listing) -> DataError {
    let name = &train.name;
    let sort = advice::table(&listing.tables)
        .or_else(|| advice::table(&inside.tables))
        .unwrap_or_else(|| SORT.into());
    DataError::Unclear {
        path: root.into(),
        expected: format!("one folder for each class in `{name}`"),
        found: format!("none: {}", excerpt(listing)),
        advice: format!("{sort}, or pass `Layout::Classes` if `{name}` is a class"),
    }
}
