//! Names of classes.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The names of a network's classes, by index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels(Vec<String>);

/// Why a file of labels is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelsError {
    /// The file cannot be read.
    #[error("`{}`: cannot be read; expected a text file with one label a line", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file has another number of labels than the network has classes.
    #[error(
        "{origin}: expected {expected} labels, one for each class of the network, found {found}"
    )]
    Count {
        /// The file.
        origin: String,
        /// Classes of the network.
        expected: usize,
        /// Labels of the file.
        found: usize,
    },
}

impl Labels {
    /// The labels of a text file, one a line; empty lines at the end are left out.
    ///
    /// # Errors
    ///
    /// If the file cannot be read as UTF-8 text.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LabelsError> {
        let path = path.as_ref();
        let text = read(path).map_err(|source| LabelsError::Read {
            path: path.into(),
            source,
        })?;
        Ok(Self::from_lines(&text))
    }

    /// The built-in labels for a number of classes: ImageNet-1k for 1000, ImageNet-12k
    /// for 11821, CIFAR-10 for 10, numbers (`class 7`) for any other.
    ///
    /// ```
    /// use resnet_weights::Labels;
    ///
    /// assert_eq!(Labels::for_classes(1000).get(281), "tabby");
    /// assert_eq!(Labels::for_classes(10).get(3), "cat");
    /// assert_eq!(Labels::for_classes(4).get(3), "class 3");
    /// ```
    pub fn for_classes(classes: usize) -> Self {
        match classes {
            1000 => Self::from_lines(include_str!("labels/imagenet1k.txt")),
            11_821 => Self::from_lines(include_str!("labels/imagenet12k.txt")),
            10 => Self::from_lines(include_str!("labels/cifar10.txt")),
            _ => Self::numbered(classes),
        }
    }

    /// Numbers in place of names: `class 0`, `class 1`, ….
    pub fn numbered(classes: usize) -> Self {
        (0..classes).map(|class| format!("class {class}")).collect()
    }

    /// These labels, if there is one for each class.
    ///
    /// # Errors
    ///
    /// If their number is another; the message begins with `origin`.
    pub fn check(self, classes: usize, origin: &str) -> Result<Self, LabelsError> {
        match self.len() {
            found if found == classes => Ok(self),
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

    /// The number of labels.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The label of a class; empty beyond the last.
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
    /// Room for the labels of a million classes.
    const MAX_BYTES: u64 = 64 << 20;
    let mut text = String::new();
    File::open(path)?
        .take(MAX_BYTES)
        .read_to_string(&mut text)?;
    Ok(text)
}
