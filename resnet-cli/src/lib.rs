#![doc = include_str!("../README.md")]

mod compile;
mod data;
mod download;
mod evaluate;
mod files;
mod flags;
mod hints;
mod memory;
mod messages;
mod network;
mod progress;
mod threads;

pub use compile::{CompileFlags, batch, compiles, run_compiled};
pub use data::{DataFlags, tell, tell_left_out, tell_skipped};
pub use download::fetch;
pub use evaluate::{Evaluate, evaluate, for_network};
pub use files::write;
pub use flags::{
    DeviceFlags, ModelFlags, NetworkFlags, NormalizationFlags, PreprocessingFlags, RuntimeFlags,
    positive,
};
pub use hints::flags;
pub use indicatif::{HumanBytes, ProgressBar};
pub use memory::MemoryFlags;
pub use messages::{Outcome, cell, error, json, note, printable};
pub use network::{
    check_classifier, check_f32, compile, labels, load, load_error, resolve, tell_report,
    with_dense_fetch, with_fetch,
};
pub use progress::{bar, keep_ticking};

use std::process::ExitCode;

use anyhow::Result;

/// Starts the thread pool, runs a command and prints its error.
///
/// Returns the exit status: 0 for success, 1 if some inputs failed, 2 if an error stopped the
/// command, 130 if the user stopped it.
pub fn execute(command: impl FnOnce() -> Result<Outcome>) -> ExitCode {
    messages::status(threads::start_threads().and_then(|()| command()))
}
