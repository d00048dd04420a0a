//! Tests of the networks against PyTorch.

#![allow(
    clippy::print_stdout,
    reason = "measurements and skipped cases, shown with `--nocapture`"
)]

mod keyed;
mod options;
mod parity;
mod records;
mod state_dicts;
mod suite;
mod training;

/// The default CPU backend.
type Cpu = burn::backend::Flex;

use suite::json;
