//! Notes and progress for the user.

use std::io::{self, Write};

/// A receiver of the notes and progress of a [`Fetch`](super::Fetch).
pub trait Progress: Send + Sync {
    /// Shows a note of one line, such as a wait for another program, a retry, or the removal of a
    /// wrong file.
    fn note(&self, message: &str);

    /// Starts the download of a file. `total` is its size in bytes, `done` the number of bytes from
    /// an earlier download. The returned handle is called with the number of new bytes, and dropped
    /// at the end.
    fn begin(&self, file: &str, total: Option<u64>, done: u64) -> ProgressHandle;

    /// Returns whether to cancel the download. It then ends with
    /// [`FetchError::Canceled`](super::FetchError::Canceled), and the next call resumes it. Called
    /// before each chunk of bytes and during pauses between retries.
    fn is_canceled(&self) -> bool {
        false
    }
}

/// A callback that receives the number of new bytes.
pub type ProgressHandle = Box<dyn FnMut(u64) + Send>;

/// Writes notes to standard error, and shows no progress.
#[derive(Clone, Copy, Debug, Default)]
pub struct Notes;

impl Progress for Notes {
    fn note(&self, message: &str) {
        let _ = writeln!(io::stderr(), "note: {message}");
    }

    fn begin(&self, _: &str, _: Option<u64>, _: u64) -> ProgressHandle {
        Box::new(|_| {})
    }
}

/// Discards notes and progress.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn note(&self, _: &str) {}

    fn begin(&self, _: &str, _: Option<u64>, _: u64) -> ProgressHandle {
        Box::new(|_| {})
    }
}

#[cfg(feature = "progress")]
pub use bar::Bar;

#[cfg(feature = "progress")]
mod bar {
    use std::fmt;
    use std::time::Duration;

    use indicatif::{
        HumanBytes, HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState,
        ProgressStyle,
    };

    use super::{Notes, Progress, ProgressHandle};

    /// Shows a progress bar for each download on standard error: size, speed and remaining time.
    /// Notes appear above the bars.
    ///
    /// Without a terminal it shows only the notes.
    #[derive(Clone, Debug, Default)]
    pub struct Bar(MultiProgress);

    struct Line(ProgressBar);

    impl Drop for Line {
        fn drop(&mut self) {
            self.0.finish_and_clear();
        }
    }

    impl Progress for Bar {
        fn note(&self, message: &str) {
            // A closed terminal must not stop a download, so errors are ignored.
            match self.0.is_hidden() {
                true => Notes.note(message),
                false => drop(self.0.println(format!("note: {message}"))),
            }
        }

        fn begin(&self, file: &str, total: Option<u64>, done: u64) -> ProgressHandle {
            let template = match total {
                Some(_) => "{prefix} {wide_bar} {bytes} of {total_bytes}, {speed}, {left} left",
                None => "{prefix} {spinner} {bytes}, {speed}",
            };
            // indicatif's own estimate counts the bytes of an earlier download as new.
            let speed = move |state: &ProgressState| {
                let bytes = state.pos().saturating_sub(done);
                (bytes as f64 / state.elapsed().as_secs_f64().max(0.1)).max(1.0)
            };
            let style = ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .with_key(
                    "speed",
                    move |state: &ProgressState, text: &mut dyn fmt::Write| {
                        let _ = write!(text, "{}/s", HumanBytes(speed(state) as u64));
                    },
                )
                .with_key(
                    "left",
                    move |state: &ProgressState, text: &mut dyn fmt::Write| {
                        let bytes = total.unwrap_or_default().saturating_sub(state.pos());
                        let left = Duration::try_from_secs_f64(bytes as f64 / speed(state));
                        let _ = write!(text, "{}", HumanDuration(left.unwrap_or(Duration::MAX)));
                    },
                );
            let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
            let bar = bar.with_prefix(file.to_string()).with_position(done);
            let bar = self.0.add(bar.with_style(style));
            let line = Line(bar);
            Box::new(move |bytes| line.0.inc(bytes))
        }
    }
}
