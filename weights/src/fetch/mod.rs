//! Files of published weights: found on this machine or downloaded, never used before their hash is checked.

mod cache;
mod clean;
mod digest;
#[cfg(feature = "download")]
mod download;
mod error;
mod fetcher;
mod neighbours;
mod patience;
mod progress;
mod recognize;
mod settings;
mod verify;
mod wanted;

pub use clean::{CacheFile, CacheFileKind, Clean};
pub use error::{Failure, FetchError};
pub use fetcher::{Fetch, Found, Origin};
pub use patience::Patience;
#[cfg(feature = "progress")]
pub use progress::Bar;
pub use progress::{Advance, Notes, Progress, Silent};
pub use verify::{Verdict, Verified};
