//! Class names.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The class names of a network, by index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels(Vec<String>);

/// The error for an unusable label file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelsError {
    /// The file cannot be read.
    #[error("`{}`: cannot be read; expected a text file with one label a line", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The number of labels differs from the number of classes.
    #[error(
        "{origin}: expected {expected} labels, one for each class of the network, found {found}"
    )]
    Count {
        /// The source of the labels.
        origin: String,
        /// The number of classes of the network.
        expected: usize,
        /// The number of labels.
        found: usize,
    },
}

impl Labels {
    /// Reads the labels of a text file with one label per line. A byte order mark and empty lines
    /// at the end are ignored. If no such file exists, `path` may also be a name that
    /// [`named`](Self::named) accepts.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read as UTF-8 text.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LabelsError> {
        let path = path.as_ref();
        let built_in = path.to_str().filter(|_| !path.exists());
        if let Some(labels) = built_in.and_then(Self::named) {
            return Ok(labels);
        }
        let text = read(path).map_err(|source| LabelsError::Read {
            path: path.into(),
            source,
        })?;
        Ok(Self::from_lines(&text))
    }

    /// Returns built-in labels by name: `imagenet1k`, `imagenet12k`, `cifar10`,
    /// `coco91` (the category ids of COCO) or `voc21` (Pascal VOC with background).
    ///
    /// ```
    /// use resnet_weights::Labels;
    ///
    /// assert_eq!(Labels::named("imagenet1k").unwrap().get(281), "tabby");
    /// assert_eq!(Labels::named("cifar10").unwrap().get(3), "cat");
    /// assert!(Labels::named("pets").is_none());
    /// ```
    pub fn named(name: &str) -> Option<Self> {
        Some(Self::from_lines(match name {
            "imagenet1k" => include_str!("labels/imagenet1k.txt"),
            "imagenet12k" => include_str!("labels/imagenet12k.txt"),
            "cifar10" => include_str!("labels/cifar10.txt"),
            "coco91" => include_str!("labels/coco91.txt"),
            "voc21" => include_str!("labels/voc21.txt"),
            _ => return None,
        }))
    }

    /// Returns the labels that the name of a network implies: the CIFAR-10 classes for a `cifar_`
    /// network with ten classes, and numbers for any other. The number of classes alone implies no
    /// labels.
    pub fn of_network(name: Option<&str>, classes: usize) -> Self {
        let cifar = name.is_some_and(|name| name.starts_with("cifar_"));
        match (cifar, classes) {
            (true, 10) => Self::named("cifar10").unwrap_or_else(|| Self::numbered(10)),
            _ => Self::numbered(classes),
        }
    }

    /// Returns whether the labels are numbers instead of names.
    pub fn are_numbers(&self) -> bool {
        *self == Self::numbered(self.len())
    }

    /// Returns numbers instead of names: `class 0`, `class 1`, ….
    pub fn numbered(classes: usize) -> Self {
        (0..classes).map(|class| format!("class {class}")).collect()
    }

    /// Returns the labels if there is one for each class. A network with a single logit may have
    /// two labels, one for each outcome.
    ///
    /// # Errors
    ///
    /// Returns an error if the number of labels is different. Its message begins with `origin`.
    pub fn check(self, classes: usize, origin: &str) -> Result<Self, LabelsError> {
        match self.len() {
            found if found == classes => Ok(self),
            2 if classes == 1 => Ok(self),
            found => Err(LabelsError::Count {
                origin: origin.into(),
                expected: classes,
                found,
            }),
        }
    }

    fn from_lines(text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}').trim_end();
        Self(text.lines().map(|line| line.trim().to_string()).collect())
    }

    /// Returns the number of labels.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no labels.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the label of a class, or an empty string if the class does not exist.
    pub fn get(&self, class: usize) -> &str {
        self.0.get(class).map_or("", String::as_str)
    }
}

impl<S: Into<String>> FromIterator<S> for Labels {
    fn from_iter<I: IntoIterator<Item = S>>(labels: I) -> Self {
        Self(labels.into_iter().map(Into::into).collect())
    }
}

fn read(path: &Path) -> io::Result<String> {
    /// The upper limit of the file size, enough for a million labels.
    const MAX_BYTES: u64 = 64 << 20;
    let mut text = String::new();
    File::open(path)?
        .take(MAX_BYTES)
        .read_to_string(&mut text)?;
    Ok(text)
}
