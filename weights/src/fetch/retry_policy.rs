//! Timeouts and retries for downloads.

use std::time::Duration;

/// The timeouts and retries of downloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Timeout of a connection, including TLS. The default is 20 s.
    pub connect: Duration,
    /// Timeout of the response headers, at most `idle`. The default is 60 s.
    pub response: Duration,
    /// Timeout between bytes. The default is 60 s. The total time of a download is not limited.
    pub idle: Duration,
    /// Number of consecutive failed requests before giving up. A request that receives new bytes
    /// resets the count. The default is 5.
    pub attempts: u32,
    /// Pause before the first retry, doubled for each further retry. The default is 1 s.
    pub first_pause: Duration,
    /// Longest pause, even if the server requests a longer one. The default is 60 s.
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
