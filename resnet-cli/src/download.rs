//! Downloads of pretrained weights, with progress on standard error.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use anyhow::Result;
use indicatif::HumanBytes;
use resnet_weights::{Bar, Fetch, Progress, ProgressHandle};

use crate::note;

/// Returns the download settings of the environment and of `--offline`, with progress on standard
/// error.
///
/// # Errors
///
/// Returns an error if an environment variable has an invalid value.
pub fn fetch(offline: bool) -> Result<Fetch> {
    let fetch = Fetch::from_env()?.with_progress(Arc::new(Terminal::default()));
    let offline = offline || fetch.is_offline();
    Ok(fetch.with_offline(offline))
}

/// Shows a progress bar on a terminal, and lines of text elsewhere.
#[derive(Default)]
struct Terminal(Bar);

impl Progress for Terminal {
    fn note(&self, message: &str) {
        match io::stderr().is_terminal() {
            true => self.0.note(message),
            false => note(message),
        }
    }

    fn begin(&self, file: &str, total: Option<u64>, done: u64) -> ProgressHandle {
        if !io::stderr().is_terminal() {
            let size = total.map(|total| format!(" ({})", HumanBytes(total)));
            let size = size.unwrap_or_default();
            match done {
                0 => note(&format!("downloading {file}{size}")),
                _ => note(&format!(
                    "downloading {file}{size}, resuming at {}",
                    HumanBytes(done)
                )),
            }
        }
        self.0.begin(file, total, done)
    }
}
