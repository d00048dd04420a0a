use std::path::PathBuf;

use super::cache::Look;
use super::error::FetchError;
use super::fetcher::Fetch;
use super::wanted::Wanted;
use crate::Weights;

/// What [`Fetch::verify`] says of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The file.
    pub path: PathBuf,
    /// Whether it is right.
    pub verdict: Verdict,
}

/// Whether a file has the content it should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has the right hash.
    Right {
        /// The sha256.
        sha256: String,
    },
    /// It had a wrong hash and is removed.
    Wrong {
        /// The sha256 it should have, or the first digits of it.
        expected: String,
        /// The one it had.
        found: String,
    },
    /// It was put there by hand, and nothing says what its hash should be.
    NoHash {
        /// The sha256 it has.
        sha256: String,
    },
}

impl Fetch {
    /// Reads again every file of our cache that belongs to the weights, and removes the wrong ones.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find).
    pub fn verify(&self, weights: &Weights) -> Result<Vec<Verified>, FetchError> {
        let mut verified: Vec<Verified> = Vec::new();
        for wanted in Wanted::all(weights)? {
            let path = self.our_cache().path(&wanted);
            let verdict = match self.our_cache().look(&wanted)? {
                Look::Absent => continue,
                Look::Right { sha256 } => Verdict::Right { sha256 },
                Look::NoHash { sha256 } => Verdict::NoHash { sha256 },
                Look::Wrong { expected, found } => Verdict::Wrong { expected, found },
            };
            verified.push(Verified { path, verdict });
        }
        Ok(verified)
    }
}
