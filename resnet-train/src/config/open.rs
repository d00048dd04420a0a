//! Reads a config from a recipe or a file.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use resnet_data::AugmentError;
use resnet_image::Preprocessing;
use resnet_weights::OptionError;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::Config;

/// The maximum number of bytes read from a file.
const LARGEST: u64 = 1 << 20;

/// The built-in recipes.
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

/// The built-in recipes of detection and segmentation.
#[cfg(feature = "dense")]
const DENSE_RECIPES: [(&str, &str); 4] = [
    ("detect", include_str!("../../recipes/detect.toml")),
    ("scenes", include_str!("../../recipes/scenes.toml")),
    (
        "scenes-segment",
        include_str!("../../recipes/scenes-segment.toml"),
    ),
    ("segment", include_str!("../../recipes/segment.toml")),
];
#[cfg(not(feature = "dense"))]
const DENSE_RECIPES: [(&str, &str); 0] = [];

/// An error in a config.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainConfigError {
    /// There is no recipe of this name.
    #[error("`{name}`: expected a recipe ({}) or a file ending in `.toml`, found neither", known.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// The existing recipes.
        known: Vec<&'static str>,
    },
    /// The file cannot be read.
    #[error("`{}`: expected a config in TOML", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The text is not a valid config.
    #[error("line {line}, column {column}: {message}")]
    Toml {
        /// The line, from 1.
        line: usize,
        /// The character in the line, from 1.
        column: usize,
        /// The error of the TOML parser.
        message: String,
    },
    /// The config in a file is invalid.
    #[error("`{}`", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error in its text.
        source: Box<Self>,
    },
    /// A value is out of range.
    #[error("`{field}`: expected {expected}, found {found}")]
    Range {
        /// The field.
        field: &'static str,
        /// The valid range.
        expected: &'static str,
        /// The value.
        found: f64,
    },
    /// A value of the augmentation is out of range.
    #[error(transparent)]
    Augment(#[from] AugmentError),
    /// The preprocessing in `input` is invalid.
    #[error("`input`")]
    Input(#[from] resnet_image::PreprocessingError),
    /// A network option in `set` is invalid.
    #[error("`set`")]
    Set(#[from] OptionError),
    /// The loss does not support class weights.
    #[error(
        "`class-weights`: expected one class per image and the cross-entropy, found the binary cross-entropy; leave them out, or set `loss = \"cross-entropy\"`"
    )]
    ClassWeights,
    /// The training set is empty.
    #[error("expected training images, found none")]
    NoImages,
    /// The architecture of the residual network is unknown.
    #[cfg(feature = "dense")]
    #[error("`body`")]
    Body(#[from] resnet_core::UnknownArch),
    /// The architecture of the detector or segmentation network is unknown.
    #[cfg(feature = "dense")]
    #[error("`arch`")]
    DenseArch(#[from] resnet_dense::UnknownDenseArch),
    /// The learning rate depends on a loss that the task does not compute.
    #[cfg(feature = "dense")]
    #[error(
        "`schedule.decay`: `plateau` needs a validation loss, which detection and segmentation lack; use another decay"
    )]
    Plateau,
}

impl Config {
    /// Returns the built-in recipes as pairs of name and TOML text. The comment at the top of each
    /// text shows its command, training time and accuracy.
    pub fn recipes() -> impl Iterator<Item = (&'static str, &'static str)> {
        RECIPES.into_iter().chain(DENSE_RECIPES)
    }

    /// Opens a recipe by its name, or a config file ending in `.toml`.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such recipe or file, or if the config is invalid.
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

    /// Parses a config from TOML.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not TOML, has an unknown field, or has a value out of range.
    pub fn from_toml(text: &str) -> Result<Self, TrainConfigError> {
        let config: Self = toml::from_str(text).map_err(|error| unread(text, &error))?;
        config.validate()?;
        Ok(config)
    }
}

/// Converts a TOML error to one line with line and column.
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

/// Deserializes `input`. Its errors say that `input` replaces the whole preprocessing.
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
