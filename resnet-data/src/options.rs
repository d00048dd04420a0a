//! What may be said of a dataset where its form leaves it open.

use std::fmt;
use std::str::FromStr;

/// How a dataset is read where its folders or its columns can be taken in several ways.
///
/// ```
/// use resnet_data::DataOptions;
///
/// let options = DataOptions {
///     label_column: Some("breed".into()),
///     ..DataOptions::default()
/// };
/// assert!(options.open("no/such/dogs.csv", 0.2, 1).is_err());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataOptions {
    /// How folders are taken.
    pub layout: Layout,
    /// The column of a table with the paths, by its name in the header, or else by its number from 1.
    pub path_column: Option<String>,
    /// The column of a table with the labels, likewise.
    pub label_column: Option<String>,
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
