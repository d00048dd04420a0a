//! Requests for files of published weights, with names that are safe in paths and URLs.

use super::digest::Pin;
use super::error::FetchError;
use super::settings::{HUB, hub_address};
use crate::{PublishedFile, Source};

/// A request for one file of weights.
#[derive(Clone, Debug)]
pub(super) struct FileRequest {
    /// The file name in our cache, or the id of embedded weights.
    pub(super) name: String,
    pub(super) place: Place,
}

/// The place that publishes a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The program itself.
    Program,
    /// A web server; the catalog states the hash.
    Url { url: String, pin: Pin },
    /// A repository of the Hugging Face hub, which states the hash.
    Hub { repo: String, file: String },
}

impl FileRequest {
    /// Returns a request for each place that publishes the weights, in the order of the catalog.
    ///
    /// # Errors
    ///
    /// Returns an error if the weights have no source, or a source has an unsafe name or no valid
    /// hash.
    pub(super) fn all(weights: PublishedFile<'_>) -> Result<Vec<Self>, FetchError> {
        let id = weights.id;
        if weights.is_embedded {
            let (name, place) = (id.to_string(), Place::Program);
            return Ok(vec![Self { name, place }]);
        }
        if weights.sources.is_empty() {
            return Err(FetchError::NoSource { id: id.to_string() });
        }
        let requests = weights.sources.iter().map(|source| Self::new(id, source));
        requests.collect()
    }

    fn new(id: &str, source: &Source) -> Result<Self, FetchError> {
        let unfit = |what, name: &str| FetchError::Name {
            id: id.to_string(),
            what,
            name: name.to_string(),
        };
        let name = source.file_name(id);
        if !is_file_name(&name) {
            return Err(unfit("file name", &name));
        }
        let place = match source {
            Source::Url { url, sha256 } => {
                let pin = Pin::new(sha256).ok_or_else(|| FetchError::Pin {
                    id: id.to_string(),
                    sha256: sha256.clone(),
                })?;
                let url = url.clone();
                Place::Url { url, pin }
            }
            Source::Hub { repo, file } => {
                if repo.split('/').count() > 2 || !repo.split('/').all(is_file_name) {
                    return Err(unfit("repository", repo));
                }
                if !file.split('/').all(is_file_name) {
                    return Err(unfit("file", file));
                }
                let (repo, file) = (repo.clone(), file.clone());
                Place::Hub { repo, file }
            }
        };
        Ok(Self { name, place })
    }

    /// Returns whether the request is for a file, not for embedded weights.
    pub(super) fn is_for_file(&self) -> bool {
        self.place != Place::Program
    }

    /// Returns the error for a request for embedded weights, which have no file.
    pub(super) fn has_no_file(&self) -> FetchError {
        let id = self.name.clone();
        FetchError::Embedded { id }
    }

    /// Returns the hash in the catalog.
    pub(super) fn pin(&self) -> Option<&Pin> {
        match &self.place {
            Place::Url { pin, .. } => Some(pin),
            Place::Hub { .. } | Place::Program => None,
        }
    }

    /// Returns the publisher's URL, regardless of mirror and endpoint.
    pub(super) fn published_address(&self) -> Result<String, FetchError> {
        match &self.place {
            Place::Url { url, .. } => Ok(url.clone()),
            Place::Hub { repo, file } => Ok(hub_address(HUB, repo, file)),
            Place::Program => Err(self.has_no_file()),
        }
    }
}

/// Returns whether the file name is valid on every operating system and different from the names of
/// our own files.
pub(super) fn is_file_name(name: &str) -> bool {
    name.len() <= 200
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-+".contains(c))
        && !name.ends_with('.')
        && !name.ends_with(".part")
        && !name.ends_with(".sha256")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_escape_the_folder_are_rejected() {
        for name in [
            "", ".", "..", "../a", "a/b", "a\\b", "/a", "c:a", "a\0", ".a", "a.part", "a.sha256",
            "a?b", "a b", "~", "a.",
        ] {
            assert!(!is_file_name(name), "{name:?}");
        }
        for name in [
            "resnet50_a1_0-14fe96d1.pth",
            "resnet18.a1_in1k.safetensors",
            "1",
        ] {
            assert!(is_file_name(name), "{name:?}");
        }
    }
}
