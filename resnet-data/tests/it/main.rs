//! Datasets, the loader and scores, against the file system and PyTorch.

mod classes;
mod datasets;
mod evaluate;
mod folders;
mod loader;
mod sources;
mod tables;
mod transforms;
#[cfg(unix)]
mod unreadable;

use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use resnet_data::{DataOptions, SplitOptions};

/// Writes a grey image, and the folders above it.
fn save(path: &Path, grey: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_pixel(4, 4, Rgb([grey; 3]))
        .save(path)
        .unwrap();
}

/// Writes images of these names.
fn files(folder: &Path, names: &[&str]) {
    for name in names {
        save(&folder.join(name), 9);
    }
}

/// A split with the seed 1.
fn share(share: f64) -> SplitOptions {
    SplitOptions {
        share,
        ..SplitOptions::default()
    }
}

/// Half of the images to train from.
fn halves() -> DataOptions {
    DataOptions {
        split: share(0.5),
        ..DataOptions::default()
    }
}
