//! Timeouts and retries of downloads.

use std::time::Duration;

/// How long a download waits for a server, and how often it retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Timeout of a connection, including TLS. 20 s by default.
    pub connect: Duration,
    /// Timeout of the response headers, at most `idle`. 60 s by default.
    pub response: Duration,
    /// Timeout of the next bytes. 60 s by default. The total time of a download has no limit.
    pub idle: Duration,
    /// Number of consecutive requests that may fail. A request that brings new bytes before it fails
    /// starts the count anew. 5 by default.
    pub attempts: u32,
    /// Pause before the first retry; each further pause is twice as long. 1 s by default.
    pub first_pause: Duration,
    /// Longest pause, even if the server asks for a longer one. 60 s by default.
    pub longest_pause: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            response: Duration::from_secs(60),
            idle: Duration::from_secs(60),
            attempts: 5,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// Returns a policy without retries and with timeouts of at most 5 s, for optional requests.
    #[cfg(feature = "download")]
    pub(super) fn short(self) -> Self {
        const SHORT: Duration = Duration::from_secs(5);
        Self {
            connect: self.connect.min(SHORT),
            response: self.response.min(SHORT),
            attempts: 1,
            ..self
        }
    }
}
