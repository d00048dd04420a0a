//! The published pretrained weights, one row each.

pub mod ids;
mod names;
mod published_file;
mod table;
mod weights;

pub use names::{Id, UnknownWeights};
pub use published_file::PublishedFile;
pub(crate) use published_file::max_bytes;
pub use weights::{Accuracy, License, Source, Weights};
