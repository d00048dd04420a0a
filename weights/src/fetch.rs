//! Finds the files of published weights on this machine, or downloads them.
//!
//! [`Fetch`] walks the table of [`source`]s: every place that may have a file, in order of
//! preference. A file is used only if its sha256 is right, where one is known.
//!
//! Imports run one way: `fetcher` -> `download` -> `session` -> `cache` and `source` -> `request` and
//! `settings` -> `digest` and `error`.

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
