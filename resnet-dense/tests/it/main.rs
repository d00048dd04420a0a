//! Comparisons with torchvision.

#![allow(
    clippy::print_stdout,
    reason = "measured values, shown with `--nocapture`"
)]

mod hostile;
mod networks;
mod ops;
mod training;
