//! Progress bars on standard error.

use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Creates a progress bar on standard error from an `indicatif` template.
pub fn bar(total: usize, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template(template);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Redraws a progress bar five times a second, even without progress. Does nothing if the system
/// cannot start a thread.
pub fn keep_ticking(bar: &ProgressBar) {
    // `enable_steady_tick` panics if it cannot start its thread.
    if thread::Builder::new().spawn(|| ()).is_ok() {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
}
