//! Datasets, batches and augmentation from outside.

mod datasets;
mod loader;
