//! What the tests of several crates share.
//!
//! - [`keyed`]: weights and images that follow from a seed, as the Python scripts beside the fixtures make them.
//! - [`suite`]: what every backend has to give, by functions generic over the backend.
//! - [`server`]: a web server that does what a script says.
//! - Functions here: paths, and comparisons that fail on lists of different lengths.
//!
//! `tests/` checks the invariants of `ARCHITECTURE.md`. A wrong value panics: that fails the test.

#![allow(
    clippy::print_stdout,
    reason = "figures, which `--nocapture` shows next to the test"
)]

pub mod keyed;
pub mod server;
pub mod suite;

use std::path::{Path, PathBuf};

/// Returns a path below the root of the workspace.
pub fn workspace(path: impl AsRef<Path>) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join(path)
}

/// Returns a file of the test data that is not in the repository: trained CIFAR-10 networks and photographs.
///
/// A test that needs one is `#[ignore = "needs RESNET_TEST_DATA"]`; `cargo test -- --include-ignored` runs it.
///
/// # Panics
///
/// Panics if the variable `RESNET_TEST_DATA` is not set, or its folder lacks the file.
#[track_caller]
pub fn data(path: &str) -> PathBuf {
    let Some(folder) = std::env::var_os("RESNET_TEST_DATA") else {
        panic!("set RESNET_TEST_DATA to the folder of `cifar10-resnet/` and `photos/`");
    };
    let file = Path::new(&folder).join(path);
    assert!(file.exists(), "RESNET_TEST_DATA lacks `{}`", file.display());
    file
}

/// Pairs up two lists of the same length.
///
/// # Panics
///
/// Panics if the lengths differ or both are empty: a loop over the pairs would check too little.
#[track_caller]
pub fn pairs<A, B>(
    left: impl IntoIterator<Item = A>,
    right: impl IntoIterator<Item = B>,
) -> Vec<(A, B)> {
    let (left, right) = (Vec::from_iter(left), Vec::from_iter(right));
    assert_eq!(left.len(), right.len(), "the lengths of the lists");
    assert!(!left.is_empty(), "nothing to compare");
    left.into_iter().zip(right).collect()
}

/// Returns the float32 values of little-endian bytes, as safetensors files hold them.
///
/// # Panics
///
/// Panics if the last value lacks bytes.
pub fn floats(bytes: &[u8]) -> Vec<f32> {
    let (values, rest) = bytes.as_chunks();
    assert!(rest.is_empty(), "{} bytes too many", rest.len());
    values
        .iter()
        .map(|value| f32::from_le_bytes(*value))
        .collect()
}

/// Returns the largest difference over the largest expected magnitude.
///
/// # Panics
///
/// Panics if the lengths differ or a found value is infinite or NaN.
#[track_caller]
pub fn relative_error(found: &[f32], expected: &[f32]) -> f32 {
    assert!(found.iter().all(|value| value.is_finite()));
    let difference = pairs(found, expected)
        .into_iter()
        .fold(0.0_f32, |max, (a, b)| max.max((a - b).abs()));
    difference / largest(expected)
}

/// Asserts that no value is off by more than `tolerance` of the largest expected magnitude.
///
/// # Panics
///
/// Panics if one is, or if the lengths differ.
#[track_caller]
pub fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    let largest = largest(expected);
    for (found, expected) in pairs(found, expected) {
        assert!(
            (found - expected).abs() <= tolerance * largest,
            "{what}: expected {expected}, found {found}"
        );
    }
}

fn largest(values: &[f32]) -> f32 {
    values
        .iter()
        .fold(0.0_f32, |max, value| max.max(value.abs()))
}
