//! `weights download`, `verify`, `path` and `clean`: the weights on this machine.

use std::io::Write;

use anyhow::{Error, Result};
use resnet_cli::{HumanBytes, Outcome};
use resnet_weights::{
    CacheFileKind, Clean, DenseWeights, EmbeddedDense, FetchError, Found, PublishedFile, Verdict,
    Verified, Weights,
};

use crate::cli::{WeightsClean, WeightsIds, WeightsVerify};

/// Published weights of a classifier, or of a detector or segmentation network.
#[derive(Clone, Copy)]
enum Published {
    Classifier(&'static Weights),
    Dense(&'static DenseWeights),
}

impl Published {
    fn named(name: &str) -> Result<Self> {
        if let Some(network) = EmbeddedDense::named(name) {
            let id = network.id.into();
            return Err(FetchError::Embedded { id }.into());
        }
        Ok(match DenseWeights::named(name) {
            Some(weights) => Self::Dense(weights),
            None => Self::Classifier(Weights::named(name)?),
        })
    }

    /// Returns all weights that have a file.
    fn all() -> Vec<Self> {
        let classifiers = Weights::all()
            .iter()
            .filter(|weights| !weights.is_embedded());
        let dense = DenseWeights::all().iter().map(Self::Dense);
        classifiers.map(Self::Classifier).chain(dense).collect()
    }

    fn id(self) -> &'static str {
        match self {
            Self::Classifier(weights) => &weights.id,
            Self::Dense(weights) => &weights.id,
        }
    }
}

impl From<Published> for PublishedFile<'static> {
    fn from(weights: Published) -> Self {
        match weights {
            Published::Classifier(weights) => weights.into(),
            Published::Dense(weights) => weights.into(),
        }
    }
}

pub(crate) fn download(args: WeightsIds, offline: bool) -> Result<Outcome> {
    let fetch = resnet_cli::fetch(offline)?;
    print_paths(&args, |weights| {
        if let Published::Classifier(weights) = weights
            && let Some(restriction) = weights.restriction()
        {
            resnet_cli::note(&restriction);
        }
        Ok(fetch.fetch(weights)?)
    })
}

pub(crate) fn path(args: WeightsIds) -> Result<Outcome> {
    let fetch = resnet_cli::fetch(true)?;
    print_paths(&args, |weights| match fetch.find(weights)? {
        Some(found) => Ok(found),
        None => Err(Error::msg(format!(
            "`{id}`: not on this machine; get it with `resnet-infer weights download {id}`",
            id = weights.id()
        ))),
    })
}

/// Prints one path per line. An error does not stop the others, unless there is only one id.
fn print_paths(args: &WeightsIds, get: impl Fn(Published) -> Result<Found>) -> Result<Outcome> {
    let all = args.ids.iter().map(|id| Published::named(id));
    let all: Vec<Published> = all.collect::<Result<_>>()?;
    let mut outcome = Outcome::Done;
    for weights in &all {
        match get(*weights) {
            Ok(found) => writeln!(std::io::stdout(), "{}", found.path.display())?,
            // Nothing succeeded, so the command fails as a whole.
            Err(error) if all.len() == 1 => return Err(error),
            Err(error) => {
                resnet_cli::error(&error);
                outcome = Outcome::SomeFailed;
            }
        }
    }
    Ok(outcome)
}

pub(crate) fn verify(args: WeightsVerify) -> Result<Outcome> {
    let fetch = resnet_cli::fetch(true)?;
    let named = args.ids.iter().map(|id| Published::named(id));
    let named: Vec<Published> = named.collect::<Result<_>>()?;
    let every = named.is_empty();
    let weights = if every { Published::all() } else { named };
    let (mut all_right, mut all_absent) = (true, true);
    for weights in weights {
        match fetch.verify(weights) {
            Ok(files) => {
                all_absent &= files.is_empty();
                all_right &= report(weights.id(), files, every)?;
            }
            Err(error) => {
                resnet_cli::error(&error.into());
                (all_right, all_absent) = (false, false);
            }
        }
    }
    if every && all_absent {
        let cache = fetch.cache().display();
        resnet_cli::note(&format!("no weights in `{cache}`"));
    }
    Ok(Outcome::of(!all_right))
}

/// Prints one line per file of the weights. Returns whether the hashes of all files match.
fn report(id: &str, files: Vec<Verified>, every: bool) -> Result<bool> {
    let mut out = std::io::stdout().lock();
    if files.is_empty() && !every {
        writeln!(out, "absent   {id}  not in the cache")?;
        return Ok(false);
    }
    let mut right = true;
    for file in files {
        let path = file.path.display();
        match file.verdict {
            Verdict::Right { sha256 } => writeln!(out, "right    {id}  sha256 {sha256}  {path}")?,
            Verdict::NoHash { sha256 } => {
                right = false;
                writeln!(
                    out,
                    "no hash  {id}  sha256 {sha256}, no published hash to compare  {path}"
                )?;
            }
            Verdict::Wrong { expected, found } => {
                right = false;
                writeln!(
                    out,
                    "removed  {id}  expected sha256 {expected}, found {found}  {path}"
                )?;
            }
        }
    }
    Ok(right)
}

pub(crate) fn clean(args: WeightsClean) -> Result<Outcome> {
    let fetch = resnet_cli::fetch(true)?;
    let what = if args.partial {
        Clean::Partials
    } else {
        Clean::All
    };
    let removed = fetch.clean(Published::all(), what)?;
    let mut out = std::io::stdout().lock();
    for file in removed
        .iter()
        .filter(|file| file.kind != CacheFileKind::Hash)
    {
        writeln!(
            out,
            "removed  {}  {}",
            HumanBytes(file.bytes),
            file.path.display()
        )?;
    }
    if removed.is_empty() {
        resnet_cli::note(&format!(
            "nothing to remove in `{}`",
            fetch.cache().display()
        ));
    }
    Ok(Outcome::Done)
}
