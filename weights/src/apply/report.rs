//! The result of comparing a checkpoint with a network, and hints for a mismatch.

use std::fmt;

/// The result of comparing a checkpoint with a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Number of loaded tensors.
    pub loaded: usize,
    /// Keys of the network that keep their initial values, as [`Load`](crate::Load) allows.
    pub fresh: Vec<String>,
    /// Keys whose tensors were loaded and adapted to the network's input channels.
    pub adapted: Vec<String>,
    /// Keys of the network that the file lacks and that have a neutral value: the bias of a
    /// classifier without a bias is 0, normalization layers without parameters have weight 1 and
    /// bias 0.
    pub filled: Vec<String>,
    /// Keys of the state dict that were ignored: `num_batches_tracked`, and keys that
    /// [`Load`](crate::Load) lets differ.
    pub skipped: Vec<String>,
    /// Keys of the file outside the state dict, such as the optimizer, another network or a queue.
    pub left_out: Vec<String>,
    /// Keys of the network that the file lacks.
    pub missing: Vec<String>,
    /// Keys of the file that the network lacks.
    pub unexpected: Vec<String>,
    /// Tensors with another shape, with integers instead of floats, or options with another value.
    pub mismatched: Vec<Mismatch>,
    /// Keys whose tensors contain infinities, NaN, or negative variances, which would give NaN.
    pub non_finite: Vec<String>,
    /// Whether the network has no head.
    pub(crate) headless: bool,
}

/// A tensor that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The key.
    pub key: String,
    /// The shape, type or option value of the network.
    pub expected: String,
    /// The shape, type or option value in the file.
    pub found: String,
}

impl Report {
    /// Returns whether the checkpoint fits.
    pub fn fits(&self) -> bool {
        self.missing.is_empty()
            && self.unexpected.is_empty()
            && self.mismatched.is_empty()
            && self.non_finite.is_empty()
    }
}

/// Lists the mismatches by kind, with the first keys of each kind.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mismatched = self.mismatched.iter();
        let mismatched: Vec<_> = mismatched
            .map(|m| format!("`{}` (expected {}, found {})", m.key, m.expected, m.found))
            .collect();
        let quoted = |keys: &[String]| keys.iter().map(|key| format!("`{key}`")).collect();
        let groups: [(&str, Vec<String>); 4] = [
            ("missing", quoted(&self.missing)),
            ("unexpected", quoted(&self.unexpected)),
            ("mismatched", mismatched),
            (
                "infinite, NaN or negative variance",
                quoted(&self.non_finite),
            ),
        ];
        let groups = groups.iter().filter(|(_, keys)| !keys.is_empty());
        let groups: Vec<_> = groups
            .map(|(name, keys)| format!("{name} {}", first_few(keys)))
            .collect();
        match groups.is_empty() {
            true => f.write_str("it fits"),
            false => f.write_str(&groups.join("; ")),
        }
    }
}

fn first_few(keys: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = keys
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match keys.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A suggestion for a file that does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadHint {
    /// The file has a classifier and the network has none.
    Headless,
    /// Only the classifier differs.
    OtherClasses,
    /// The file contains infinities, NaN or negative variances.
    Diverged,
    /// Many keys differ.
    OtherArchitecture,
}

impl Report {
    /// Returns a suggestion for a file that does not fit, if the cause is clear.
    pub fn hint(&self) -> Option<LoadHint> {
        let is_head = |key: &String| super::expected::first_part(key) == "fc";
        let differing = self.missing.is_empty() && self.non_finite.is_empty();
        if differing
            && self.headless
            && self.mismatched.is_empty()
            && !self.unexpected.is_empty()
            && self.unexpected.iter().all(is_head)
        {
            return Some(LoadHint::Headless);
        }
        let only_classifier = differing
            && self.unexpected.is_empty()
            && !self.mismatched.is_empty()
            && self.mismatched.iter().all(|m| is_head(&m.key));
        match self {
            _ if only_classifier => Some(LoadHint::OtherClasses),
            Self { non_finite, .. } if !non_finite.is_empty() => Some(LoadHint::Diverged),
            Self {
                missing,
                unexpected,
                ..
            } if missing.len() + unexpected.len() > 4 => Some(LoadHint::OtherArchitecture),
            _ => None,
        }
    }
}

pub(super) fn hint(report: &Report) -> &'static str {
    match report.hint() {
        Some(LoadHint::Headless) => "; leave the classifier out with `Load::allow_other_classes()`",
        Some(LoadHint::OtherClasses) => {
            "; keep the network's own classifier with `Load::allow_other_classes()`, or build the network for the classes \
             of the file"
        }
        Some(LoadHint::Diverged) => "; its training diverged, use another file",
        Some(LoadHint::OtherArchitecture) => {
            "; the file may be of another architecture, which `Checkpoint::infer()` shows"
        }
        None => "",
    }
}

pub(super) fn mismatch(
    key: &str,
    expected: impl fmt::Display,
    found: impl fmt::Display,
) -> Mismatch {
    Mismatch {
        key: key.to_string(),
        expected: expected.to_string(),
        found: found.to_string(),
    }
}

pub(super) struct Shape<'a>(pub(super) &'a [usize]);

impl fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}
