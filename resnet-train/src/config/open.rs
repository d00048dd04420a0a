//! From a name or a file to a config.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use resnet_data::AugmentError;
use resnet_weights::OptionError;

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
pub enum ConfigError {
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
    #[error("config: {0}")]
    Toml(#[from] toml::de::Error),
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
    Input(#[from] resnet_image::RecipeError),
    /// An option of the network cannot be set.
    #[error("`set`: {cause}")]
    Set {
        /// What is wrong with it.
        cause: OptionError,
    },
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
    pub fn open(name: &str) -> Result<Self, ConfigError> {
        if let Some((_, text)) = Self::recipes().find(|&(recipe, _)| recipe == name) {
            return Self::from_toml(text);
        }
        let path = Path::new(name);
        if path.extension().is_none_or(|ending| ending != "toml") {
            return Err(ConfigError::Unknown {
                name: name.into(),
                known: Self::recipes().map(|(name, _)| name).collect(),
            });
        }
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(LARGEST).read_to_string(&mut text));
        read.map_err(|source| ConfigError::Read {
            path: path.into(),
            source,
        })?;
        Self::from_toml(&text)
    }

    /// The config in a text.
    ///
    /// # Errors
    ///
    /// If it is no TOML, has another field, or a number is out of its range.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text)?;
        config.validate()?;
        Ok(config)
    }
}
