//! From a name or a file to a config.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use resnet_data::AugmentError;
use resnet_image::Preprocessing;
use resnet_weights::OptionError;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::Config;

/// The most bytes that are read of a file.
const LARGEST: u64 = 1 << 20;

/// The recipes that come along.
const RECIPES: [(&str, &str); 8] = [
    ("cifar", include_str!("../../recipes/cifar.toml")),
    ("finetune", include_str!("../../recipes/finetune.toml")),
    (
        "imagenet-a1",
        include_str!("../../recipes/imagenet-a1.toml"),
    ),
    (
        "imagenet-a2",
        include_str!("../../recipes/imagenet-a2.toml"),
    ),
    (
        "imagenet-a3",
        include_str!("../../recipes/imagenet-a3.toml"),
    ),
    ("shapes", include_str!("../../recipes/shapes.toml")),
    (
        "torchvision-v1",
        include_str!("../../recipes/torchvision-v1.toml"),
    ),
    (
        "torchvision-v2",
        include_str!("../../recipes/torchvision-v2.toml"),
    ),
];

/// Why numbers make no run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainConfigError {
    /// No recipe has the name.
    #[error("`{name}`: expected a recipe ({}) or a file ending in `.toml`, found neither", known.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// Those that are.
        known: Vec<&'static str>,
    },
    /// The file cannot be read.
    #[error("`{}`: expected a config in TOML", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The text is no config.
    #[error("line {line}, column {column}: {message}")]
    Toml {
        /// The line, from 1.
        line: usize,
        /// The character of the line, from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// The config in a file is of no use.
    #[error("`{}`", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<Self>,
    },
    /// A number is out of its range.
    #[error("`{field}`: expected {expected}, found {found}")]
    Range {
        /// The field.
        field: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: f64,
    },
    /// A number of the augmentation is out of its range.
    #[error(transparent)]
    Augment(#[from] AugmentError),
    /// The recipe for evaluation cannot be used.
    #[error("`input`")]
    Input(#[from] resnet_image::PreprocessingError),
    /// An option of the network cannot be set.
    #[error("`set`")]
    Set(#[from] OptionError),
    /// Class weights have no place in this loss.
    #[error(
        "`class-weights`: expected one class an image and the cross-entropy, found the binary cross-entropy; leave them out, or set `loss = \"cross-entropy\"`"
    )]
    ClassWeights,
    /// A dataset has no images.
    #[error("expected images to train from, found none")]
    NoImages,
}

impl Config {
    /// The recipes that come along: their names and their text, whose head tells command, time and accuracy.
    pub fn recipes() -> impl Iterator<Item = (&'static str, &'static str)> {
        RECIPES.into_iter()
    }

    /// The recipe of a name, or the config in a file whose name ends in `.toml`.
    ///
    /// # Errors
    ///
    /// If there is neither, or a number is out of its range.
    pub fn open(name: &str) -> Result<Self, TrainConfigError> {
        if let Some((_, text)) = Self::recipes().find(|&(recipe, _)| recipe == name) {
            return Self::from_toml(text);
        }
        let path = Path::new(name);
        if path.extension().is_none_or(|ending| ending != "toml") {
            return Err(TrainConfigError::Unknown {
                name: name.into(),
                known: Self::recipes().map(|(name, _)| name).collect(),
            });
        }
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(LARGEST).read_to_string(&mut text));
        read.map_err(|source| TrainConfigError::Read {
            path: path.into(),
            source,
        })?;
        Self::from_toml(&text).map_err(|error| TrainConfigError::File {
            path: path.into(),
            source: Box::new(error),
        })
    }

    /// The config in a text.
    ///
    /// # Errors
    ///
    /// If it is no TOML, has another field, or a number is out of its range.
    pub fn from_toml(text: &str) -> Result<Self, TrainConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| unread(text, &error))?;
        config.validate()?;
        Ok(config)
    }
}

/// Where a text is no config, and why, in one line.
fn unread(text: &str, error: &toml::de::Error) -> TrainConfigError {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    TrainConfigError::Toml {
        line: 1 + before.matches('\n').count(),
        column: 1 + line.chars().count(),
        message: error.message().trim().replace('\n', "; "),
    }
}

/// Reads the preprocessing, and says in its errors that it is a whole one.
pub(super) fn input<'de, D: Deserializer<'de>>(
    input: D,
) -> Result<Option<Preprocessing>, D::Error> {
    Option::<Preprocessing>::deserialize(input).map_err(|error| {
        let error = error.to_string();
        let cause = error.lines().next().unwrap_or_default();
        D::Error::custom(format!(
            "`input`: {cause}; it replaces all of the weights' preprocessing: write `mean` and `std`, and `resize`, `crop` and `filter` where images need them, or leave `input` out"
        ))
    })
}
