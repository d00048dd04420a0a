//! The published pretrained weights, one row each.

pub mod ids;
mod names;
mod table;
mod weights;

pub use names::{Id, UnknownWeights};
pub use weights::{Accuracy, License, Source, Weights};
