//! How a dataset is opened and split.

use std::fmt;
use std::str::FromStr;

/// How a dataset is opened: which images validate the network, and what folders and columns mean where that is open.
///
/// ```
/// use resnet_data::{DataOptions, SplitOptions};
///
/// let options = DataOptions {
///     label_column: Some("breed".into()),
///     split: SplitOptions { share: 0.1, ..SplitOptions::default() },
///     ..DataOptions::default()
/// };
/// assert!(options.open("no/such/dogs.csv").is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataOptions {
    /// What the folders of a dataset mean.
    pub layout: Layout,
    /// The column of a table with the paths, by its name in the header, or else by its number from 1.
    pub path_column: Option<String>,
    /// The column of a table with the labels, by its name in the header, or else by its number from 1.
    pub label_column: Option<String>,
    /// Which images are split off to validate the network, where the dataset does not keep them apart. Its seed is also
    /// that of the drawn shapes.
    pub split: SplitOptions,
}

/// Which images of a dataset are split off.
///
/// ```
/// use resnet_data::SplitOptions;
///
/// assert_eq!(SplitOptions::default(), SplitOptions { share: 0.2, seed: 1 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SplitOptions {
    /// The share of the images of each class, between 0 and 1 [default: 0.2].
    pub share: f64,
    /// The random seed [default: 1].
    pub seed: u64,
}

impl Default for SplitOptions {
    fn default() -> Self {
        Self {
            share: 0.2,
            seed: 1,
        }
    }
}

/// How the folders of a dataset are taken.
///
/// ```
/// use resnet_data::Layout;
///
/// assert_eq!("classes".parse(), Ok(Layout::Classes));
/// assert_eq!(Layout::default().to_string(), "auto");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// As classes or as parts (`train`, `val`), by their names and by what is in them; refused where that is not clear.
    #[default]
    Auto,
    /// Every folder as a class, whatever its name is and however deep its images lie.
    Classes,
}

/// Why a name is that of no [`Layout`] or [`ClassOrder`](crate::ClassOrder).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found `{found}`")]
#[non_exhaustive]
pub struct ParseOptionError {
    pub(crate) expected: &'static str,
    pub(crate) found: String,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Auto => "auto",
            Self::Classes => "classes",
        })
    }
}

impl FromStr for Layout {
    type Err = ParseOptionError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "auto" => Ok(Self::Auto),
            "classes" => Ok(Self::Classes),
            _ => Err(ParseOptionError {
                expected: "`auto` or `classes`",
                found: name.into(),
            }),
        }
    }
}
