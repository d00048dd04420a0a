//! Recognizes published files in any folder by their name and SHA-256.

use std::cell::LazyCell;
use std::fs::File;
use std::path::Path;

use super::digest::{Pin, sha256};
use crate::{DenseWeights, Source, Weights};

impl Weights {
    /// Returns the published weights in a file whose name and SHA-256 match the catalog. Files of
    /// the hub are not recognized, because they all have the same name.
    pub fn of_file(path: impl AsRef<Path>) -> Option<&'static Self> {
        let fits = is_file_of(path.as_ref());
        Self::all().iter().find(|weights| fits(&weights.sources))
    }
}

impl DenseWeights {
    /// Returns the published weights in a file whose name and SHA-256 match the catalog.
    pub fn of_file(path: impl AsRef<Path>) -> Option<&'static Self> {
        let fits = is_file_of(path.as_ref());
        Self::all().iter().find(|weights| fits(&weights.sources))
    }
}

/// Returns whether a file is one of the sources. Hashes it at most once, and only if a name matches.
fn is_file_of(path: &Path) -> impl Fn(&[Source]) -> bool {
    let hash = LazyCell::new(|| hash_of(path));
    move |sources| {
        sources.iter().any(|source| match source {
            Source::Url { url, sha256: pin } if has_name(path, url) => {
                Pin::new(pin).is_some_and(|pin| pin.matches(&hash))
            }
            _ => false,
        })
    }
}

fn has_name(path: &Path, url: &str) -> bool {
    path.file_name().and_then(|name| name.to_str()) == url.rsplit('/').next()
}

/// Returns the SHA-256 of a file. For an unreadable file it returns an empty string, which matches
/// no pin.
fn hash_of(path: &Path) -> String {
    File::open(path).and_then(sha256).unwrap_or_default()
}
