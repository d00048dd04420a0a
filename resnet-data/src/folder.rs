//! One folder a class.

use std::path::Path;

use resnet_image::has_image_ending;
use walkdir::{DirEntry, WalkDir};

use crate::dataset::{DataError, Dataset, Labels, Sample, Source};

impl Dataset {
    /// `FOLDER/CLASS/**/IMAGE`, as torchvision's `ImageFolder`: classes and images in the order of their names; files that
    /// do not end as images do are left out, and so is what is hidden.
    ///
    /// # Errors
    ///
    /// If the folder cannot be searched, has no folder inside, or one of those has no image.
    pub fn folder(folder: impl AsRef<Path>) -> Result<Self, DataError> {
        let folder = folder.as_ref();
        let mut classes = Vec::new();
        let mut samples = Vec::new();
        for entry in search(folder, 1) {
            let entry = entry.map_err(|error| unsearchable(folder, error))?;
            if !entry.file_type().is_dir() {
                continue;
            }
            let before = samples.len();
            for file in search(entry.path(), usize::MAX) {
                let file = file.map_err(|error| unsearchable(entry.path(), error))?;
                if file.file_type().is_file() && has_image_ending(file.path()) {
                    samples.push(Sample {
                        source: Source::File(file.into_path()),
                        labels: Labels::One(classes.len()),
                    });
                }
            }
            if samples.len() == before {
                return Err(DataError::Form {
                    path: entry.path().into(),
                    expected: "images of the class that the folder is named after".into(),
                    found: "none".into(),
                });
            }
            classes.push(entry.file_name().to_string_lossy().into_owned());
        }
        match classes.is_empty() {
            true => Err(DataError::Form {
                path: folder.into(),
                expected: "one folder of images a class".into(),
                found: "no folder inside".into(),
            }),
            false => Ok(Self::new(classes, samples)),
        }
    }
}

/// What is in a folder, down to a depth, links followed, by name.
fn search(folder: &Path, depth: usize) -> impl Iterator<Item = Result<DirEntry, walkdir::Error>> {
    let hidden = |entry: &DirEntry| entry.file_name().as_encoded_bytes().starts_with(b".");
    WalkDir::new(folder)
        .min_depth(1)
        .max_depth(depth)
        .follow_links(true)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(move |entry| !hidden(entry))
}

fn unsearchable(folder: &Path, error: walkdir::Error) -> DataError {
    DataError::Io {
        path: error.path().unwrap_or(folder).into(),
        expected: "a folder that can be searched",
        source: error.into(),
    }
}
