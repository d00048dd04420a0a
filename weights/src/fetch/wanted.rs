use super::digest::Pin;
use super::error::FetchError;
use crate::{Source, Weights};

/// A source whose names are fit to make paths and addresses of.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The name of the file in our cache.
    pub(super) name: String,
    pub(super) place: Place,
}

#[derive(Clone, Debug)]
pub(super) enum Place {
    Url { url: String, pin: Pin },
    Hub { repo: String, file: String },
}

impl Wanted {
    pub(super) fn all(weights: &Weights) -> Result<Vec<Self>, FetchError> {
        if weights.is_embedded() {
            return Err(FetchError::Embedded {
                id: weights.id.clone(),
            });
        }
        if weights.sources.is_empty() {
            return Err(FetchError::NoSource {
                id: weights.id.clone(),
            });
        }
        let id = &weights.id;
        let wanted = weights.sources.iter().map(|source| Self::new(id, source));
        wanted.collect()
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
}

/// Whether it is the name of a file on every system, which names of ours end in no other way.
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
    fn names_that_lead_elsewhere_are_unfit() {
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
