//! Tests of datasets, the data loader and metrics on files.

#[cfg(feature = "annotations")]
mod class_maps;
mod classes;
#[cfg(feature = "annotations")]
mod coco;
mod datasets;
mod evaluate;
mod folders;
mod loader;
#[cfg(feature = "annotations")]
mod objects;
mod sources;
mod tables;
mod transforms;
#[cfg(unix)]
mod unreadable;

use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use resnet_data::{DataOptions, SplitOptions};

/// Writes a gray image and creates its folders.
fn save(path: &Path, gray: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_pixel(4, 4, Rgb([gray; 3]))
        .save(path)
        .unwrap();
}

/// Writes images with these names.
fn files(folder: &Path, names: &[&str]) {
    for name in names {
        save(&folder.join(name), 9);
    }
}

/// Returns a split with the default seed, 1.
fn share(share: f64) -> SplitOptions {
    SplitOptions {
        share,
        ..SplitOptions::default()
    }
}

/// Splits off half of the images for validation.
fn halves() -> DataOptions {
    DataOptions {
        split: share(0.5),
        ..DataOptions::default()
    }
}
