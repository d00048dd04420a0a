#![doc = include_str!("../README.md")]

mod augment;
mod cifar;
mod csv_file;
mod dataset;
mod folder;
mod loader;
mod open;
mod order;
mod random;
mod scores;
mod shapes;
mod split;

pub use augment::{Augment, AugmentError, Crop, Jitter, Mix, Policy};
pub use dataset::{DataError, Dataset, Sample};
pub use loader::{BadImage, Batch, Batches, Loader, LoaderError};
pub use order::Sampling;
pub use scores::{ClassScores, Scores};
