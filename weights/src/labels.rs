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
    /// Reads the labels of a text file, one a line; a byte order mark and empty lines at the end are
    /// left out. Where no such file exists, the names of [`named`](Self::named) work as well.
    ///
    /// # Errors
    ///
    /// If the file cannot be read as UTF-8 text.
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

    /// Returns built-in labels by name: `imagenet1k`, `imagenet12k` or `cifar10`.
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
            _ => return None,
        }))
    }

    /// Returns the labels that a network's name implies: CIFAR-10's for a `cifar_` network of ten
    /// classes, and numbers for any other. A number of classes alone tells nothing.
    pub fn of_network(name: Option<&str>, classes: usize) -> Self {
        let cifar = name.is_some_and(|name| name.starts_with("cifar_"));
        match (cifar, classes) {
            (true, 10) => Self::named("cifar10").unwrap_or_else(|| Self::numbered(10)),
            _ => Self::numbered(classes),
        }
    }

    /// Whether these are numbers in place of names.
    pub fn are_numbers(&self) -> bool {
        *self == Self::numbered(self.len())
    }

    /// Numbers in place of names: `class 0`, `class 1`, ….
    pub fn numbered(classes: usize) -> Self {
        (0..classes).map(|class| format!("class {class}")).collect()
    }

    /// These labels, if there is one for each class.
    ///
    /// # Errors
    ///
    /// If their number is another; the message begins with `origin`. A network with a single
    /// logit may have two labels, one for each of its outcomes.
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
