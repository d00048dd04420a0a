//! Verifies the files of our cache again.

use std::path::PathBuf;

use super::cache::CacheStatus;
use super::error::FetchError;
use super::fetcher::Fetch;
use super::request::FileRequest;
use crate::Weights;

/// The result of [`Fetch::verify`] for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The path of the file.
    pub path: PathBuf,
    /// Whether its content is right.
    pub verdict: Verdict,
}

/// Whether the content of a file is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The hash is right.
    Right {
        /// The sha256.
        sha256: String,
    },
    /// The hash was wrong, and the file is removed.
    Wrong {
        /// The sha256 that the file should have had, or its first digits.
        expected: String,
        /// The sha256 that the file had.
        found: String,
    },
    /// Nothing states what the hash should be. The file was put there by hand.
    NoHash {
        /// The sha256 of the file.
        sha256: String,
    },
}

impl Fetch {
    /// Hashes every file of our cache that belongs to the weights, and removes wrong files.
    ///
    /// # Errors
    ///
    /// As for [`find`](Self::find).
    pub fn verify(&self, weights: &Weights) -> Result<Vec<Verified>, FetchError> {
        let mut verified: Vec<Verified> = Vec::new();
        for request in FileRequest::all(weights)? {
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
