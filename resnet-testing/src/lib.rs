//! Test helpers that several crates share.
//!
//! - [`help`]: snapshots of help texts.
//! - [`keyed`]: weights and images generated from a seed, the same as in the Python scripts next to
//!   the fixtures.
//! - [`suite`]: the parity suite against PyTorch, generic over the backend.
//! - `dense`: the parity suite of detectors and segmentation networks against torchvision, with the
//!   feature of this name.
//! - [`server`]: a web server that runs a script for each request.
//! - Functions of this module: paths, and comparisons that fail on lists of different lengths.
//!
//! `tests/` checks the invariants of `ARCHITECTURE.md`.

#![allow(
    clippy::print_stdout,
    reason = "measured values, shown with `--nocapture`"
)]

#[cfg(feature = "dense")]
pub mod dense;
pub mod help;
pub mod keyed;
pub mod server;
pub mod suite;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks the autograd graphs of a test binary. In Burn 0.21, `backward` in one thread may free
/// parts of a graph that another thread builds (tracel-ai/burn#5573).
pub fn autograd_lock() -> MutexGuard<'static, ()> {
    static GRAPHS: Mutex<()> = Mutex::new(());
    GRAPHS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns a path below the root of the workspace.
pub fn workspace(path: impl AsRef<Path>) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join(path)
}

/// Returns the path of a test file that is not in the repository: a trained CIFAR-10 network or a
/// photograph.
///
/// Mark a test that needs one of these files as `#[ignore = "needs RESNET_TEST_DATA"]`. Run it with
/// `cargo test -- --include-ignored`.
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
/// Panics if the lengths differ or the lists are empty.
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

/// Converts little-endian bytes, as in safetensors files, to float32 values.
///
/// # Panics
///
/// Panics if the number of bytes is not a multiple of 4.
pub fn floats(bytes: &[u8]) -> Vec<f32> {
    let (values, rest) = bytes.as_chunks();
    assert!(
        rest.is_empty(),
        "expected a multiple of 4 bytes, found {} more",
        rest.len()
    );
    values
        .iter()
        .map(|value| f32::from_le_bytes(*value))
        .collect()
}

/// Returns the largest absolute difference, divided by the largest expected magnitude.
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

/// Asserts that all differences are at most `tolerance` times the largest expected magnitude.
///
/// # Panics
///
/// Panics if a difference is larger, or if the lengths differ.
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
