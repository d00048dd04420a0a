//! Every backend that is built in gives PyTorch's numbers.
//!
//! ```text
//! cargo test -p resnet-backend --features ndarray,tch,wgpu --test it -- --nocapture
//! ```
//!
//! GPU backends run on `RESNET_TEST_GPU`, by default `wgpu:cpu`: Mesa's Vulkan in software.

#![allow(clippy::print_stdout, reason = "figures, with `--nocapture`")]
#![recursion_limit = "256"]

#[cfg(feature = "cpu")]
mod gradients;
mod parity;
mod precision;
mod report;
