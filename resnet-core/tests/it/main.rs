//! The networks against PyTorch.

#![allow(
    clippy::print_stdout,
    reason = "figures, and what was skipped, with `--nocapture`"
)]

mod keyed;
mod options;
mod parity;
mod state_dicts;
mod training;

/// The default CPU backend.
type Cpu = burn::backend::Flex;

fn fixture(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(path)
}

fn json(path: &str) -> serde_json::Value {
    let text = std::fs::read_to_string(fixture(path)).unwrap();
    serde_json::from_str(&text).unwrap()
}
