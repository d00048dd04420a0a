//! The public entry point: finds a file on this machine, or downloads it.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::FetchError;
use super::foreign_caches;
use super::found::Found;
use super::progress::Progress;
use super::request::{FileRequest, Place};
use super::retry_policy::RetryPolicy;
use super::session::Session;
use super::settings::{Settings, absolute};
use super::source::Location;
use crate::PublishedFile;

/// Finds or downloads the files of published weights.
///
/// It searches this project's cache ("our cache") and the caches of PyTorch and huggingface_hub. If
/// none of them has the file, it downloads the file into our cache.
///
/// Every file must have the right SHA-256. The one exception is a hub file that a user put into our
/// cache by hand: if the hub does not answer with the hash, the file is used unverified, and a note
/// says so.
///
/// | Variable | Meaning |
/// |---|---|
/// | `RESNET_CACHE` | folder of our cache; by default `resnet-burn` in the user's cache folder |
/// | `RESNET_OFFLINE`, `HF_HUB_OFFLINE` | `1`: never use the network |
/// | `RESNET_MIRROR` | URL of a folder with the publishers' files, used instead of the publishers |
/// | `HF_ENDPOINT`, `HF_TOKEN` | another URL of the Hugging Face hub, and a token for it |
/// | `TORCH_HOME`, `HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME` | the caches of PyTorch and huggingface_hub |
/// | `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY` | proxies, in upper or lower case |
///
/// ```
/// # use resnet_weights::{Fetch, FetchError, Source, Weights};
/// # fn example(weights: &Weights) -> Result<(), FetchError> {
/// let found = Fetch::from_env()?.fetch(weights)?;
/// println!("{} from {}", found.path.display(), found.origin);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Fetch {
    pub(super) session: Session,
}

impl Fetch {
    /// Creates a `Fetch` with the settings of the environment variables.
    ///
    /// # Errors
    ///
    /// Returns an error if a variable is invalid, or if neither `RESNET_CACHE` nor a home folder is
    /// known.
    pub fn from_env() -> Result<Self, FetchError> {
        Self::from_variables(|name| std::env::var_os(name))
    }

    /// Creates a `Fetch` with the settings from `lookup`, which returns the value of an environment
    /// variable.
    ///
    /// # Errors
    ///
    /// Returns an error under the same conditions as [`from_env`](Self::from_env).
    pub fn from_variables(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, FetchError> {
        #[cfg(feature = "progress")]
        let progress = Arc::new(super::progress::Bar::default());
        #[cfg(not(feature = "progress"))]
        let progress = Arc::new(super::progress::Notes);
        let session = Session {
            settings: Settings::new(lookup)?,
            retry_policy: RetryPolicy::default(),
            progress,
        };
        Ok(Self { session })
    }

    /// Sets the folder of our cache. It is created on demand.
    pub fn with_cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.session.settings.cache = absolute(folder.into());
        self
    }

    /// Sets whether to work offline.
    pub fn with_offline(mut self, offline: bool) -> Self {
        self.session.settings.offline = offline;
        self
    }

    /// Sets the receiver of notes and progress. The default is [`Notes`](super::Notes), or a
    /// progress bar with the feature `progress`.
    pub fn with_progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.session.progress = progress;
        self
    }

    /// Sets timeouts and retries.
    pub fn with_retry_policy(mut self, retry_policy: RetryPolicy) -> Self {
        self.session.retry_policy = retry_policy;
        self
    }

    /// Returns the folder of our cache.
    pub fn cache(&self) -> &Path {
        &self.session.settings.cache
    }

    /// Returns whether the network is disabled.
    pub fn is_offline(&self) -> bool {
        self.session.settings.offline
    }

    /// Finds a file of the weights on this machine: in our cache, or in the cache of PyTorch or
    /// huggingface_hub.
    ///
    /// A file with a wrong hash is removed from our cache. In the other caches it is ignored.
    ///
    /// # Errors
    ///
    /// Returns an error if the weights have no valid source, if a file of our cache cannot be read,
    /// or if a wrong file cannot be removed.
    pub fn find<'a>(
        &self,
        weights: impl Into<PublishedFile<'a>>,
    ) -> Result<Option<Found>, FetchError> {
        self.find_any(&FileRequest::all(weights.into())?)
    }

    /// Finds a file of the weights on this machine, or downloads it from the first source that
    /// provides it. A mirror comes first.
    ///
    /// An interrupted download is resumed, in this call or a later one. If two programs request the
    /// same file, one downloads it and the other waits.
    ///
    /// # Errors
    ///
    /// Returns an error under the same conditions as [`find`](Self::find), and if the network is
    /// disabled, no source provides the file, or it cannot be written.
    pub fn fetch<'a>(&self, weights: impl Into<PublishedFile<'a>>) -> Result<Found, FetchError> {
        let weights = weights.into();
        let mut requests = FileRequest::all(weights)?;
        if self.session.settings.network.mirror.is_some() {
            requests.sort_by_key(|request| matches!(request.place, Place::Hub { .. }));
        }
        #[cfg(feature = "download")]
        if !self.is_offline() {
            super::download::record_missing_hashes(&self.session, &requests);
        }
        if let Some(found) = self.find_any(&requests)? {
            return Ok(found);
        }
        #[cfg(feature = "download")]
        if !self.is_offline() {
            return super::download::download(&self.session, weights, &requests);
        }
        Err(self.not_here(weights, &requests)?)
    }

    /// Shows the user a note.
    pub(crate) fn note(&self, message: &str) {
        self.session.note(message);
    }

    fn find_any(&self, requests: &[FileRequest]) -> Result<Option<Found>, FetchError> {
        for (request, location) in self.session.sources().on_this_machine(requests) {
            let found = match location {
                Location::Program => return Err(request.has_no_file()),
                Location::OurCache(_) => self.session.cache().find(request)?,
                Location::ForeignCache(file) => {
                    foreign_caches::find(file, self.session.progress.as_ref())
                }
                Location::Network(_) => None,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Returns the error for a file that is not on this machine and must not be downloaded. It
    /// lists the searched places and explains how to get the file by hand.
    fn not_here(
        &self,
        weights: PublishedFile<'_>,
        requests: &[FileRequest],
    ) -> Result<FetchError, FetchError> {
        let sources = self.session.sources();
        let locations = sources.on_this_machine(requests);
        let paths = locations.filter_map(|(_, location)| match location {
            Location::OurCache(path) => Some(path),
            Location::ForeignCache(file) => Some(file.path),
            Location::Program | Location::Network(_) => None,
        });
        let looked: Vec<PathBuf> = paths.collect();
        let (url, path) = self.session.by_hand(requests)?;
        let id = weights.id.to_string();
        Ok(match self.is_offline() {
            true => FetchError::Offline {
                id,
                looked,
                url,
                path,
            },
            false => FetchError::NotEnabled {
                id,
                looked,
                url,
                path,
            },
        })
    }
}

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch")
            .field("settings", &self.session.settings)
            .field("retry_policy", &self.session.retry_policy)
            .finish_non_exhaustive()
    }
}
