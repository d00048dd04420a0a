//! Integration tests: comparisons with PyTorch, training loops and the command.

#![allow(clippy::print_stdout, reason = "measurements, with `--nocapture`")]

mod among;
mod burn_learner;
mod burn_optimizers;
mod checkpoints;
mod command;
#[cfg(feature = "dense")]
mod dense;
mod fit;
mod help;
mod losses;
mod own_network;
mod probe;
mod schedules;
mod steps;

use serde_json::Value;

fn json(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}
