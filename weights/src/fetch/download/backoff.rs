//! Pauses between retries.

use std::thread;
use std::time::{Duration, Instant};

use super::error::DownloadError;
use crate::fetch::retry_policy::RetryPolicy;
use crate::fetch::session::Session;

/// The interval between checks for a cancellation during a pause.
const SLICE: Duration = Duration::from_millis(100);

/// Counts consecutive failed requests, and waits between them.
pub(super) struct Backoff<'a> {
    pub(super) session: &'a Session,
    /// The name or address in notes.
    pub(super) what: &'a str,
    pub(super) failed: u32,
    /// Whether any bytes arrived. If so, the network works in general, so more retries are useful.
    pub(super) arrived: bool,
}

impl Backoff<'_> {
    /// Waits before a retry. Returns the error if a retry cannot succeed, or after too many failed
    /// requests.
    pub(super) fn wait(&mut self, error: DownloadError) -> Result<(), DownloadError> {
        let (reason, pause, unreachable) = match error {
            DownloadError::Transient { reason, pause } => (reason, pause, false),
            DownloadError::Unreachable(reason) => (reason, None, true),
            permanent => return Err(permanent),
        };
        self.failed += 1;
        let RetryPolicy {
            attempts,
            first_pause,
            longest_pause,
            ..
        } = self.session.retry_policy;
        // Offline users should see one error soon, without notes.
        let no_network = unreachable && !self.arrived;
        let attempts = if no_network {
            attempts.min(2)
        } else {
            attempts
        };
        if self.failed >= attempts {
            return Err(match self.failed {
                _ if no_network => DownloadError::Unreachable(reason),
                1 => DownloadError::Permanent(reason),
                failed => DownloadError::Permanent(format!("{reason}, {failed} times in a row")),
            });
        }
        // Jitter: machines that failed at the same time should not retry at the same time.
        let doubled = first_pause.saturating_mul(1 << (self.failed - 1).min(20));
        let pause = pause.unwrap_or_else(|| doubled.saturating_mul(fastrand::u32(75..=125)) / 100);
        let pause = pause.min(longest_pause);
        if !no_network {
            let (what, seconds) = (self.what, pause.as_secs_f64());
            let note = format!("`{what}`: {reason}; retrying in {seconds:.1} s");
            self.session.note(&note);
        }
        self.sleep(pause)
    }

    /// Waits, unless the user cancels the download.
    fn sleep(&self, pause: Duration) -> Result<(), DownloadError> {
        let start = Instant::now();
        loop {
            let canceled = self.session.check_canceled(self.what);
            canceled.map_err(DownloadError::Local)?;
            match pause.checked_sub(start.elapsed()) {
                Some(left) if !left.is_zero() => thread::sleep(left.min(SLICE)),
                _ => return Ok(()),
            }
        }
    }
}
