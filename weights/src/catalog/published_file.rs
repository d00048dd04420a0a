//! The file of published weights.

use super::{Source, Weights};
use crate::DenseWeights;

/// The file of published weights: what [`Fetch`](crate::Fetch) needs to find or download it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishedFile<'a> {
    /// The id of the weights.
    pub id: &'a str,
    /// The sources of the file, the preferred one first.
    pub sources: &'a [Source],
    /// An upper bound of the file size.
    pub max_bytes: u64,
    /// Whether the file is compiled into programs with the feature `embedded`.
    pub is_embedded: bool,
}

/// Returns an upper bound of the file size: eight bytes per parameter, and 16 MiB for names.
pub(crate) fn max_bytes(parameters: u64) -> u64 {
    const NAMES: u64 = 16 << 20;
    parameters.saturating_mul(8).saturating_add(NAMES)
}

impl<'a> From<&'a Weights> for PublishedFile<'a> {
    fn from(weights: &'a Weights) -> Self {
        Self {
            id: &weights.id,
            sources: &weights.sources,
            max_bytes: max_bytes(weights.parameters),
            is_embedded: weights.is_embedded(),
        }
    }
}

impl<'a> From<&'a DenseWeights> for PublishedFile<'a> {
    fn from(weights: &'a DenseWeights) -> Self {
        Self {
            id: &weights.id,
            sources: &weights.sources,
            max_bytes: max_bytes(weights.parameters),
            is_embedded: false,
        }
    }
}
