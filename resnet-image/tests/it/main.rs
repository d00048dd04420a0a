//! Comparison with Pillow and torchvision, and tests of invalid input.

#![expect(
    clippy::print_stdout,
    reason = "prints the differences of lossy images"
)]

mod batch;
mod cases;
mod channels;
mod errors;
mod formats;
mod jpeg;
mod odd;
mod png;
mod reference;
mod resampling;

use std::path::{Path, PathBuf};

use resnet_image::RgbImage;

fn fixtures(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(case)
}

/// Returns the files of a folder, sorted by name. Panics if there are none.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = folder
        .read_dir()
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{}", folder.display());
    files
}

/// Returns the mean and the maximum difference of two images of one size.
fn difference(left: &RgbImage, right: &RgbImage) -> (f64, u8) {
    assert_eq!(left.dimensions(), right.dimensions());
    let bytes = left.as_raw().iter().zip(right.as_raw());
    let differences: Vec<u8> = bytes.map(|(&a, &b)| a.abs_diff(b)).collect();
    let sum: u64 = differences.iter().map(|&d| u64::from(d)).sum();
    (
        sum as f64 / differences.len() as f64,
        differences.into_iter().max().unwrap_or(0),
    )
}

/// Panics at the first differing pixel.
fn assert_same(label: &str, found: &RgbImage, expected: &RgbImage) {
    assert_eq!(found.dimensions(), expected.dimensions(), "{label}: size");
    let pairs = found.enumerate_pixels().zip(expected.pixels());
    if let Some(((x, y, found), expected)) = pairs.into_iter().find(|((_, _, a), b)| a != b) {
        panic!(
            "{label}: pixel ({x}, {y}): expected {:?}, found {:?}",
            expected.0, found.0
        );
    }
}
