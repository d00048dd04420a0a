//! Resolves a source to a detector or segmentation network.

use std::path::PathBuf;

use burn::tensor::backend::Backend;
use resnet_core::Network;
use resnet_dense::{DenseArch, DenseConfig, DenseConfigError, UnknownDenseArch};

use super::{DenseWeights, EmbeddedDense, LabelSet};
use crate::source::Origin;
use crate::{
    CategoryIds, Checkpoint, Fetch, FetchError, InferError, KeypointNames, Labels, Load, LoadError,
    ModelSource, OptionError, ReadError, Report,
};

/// A detector or segmentation network with opened weights that is not built yet.
#[derive(Debug)]
#[non_exhaustive]
pub struct ResolvedDense {
    /// The id of the weights, or the name of the network or file.
    pub name: String,
    /// The options of the network.
    pub config: DenseConfig,
    /// The class names, or class numbers.
    pub labels: Labels,
    /// The category ids of the classes, if the file contains them.
    pub category_ids: Option<CategoryIds>,
    /// The names of the keypoints, if the file contains them.
    pub keypoints: Option<KeypointNames>,
    /// The row of the catalog, for published weights.
    pub weights: Option<DenseWeights>,
    /// The file, unless the weights are in memory.
    pub file: Option<PathBuf>,
    /// The open file.
    pub checkpoint: Checkpoint,
    /// Notes for the user, one line each.
    pub notes: Vec<String>,
}

