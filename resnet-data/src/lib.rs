#![doc = include_str!("../README.md")]

mod augment;
mod batch;
mod cifar;
#[cfg(feature = "annotations")]
pub mod class_maps;
mod classes;
#[cfg(feature = "annotations")]
pub mod coco;
mod data_loader;
mod dataset;
mod drawing;
#[cfg(feature = "annotations")]
mod epoch_loader;
mod evaluate;
mod folder;
mod layout;
#[cfg(feature = "annotations")]
pub mod objects;
mod open;
mod options;
mod order;
mod pixel_scores;
mod random;
mod scores;
mod search;
mod shapes;
mod skipped;
mod source;
mod split;
mod table;
mod wordnet;

pub use augment::{Augment, AugmentError, Crop, Jitter, Mix, Policy, Transform};
pub use batch::{BadImage, Batch};
pub use classes::{ClassOrder, NetworkClasses};
pub use data_loader::{DataLoader, LoaderError, Prefetch};
pub use dataset::{DataError, Dataset, ImageError, Sample, SampleLabels};
#[cfg(feature = "annotations")]
pub use epoch_loader::{EpochLoader, TrainingSamples};
pub use evaluate::{EvaluateError, evaluate, evaluate_with, for_each_output};
pub use options::{DataOptions, Layout, ParseOptionError, SplitOptions};
pub use order::Sampling;
pub use pixel_scores::{ClassPixels, PixelScores};
pub use scores::{ClassScores, Scores};
pub use search::ImageFiles;
pub use skipped::Skipped;
pub use source::ImageSource;
