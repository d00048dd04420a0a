//! Looks up pretrained weights by name.

use std::fmt;

use resnet_core::Arch;

use super::Weights;

/// The id of pretrained weights in the catalog: a constant of [`ids`](super::ids).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id(pub(super) &'static str);

impl AsRef<str> for Id {
    fn as_ref(&self) -> &str {
        self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

/// The error for a name that no pretrained weights have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownWeights {
    /// No weights and no network have this name.
    #[error("unknown weights `{name}`; nearest: {}", .nearest.join(", "))]
    Name {
        /// The requested name.
        name: String,
        /// The three most similar ids and names.
        nearest: Vec<String>,
    },
    /// The network has no weights with this tag.
    #[error("unknown weights `{arch}.{tag}`; `{arch}` has: {}", .ids.join(", "))]
    Tag {
        /// The network.
        arch: Arch,
        /// The requested tag.
        tag: String,
        /// The ids of the network's weights.
        ids: Vec<String>,
    },
    /// The network is known, but has no published weights.
    #[error("`{arch}`: no weights are published; load a file of your own, or train it")]
    Unpublished {
        /// The network.
        arch: Arch,
    },
    /// All weights of the network have a restrictive license, so its bare name selects none of
    /// them.
    #[error("`{arch}`: its weights are not for commercial use, or name no license; if you may use them, name one: {}", .ids.join(", "))]
    Restricted {
        /// The network.
        arch: Arch,
        /// The ids of the network's weights.
        ids: Vec<String>,
    },
    /// The pattern is not valid.
    #[error("`{pattern}`: expected a pattern of letters, `*`, `?` and `[...]`: {cause}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// The syntax error.
        cause: String,
    },
}

impl Weights {
    /// Returns the weights with this name, which is one of:
    ///
    /// - an id: `resnet50.a1_in1k`
    /// - torchvision's name: `ResNet50_Weights.IMAGENET1K_V2` or `.DEFAULT`
    /// - a repository of the Hugging Face hub: `timm/resnet50.a1_in1k`
    /// - the name of a network, for its default weights: timm's default, or the first weights that
    ///   allow commercial use
    ///
    /// # Errors
    ///
    /// Returns an error if no weights have this name; the message lists the most similar names.
    pub fn named(name: &str) -> Result<&'static Self, UnknownWeights> {
        let repo = name
            .trim_start_matches("hf-hub:")
            .trim_start_matches("hf_hub:");
        let id = repo.strip_prefix("timm/").unwrap_or(repo);
        if let Some(found) = Self::all().iter().find(|weights| weights.id == id) {
            return Ok(found);
        }
        if let Some(found) = of_torchvision(name) {
            return Ok(found);
        }
        match id.parse::<Arch>() {
            Ok(arch) => default_of(arch),
            Err(_) => Err(unknown(id)),
        }
    }

    /// Returns the weights whose id matches a pattern with `*`, `?` and `[...]`. `resnet50` alone
    /// is short for `resnet50.*`.
    ///
    /// # Errors
    ///
    /// Returns an error if the pattern is not valid, or is a plain name that no weights have.
    pub fn matching(pattern: &str) -> Result<Vec<&'static Self>, UnknownWeights> {
        let glob = glob::Pattern::new(pattern).map_err(|error| UnknownWeights::Pattern {
            pattern: pattern.into(),
            cause: error.msg.into(),
        })?;
        let fits = |weights: &&Self| glob.matches(&weights.id) || weights.arch.name() == pattern;
        let found: Vec<_> = Self::all().iter().filter(fits).collect();
        match found.is_empty() && !pattern.contains(['*', '?', '[']) {
            true => Self::named(pattern).map(|found| vec![found]),
            false => Ok(found),
        }
    }
}

/// Looks up `ResNet50_Weights.IMAGENET1K_V2`, or `.DEFAULT` for the newest version.
fn of_torchvision(name: &str) -> Option<&'static Weights> {
    let (network, version) = name.split_once('.')?;
    let of_network = |weights: &&Weights| {
        let own = weights
            .torchvision
            .as_deref()
            .and_then(|own| own.split_once('.'));
        own.is_some_and(|(own, own_version)| {
            own == network && (version == "DEFAULT" || own_version == version)
        })
    };
    Weights::all().iter().rfind(of_network)
}

fn default_of(arch: Arch) -> Result<&'static Weights, UnknownWeights> {
    let of_arch = || {
        Weights::all()
            .iter()
            .filter(move |weights| weights.arch == arch)
    };
    if let Some(default) = of_arch().find(|weights| weights.default) {
        return Ok(default);
    }
    let ids: Vec<_> = of_arch().map(|weights| weights.id.clone()).collect();
    Err(match ids.is_empty() {
        true => UnknownWeights::Unpublished { arch },
        false => UnknownWeights::Restricted { arch, ids },
    })
}

fn unknown(name: &str) -> UnknownWeights {
    let ids = Weights::all().iter().map(|weights| weights.id.as_str());
    if let Some((arch, tag)) = name.split_once('.')
        && let Ok(arch) = arch.parse::<Arch>()
    {
        let of_arch = Weights::all().iter().filter(|weights| weights.arch == arch);
        let ids: Vec<_> = of_arch.map(|weights| weights.id.clone()).collect();
        let tag = tag.to_string();
        return match ids.is_empty() {
            true => UnknownWeights::Unpublished { arch },
            false => UnknownWeights::Tag { arch, tag, ids },
        };
    }
    let archs = Arch::ALL.iter().map(|arch| arch.name());
    let torchvision = Weights::all()
        .iter()
        .filter_map(|weights| weights.torchvision.as_deref());
    let mut names: Vec<&str> = ids.chain(archs).chain(torchvision).collect();
    names.sort_by_cached_key(|known| {
        strsim::levenshtein(&name.to_lowercase(), &known.to_lowercase())
    });
    UnknownWeights::Name {
        name: name.to_string(),
        nearest: names.into_iter().take(3).map(Into::into).collect(),
    }
}
