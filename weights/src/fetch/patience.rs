use std::time::Duration;

/// How long a download waits for a server, and how often it asks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For a connection, its encryption included.
    pub connect: Duration,
    /// For the head of an answer. Never longer than `idle`.
    pub response: Duration,
    /// For the next bytes. A download that is slow and alive may take any time.
    pub idle: Duration,
    /// How many requests in a row may fail. One that brought new bytes before it failed is the first of its row.
    pub attempts: u32,
    /// The pause before the second request; it doubles from one to the next.
    pub first_pause: Duration,
    /// The longest pause, also for a server that asks for a longer one.
    pub longest_pause: Duration,
}

impl Default for Patience {
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

impl Patience {
    /// For what would be good to know and can be done without.
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
