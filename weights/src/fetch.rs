//! Finds files of published weights on this machine, or downloads them.
//!
//! [`Fetch`] asks the [`source`]s of a table in order of preference. If the SHA-256 of a file is
//! known, the file is used only if it matches.
//!
//! Modules import in one direction: `fetcher` -> `download` -> `session` -> `cache` and `source` ->
//! `request` and `settings` -> `digest` and `error`.

mod cache;
mod clean;
mod digest;
mod disk;
#[cfg(feature = "download")]
mod download;
mod error;
mod fetcher;
mod foreign_caches;
mod found;
mod hash_file;
mod progress;
mod recognize;
mod request;
mod retry_policy;
mod session;
mod settings;
mod source;
mod verify;

pub use clean::{CacheFile, CacheFileKind, Clean};
pub use error::{Failure, FetchError};
pub use fetcher::Fetch;
pub use found::{Found, Origin};
#[cfg(feature = "progress")]
pub use progress::Bar;
pub use progress::{Notes, Progress, ProgressHandle, Silent};
pub use retry_policy::RetryPolicy;
pub use verify::{Verdict, Verified};
