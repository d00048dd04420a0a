//! Verifies the files in our cache.

use std::path::PathBuf;

use super::cache::CacheStatus;
use super::error::FetchError;
use super::fetcher::Fetch;
use super::request::FileRequest;
use crate::PublishedFile;

/// The result of [`Fetch::verify`] for one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The path of the file.
    pub path: PathBuf,
    /// The result of the verification.
    pub verdict: Verdict,
}

/// The result of comparing a file's hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The hash is right.
    Right {
        /// The SHA-256 of the file.
        sha256: String,
    },
    /// The hash was wrong, and the file was removed.
    Wrong {
        /// The expected SHA-256, or its first digits.
        expected: String,
        /// The SHA-256 of the removed file.
        found: String,
    },
    /// The hash is unknown: the file was put into the cache by hand.
    NoHash {
        /// The SHA-256 of the file.
        sha256: String,
    },
}

impl Fetch {
    /// Hashes every file of the weights in our cache, and removes wrong files.
    ///
    /// # Errors
    ///
    /// Returns an error under the same conditions as [`find`](Self::find).
    pub fn verify<'a>(
        &self,
        weights: impl Into<PublishedFile<'a>>,
    ) -> Result<Vec<Verified>, FetchError> {
        let mut verified: Vec<Verified> = Vec::new();
        for request in FileRequest::all(weights.into())? {
            let path = self.session.cache().path(&request);
            let verdict = match self.session.cache().status(&request)? {
                CacheStatus::Absent => continue,
                CacheStatus::Right { sha256 } => Verdict::Right { sha256 },
                CacheStatus::NoHash { sha256 } => Verdict::NoHash { sha256 },
                CacheStatus::Wrong { expected, found } => Verdict::Wrong { expected, found },
            };
            verified.push(Verified { path, verdict });
        }
        Ok(verified)
    }
}
