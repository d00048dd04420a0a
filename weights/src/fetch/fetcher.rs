use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cache::Cache;
use super::error::FetchError;
use super::neighbours;
use super::patience::Patience;
use super::progress::Progress;
use super::settings::{HUB, Settings, absolute, hub_address};
use super::wanted::{Place, Wanted};
use crate::Weights;

/// Gets the files of published weights: those on this machine are used where they lie, others are downloaded into a
/// cache. No file is used before its sha256 is checked, but for one of the hub that a user put into the cache by hand and
/// that no hub can be asked about.
///
/// | Variable | Meaning |
/// |---|---|
/// | `RESNET_CACHE` | our cache; by default `resnet-burn` in the user's folder of caches |
/// | `RESNET_OFFLINE`, `HF_HUB_OFFLINE` | `1`: never use the network |
/// | `RESNET_MIRROR` | address of a folder with the publishers' files, asked instead of the publishers |
/// | `HF_ENDPOINT`, `HF_TOKEN` | another address of the Hugging Face hub, and a token for it |
/// | `TORCH_HOME`, `HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME` | where PyTorch and huggingface_hub keep files |
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
    pub(super) settings: Settings,
    pub(super) patience: Patience,
    pub(super) progress: Arc<dyn Progress>,
}

/// A file of weights, whose hash is right where one is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it lies.
    pub path: PathBuf,
    /// Whose it is.
    pub origin: Origin,
    /// The sha256 of its content, 64 hexadecimal digits.
    pub sha256: String,
}

/// Where a file of weights was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// Our cache.
    Cache,
    /// PyTorch's cache.
    Torch,
    /// The cache of huggingface_hub.
    HuggingFace,
    /// The network, just now; it is in our cache from here on.
    Downloaded,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cache => "cache",
            Self::Torch => "PyTorch's cache",
            Self::HuggingFace => "Hugging Face's cache",
            Self::Downloaded => "download",
        })
    }
}

impl Fetch {
    /// With the settings of the environment.
    ///
    /// # Errors
    ///
    /// If a variable makes no sense, or neither `RESNET_CACHE` nor a home folder is known.
    pub fn from_env() -> Result<Self, FetchError> {
        Self::from_variables(|name| std::env::var_os(name))
    }

    /// With settings from somewhere else than the environment, under the names of its variables.
    ///
    /// # Errors
    ///
    /// As [`from_env`](Self::from_env).
    pub fn from_variables(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, FetchError> {
        #[cfg(feature = "progress")]
        let progress = Arc::new(super::progress::Bar::default());
        #[cfg(not(feature = "progress"))]
        let progress = Arc::new(super::progress::Notes);
        Ok(Self {
            settings: Settings::new(lookup)?,
            patience: Patience::default(),
            progress,
        })
    }

    /// Keeps files in this folder, which is made when it is needed.
    pub fn with_cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.settings.cache = absolute(folder.into());
        self
    }

    /// Whether the network must not be used.
    pub fn with_offline(mut self, offline: bool) -> Self {
        self.settings.offline = offline;
        self
    }

    /// Shows what happens. By default a [`Bar`](super::Bar), or [`Notes`](super::Notes) without the feature `progress`.
    pub fn with_progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// Waits for servers as long and as often as this says.
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// The folder downloads are kept in.
    pub fn cache(&self) -> &Path {
        &self.settings.cache
    }

    /// Whether the network is not used.
    pub fn is_offline(&self) -> bool {
        self.settings.offline
    }

    /// Looks for a file of the weights on this machine: in our cache, in PyTorch's, in that of huggingface_hub.
    ///
    /// A file with a wrong hash is removed from our cache, and passed over in the others.
    ///
    /// # Errors
    ///
    /// If the weights name no usable source, or a file of our cache cannot be read or, being wrong, removed.
    pub fn find(&self, weights: &Weights) -> Result<Option<Found>, FetchError> {
        self.find_any(&Wanted::all(weights)?)
    }

    /// Finds a file of the weights, or else downloads one from the first source that has it. With a mirror, that is
    /// asked first.
    ///
    /// A download that breaks off goes on where it stopped, now or in a later call. Two programs that want the
    /// same file download it once.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find); if the network must not be used; if no source gives the file; if it cannot be
    /// written.
    pub fn fetch(&self, weights: &Weights) -> Result<Found, FetchError> {
        let mut wanted = Wanted::all(weights)?;
        if self.settings.network.mirror.is_some() {
            wanted.sort_by_key(|wanted| matches!(wanted.place, Place::Hub { .. }));
        }
        #[cfg(feature = "download")]
        if !self.settings.offline {
            super::download::record_missing_hashes(self, &wanted);
        }
        if let Some(found) = self.find_any(&wanted)? {
            return Ok(found);
        }
        if self.settings.offline {
            let (looked, url, path) = self.looked(&wanted);
            let id = weights.id.clone();
            return Err(FetchError::Offline {
                id,
                looked,
                url,
                path,
            });
        }
        #[cfg(feature = "download")]
        return super::download::download(self, weights, &wanted);
        #[cfg(not(feature = "download"))]
        {
            let (looked, url, path) = self.looked(&wanted);
            let id = weights.id.clone();
            Err(FetchError::NotEnabled {
                id,
                looked,
                url,
                path,
            })
        }
    }

    /// Tells the user something.
    pub(crate) fn note(&self, message: &str) {
        self.progress.note(message);
    }

    fn find_any(&self, wanted: &[Wanted]) -> Result<Option<Found>, FetchError> {
        for wanted in wanted {
            if let Some(found) = self.our_cache().find(wanted)? {
                return Ok(Some(found));
            }
        }
        let others = wanted
            .iter()
            .find_map(|wanted| neighbours::find(&self.settings, self.progress.as_ref(), wanted));
        Ok(others)
    }

    pub(super) fn our_cache(&self) -> Cache<'_> {
        Cache {
            folder: &self.settings.cache,
            progress: self.progress.as_ref(),
        }
    }

    /// All places where a file would have been found, and how a user can get one there.
    fn looked(&self, wanted: &[Wanted]) -> (Vec<PathBuf>, String, PathBuf) {
        let ours = wanted.iter().map(|wanted| self.cache().join(&wanted.name));
        let others = wanted
            .iter()
            .filter_map(|wanted| neighbours::place(&self.settings, wanted));
        let (url, path) = self.by_hand(wanted);
        (ours.chain(others).collect(), url, path)
    }

    /// A published address of the file, and where to put it: the one whose name carries its hash, if there is one.
    pub(super) fn by_hand(&self, wanted: &[Wanted]) -> (String, PathBuf) {
        let hashed = |wanted: &&Wanted| matches!(wanted.place, Place::Url { .. });
        let best = wanted.iter().find(hashed).unwrap_or(&wanted[0]);
        let url = match &best.place {
            Place::Url { url, .. } => url.clone(),
            Place::Hub { repo, file } => hub_address(HUB, repo, file),
        };
        (url, self.cache().join(&best.name))
    }
}

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch")
            .field("settings", &self.settings)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}
