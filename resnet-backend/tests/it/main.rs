//! Tests that every built-in backend matches PyTorch's results.
//!
//! ```text
//! cargo test -p resnet-backend --features ndarray,tch,wgpu --test it -- --nocapture
//! ```
//!
//! GPU backends run on `RESNET_TEST_GPU`. The default is `wgpu:cpu`, Mesa's software renderer. CI skips
//! `ndarray::all` and `real_gpu`, which take too long on two cores.

#![allow(
    clippy::print_stdout,
    reason = "measured values, shown with `--nocapture`"
)]
#![recursion_limit = "256"]

#[cfg(any(
    feature = "tch",
    feature = "graphics",
    feature = "cuda",
    feature = "rocm"
))]
mod dense;
#[cfg(feature = "cpu")]
mod gradients;
mod parity;
mod precision;
mod report;
