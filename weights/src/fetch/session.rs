//! The state that all steps of a fetch share.

use std::path::PathBuf;
use std::sync::Arc;

use super::cache::Cache;
use super::error::FetchError;
use super::progress::Progress;
use super::request::FileRequest;
use super::retry_policy::RetryPolicy;
use super::settings::Settings;
use super::source::table::Sources;

/// Settings, retry policy, sources, and the receiver of notes and progress.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) settings: Settings,
    pub(super) retry_policy: RetryPolicy,
    pub(super) progress: Arc<dyn Progress>,
}

impl Session {
    pub(super) fn cache(&self) -> Cache<'_> {
        Cache {
            folder: &self.settings.cache,
            progress: self.progress.as_ref(),
        }
    }

    pub(super) fn sources(&self) -> Sources {
        Sources::new(&self.settings)
    }

    /// Shows the user a note.
    pub(super) fn note(&self, message: &str) {
        self.progress.note(message);
    }

    /// Returns an error if the user canceled the download of this file.
    #[cfg(feature = "download")]
    pub(super) fn check_canceled(&self, name: &str) -> Result<(), FetchError> {
        match self.progress.is_canceled() {
            true => Err(FetchError::Canceled { name: name.into() }),
            false => Ok(()),
        }
    }

    /// Returns a URL and the path to store its file at by hand. Prefers a URL with a published
    /// hash, because that file is verified without the network.
    pub(super) fn by_hand(
        &self,
        requests: &[FileRequest],
    ) -> Result<(String, PathBuf), FetchError> {
        let has_pin = |request: &&FileRequest| request.pin().is_some();
        let best = requests.iter().find(has_pin).unwrap_or(&requests[0]);
        Ok((best.published_address()?, self.cache().path(best)))
    }
}
