//! Options to open and split a dataset.

use std::fmt;
use std::str::FromStr;

/// Options to open a dataset. They set the validation split and resolve ambiguous folders and
/// columns.
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
    /// The meaning of the folders of a dataset.
    pub layout: Layout,
    /// The table column with the paths: its name in the header, or else its number, counted from 1.
    pub path_column: Option<String>,
    /// The table column with the labels: its name in the header, or else its number, counted from
    /// 1.
    pub label_column: Option<String>,
    /// The validation split, used if the dataset has no separate one. Its seed also draws the
    /// shapes.
    pub split: SplitOptions,
}

/// The size and the random seed of a split.
///
/// ```
/// use resnet_data::SplitOptions;
///
/// assert_eq!(SplitOptions::default(), SplitOptions { share: 0.2, seed: 1 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SplitOptions {
    /// The share of each class's images to split off, between 0 and 1 [default: 0.2].
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

/// The meaning of the folders of a dataset.
///
/// ```
/// use resnet_data::Layout;
///
/// assert_eq!("classes".parse(), Ok(Layout::Classes));
/// assert_eq!(Layout::default().to_string(), "auto");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Classes or splits (`train`, `val`), as the names and contents of the folders suggest. An
    /// ambiguous layout is an error.
    #[default]
    Auto,
    /// Every folder is a class, regardless of its name and of how deep its images lie.
    Classes,
}

/// The error for a name that is not a [`Layout`] or [`ClassOrder`](crate::ClassOrder).
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