/// The error of resolving a source to a detector or segmentation network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DenseSourceError {
    /// No weights and no network have this name.
    #[error("unknown weights `{name}`: expected one of {}", ids())]
    Name {
        /// The name.
        name: String,
    },
    /// The program lacks the embedded network.
    #[error("`{id}`: only programs built with the feature `embedded` contain this network")]
    NotEmbedded {
        /// The id.
        id: &'static str,
    },
    /// A file is given for a network that programs contain.
    #[error(
        "`{id}`: programs contain this network, so it has no file; to load the file, leave out the name"
    )]
    EmbeddedFile {
        /// The id.
        id: &'static str,
    },
    /// No network has this name.
    #[error(transparent)]
    Arch(#[from] UnknownDenseArch),
    /// The file is not on this machine and cannot be downloaded.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The network cannot be inferred from the file.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// An option of the network cannot be set.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The options do not give a valid network.
    #[error(transparent)]
    Config(#[from] DenseConfigError),
    /// The file does not fit the network.
    #[error(transparent)]
    Load(#[from] LoadError),
}

fn ids() -> String {
    let published = DenseWeights::all().iter();
    let embedded = EmbeddedDense::all().iter().map(|network| network.id);
    let ids: Vec<&str> = published
        .map(|weights| weights.id.as_str())
        .chain(embedded)
        .collect();
    ids.join(", ")
}

impl ModelSource {
    /// Finds and opens the weights of a detector or segmentation network, as
    /// [`resolve`](Self::resolve) does for a classifier.
    ///
    /// # Errors
    ///
    /// Returns an error if a name is unknown, if the file cannot be found, downloaded or read, or
    /// if its network cannot be inferred.
    pub fn resolve_dense(self) -> Result<ResolvedDense, DenseSourceError> {
        let published = match &self.origin {
            Origin::Name(name) if EmbeddedDense::named(name).is_some() => None,
            Origin::Name(name) => Some(
                DenseWeights::named(name)
                    .ok_or_else(|| DenseSourceError::Name { name: name.clone() })?,
            ),
            Origin::File(path) if self.arch.is_none() => DenseWeights::of_file(path),
            Origin::File(_) | Origin::Bytes { .. } | Origin::Weights(_) => None,
        };
        let mut resolved = match published {
            Some(weights) => self.open_published_dense(weights)?,
            None => self.open_dense()?,
        };
        resolved.config = self.overrides.apply_dense(resolved.config)?;
        resolved.config.validate()?;
        resolved.fit_to_config();
        Ok(resolved)
    }

    fn open_published_dense(
        &self,
        weights: &DenseWeights,
    ) -> Result<ResolvedDense, DenseSourceError> {
        let path = match self.given() {
            Some(path) => path.clone(),
            None => {
                let fetch = match &self.fetch {
                    Some(fetch) => fetch.clone(),
                    None => Fetch::from_env()?,
                };
                fetch.fetch(weights)?.path
            }
        };
        Ok(ResolvedDense {
            name: weights.id.clone(),
            config: weights.config(),
            labels: weights.labels(),
            category_ids: None,
            keypoints: None,
            weights: Some(weights.clone()),
            checkpoint: Checkpoint::open(&path)?,
            file: Some(path),
            notes: Vec::new(),
        })
    }

    fn open_dense(&self) -> Result<ResolvedDense, DenseSourceError> {
        let (checkpoint, file) = match &self.origin {
            Origin::Name(name) => {
                let network = EmbeddedDense::named(name)
                    .ok_or_else(|| DenseSourceError::Name { name: name.clone() })?;
                if self.given().is_some() {
                    return Err(DenseSourceError::EmbeddedFile { id: network.id });
                }
                let checkpoint = network.open()?;
                let missing = DenseSourceError::NotEmbedded { id: network.id };
                (checkpoint.ok_or(missing)?, None)
            }
            Origin::Bytes { name, bytes } => (Checkpoint::from_bytes(name, bytes.clone())?, None),
            Origin::File(path) => (Checkpoint::open(path)?, Some(path.clone())),
            Origin::Weights(weights) => {
                let name = weights.id.clone();
                return Err(DenseSourceError::Name { name });
            }
        };
        let (config, name, notes) = match &self.arch {
            Some(name) => {
                let arch: DenseArch = name.parse()?;
                (arch.config(), name.clone(), Vec::new())
            }
            None => {
                let inferred = checkpoint.infer_dense()?;
                let name = inferred.arch.map(|arch| arch.name().to_string());
                let name = name.unwrap_or_else(|| checkpoint.name().to_string());
                (inferred.config, name, inferred.notes)
            }
        };
        let mut notes = notes;
        let labels = match (checkpoint.labels(), labels_of(&config)) {
            (Some(labels), _) => labels.clone(),
            (None, Some((labels, dataset))) => {
                notes.push(format!(
                    "the class names are not in the file: {dataset} are assumed"
                ));
                labels
            }
            (None, None) => Labels::numbered(config.num_classes()),
        };
        Ok(ResolvedDense {
            name,
            config,
            labels,
            category_ids: checkpoint.category_ids().cloned(),
            keypoints: checkpoint.keypoints().cloned(),
            weights: None,
            file,
            checkpoint,
            notes,
        })
    }
}

/// Returns the labels that the number of classes suggests: 91 for COCO, 21 for Pascal VOC, 2 with 17
/// keypoints for persons.
fn labels_of(config: &DenseConfig) -> Option<(Labels, &'static str)> {
    let (set, dataset) = match (config.num_classes(), keypoints_of(config)) {
        (91, None) => (LabelSet::Coco91, "COCO's 91"),
        (21, None) => (LabelSet::Voc21, "Pascal VOC's 21"),
        (2, Some(17)) => (LabelSet::Person, "`no person` and `person`"),
        _ => return None,
    };
    Some((set.labels(), dataset))
}

fn keypoints_of(config: &DenseConfig) -> Option<usize> {
    match config {
        DenseConfig::Detection(config) => config.keypoints(),
        DenseConfig::Segmentation(_) => None,
    }
}

impl ResolvedDense {
    /// Drops names and ids that do not fit the options, which the user may have changed.
    fn fit_to_config(&mut self) {
        let classes = self.config.num_classes();
        if self.labels.len() != classes {
            self.labels = Labels::numbered(classes);
        }
        let ids = self.category_ids.take();
        self.category_ids = ids.filter(|ids| ids.len() == classes);
        let count = keypoints_of(&self.config);
        let keypoints = self.keypoints.take();
        self.keypoints = keypoints.filter(|points| Some(points.names.len()) == count);
    }

    /// Loads the weights into a network of [`config`](Self::config).
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read or does not fit the network.
    pub fn load_into<B: Backend, N: Network<B>>(
        &self,
        network: N,
    ) -> Result<(N, Report), DenseSourceError> {
        Ok(Load::default().apply(network, &self.checkpoint)?)
    }
}
