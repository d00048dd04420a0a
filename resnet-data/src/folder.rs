//! Datasets with one folder per class.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use resnet_image::has_image_ending;

use crate::dataset::{DataError, Dataset, Findings, Sample, SampleLabels, Source};
use crate::search::{Found, walk};
use crate::{BadImage, ImageFiles, Skipped};

impl Dataset {
    /// Reads `FOLDER/CLASS/**/IMAGE` as torchvision's `ImageFolder` does, with classes and images
    /// in the order of their names.
    ///
    /// Leaves out and [counts](Self::skipped) files without an image file extension. Ignores hidden
    /// files. [Lists](Self::unreadable) unreadable files. [`open`](Self::open) also checks that the
    /// folders are classes.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder cannot be searched or has no subfolder, if a subfolder has no
    /// image, or if nothing is readable.
    pub fn folder(folder: impl AsRef<Path>) -> Result<Self, DataError> {
        let folder = folder.as_ref();
        fs::read_dir(folder).map_err(|source| unsearchable(folder, source))?;
        let mut classes = Vec::new();
        let mut samples = Vec::new();
        let mut findings = Findings::default();
        for entry in walk(folder, 1) {
            let class = match entry {
                Found::Folder(class) => class,
                Found::File(path) if has_image_ending(&path) => {
                    findings.skipped.add_beside();
                    continue;
                }
                Found::File(path) => {
                    findings.skipped.add(&path);
                    continue;
                }
                // An unreadable image here cannot be a class, as torchvision takes only folders.
                Found::Unreadable(image) if has_image_ending(&image.name) => {
                    findings.skipped.add_beside();
                    continue;
                }
                Found::Unreadable(image) => {
                    findings.unreadable.push(image);
                    continue;
                }
            };
            let before = samples.len();
            let ImageFiles { found, skipped } = ImageFiles::below(class.path());
            let mut unreadable = Vec::new();
            for file in found {
                match file {
                    Ok(path) => samples.push(Sample {
                        source: Source::File(path),
                        labels: SampleLabels::One(classes.len()),
                    }),
                    Err(image) => unreadable.push(image),
                }
            }
            if samples.len() == before && unreadable.is_empty() {
                return Err(DataError::Form {
                    path: class.path().into(),
                    expected: "images of the class that the folder is named after".into(),
                    found: none(&skipped),
                });
            }
            findings.skipped.merge(&skipped);
            findings.unreadable.append(&mut unreadable);
            classes.push(class.file_name().to_string_lossy().into_owned());
        }
        let mut known = HashSet::new();
        if let Some(name) = classes.iter().find(|name| !known.insert(name.as_str())) {
            return Err(DataError::Form {
                path: folder.into(),
                expected: "folders with different names in UTF-8".into(),
                found: format!("two that read `{name}`"),
            });
        }
        if classes.is_empty() {
            return Err(DataError::Form {
                path: folder.into(),
                expected: "one folder of images per class".into(),
                found: "no folder inside".into(),
            });
        }
        if let (true, [BadImage { name, reason }, ..]) =
            (samples.is_empty(), findings.unreadable.as_slice())
        {
            return Err(DataError::Form {
                path: folder.into(),
                expected: "images that can be read".into(),
                found: format!("none: `{name}`: {reason}"),
            });
        }
        let mut data = Self::new(classes, samples);
        data.findings = findings;
        Ok(data)
    }
}

/// Describes a folder without images.
fn none(skipped: &Skipped) -> String {
    match skipped.is_empty() {
        true => "none".into(),
        false => format!("none: {skipped}"),
    }
}

pub(crate) fn unsearchable(folder: &Path, source: std::io::Error) -> DataError {
    DataError::Io {
        path: folder.into(),
        expected: "a folder that can be searched",
        source,
    }
}
