//! Finds and opens the weights of a source, and determines its network.

use std::path::PathBuf;

use resnet_core::ResNetConfig;

use super::{Classes, ModelSource, Origin, Resolved, SourceError, default_preprocessing};
use crate::{
    Checkpoint, DenseWeights, EmbeddedDense, Fetch, Labels, QuantizationInfo, ReadError, Weights,
};

impl ModelSource {
    /// Returns the row of the catalog, if the source is a published one.
    pub(super) fn published(&self) -> Result<Option<Weights>, SourceError> {
        Ok(match &self.origin {
            Origin::Name(name) => match DenseWeights::named(name) {
                Some(weights) => return Err(is_dense(name, weights.config().is_detector())),
                None => match EmbeddedDense::named(name) {
                    Some(network) => return Err(is_dense(name, network.is_detector())),
                    None => Some(Weights::named(name)?.clone()),
                },
            },
            Origin::Weights(weights) => Some((**weights).clone()),
            Origin::File(path) if self.arch.is_none() => Weights::of_file(path).cloned(),
            Origin::File(_) | Origin::Bytes { .. } => None,
        })
    }

    pub(super) fn resolve_published(self, weights: Weights) -> Result<Resolved, SourceError> {
        let (checkpoint, file, mut notes) = self.open_published(&weights)?;
        notes.extend(checkpoint.notes());
        let config = with_classes(weights.config(), &checkpoint, self.classes);
        let config = self.overrides.apply(config)?;
        Ok(Resolved {
            name: weights.id.clone(),
            labels: match (config.num_classes, checkpoint.labels()) {
                (classes, _) if classes == weights.classes => weights.labels(),
                (classes, Some(labels)) if labels.len() == classes => labels.clone(),
                (classes, _) => Labels::numbered(classes),
            },
            config,
            preprocessing: weights.preprocessing,
            activation: checkpoint.output_activation().unwrap_or_default(),
            weights: Some(weights),
            file,
            checkpoint,
            overrides: self.overrides,
            notes,
        })
    }

    /// Returns the file that the user gives instead of a download.
    pub(crate) fn given(&self) -> Option<&PathBuf> {
        match &self.origin {
            Origin::File(path) => Some(path),
            _ => self.file.as_ref(),
        }
    }

    /// Opens published weights: from the given file, the program itself, this machine or a
    /// download. Shows license restrictions before a download; otherwise returns them as notes.
    fn open_published(
        &self,
        weights: &Weights,
    ) -> Result<(Checkpoint, Option<PathBuf>, Vec<String>), SourceError> {
        let restriction = weights.restriction();
        if let Some(path) = self.given() {
            let checkpoint = self.enter(Checkpoint::open(path)?)?;
            let notes = restriction.into_iter().collect();
            return Ok((checkpoint, Some(path.clone()), notes));
        }
        if let Some(checkpoint) = weights.open_embedded()? {
            return Ok((self.enter(checkpoint)?, None, Vec::new()));
        }
        let fetch = match &self.fetch {
            Some(fetch) => fetch.clone(),
            None => Fetch::from_env()?,
        };
        if let Some(restriction) = restriction {
            fetch.note(&restriction);
        }
        let path = fetch.fetch(weights)?.path;
        Ok((
            self.enter(Checkpoint::open(&path)?)?,
            Some(path),
            Vec::new(),
        ))
    }

    fn enter(&self, checkpoint: Checkpoint) -> Result<Checkpoint, ReadError> {
        match &self.state {
            Some(state) => checkpoint.with_state(state),
            None => Ok(checkpoint),
        }
    }

    /// Resolves a checkpoint that is not in the catalog.
    pub(super) fn resolve_file(mut self) -> Result<Resolved, SourceError> {
        let (opened, file) = match &mut self.origin {
            Origin::Bytes { name, bytes } => {
                let bytes = std::mem::take(bytes);
                (Checkpoint::from_bytes(&*name, bytes)?, None)
            }
            Origin::File(path) => (Checkpoint::open(&*path)?, Some(path.clone())),
            Origin::Name(_) | Origin::Weights(_) => unreachable!("resolved as published weights"),
        };
        if self.arch.is_none()
            && self.state.is_none()
            && opened.is_dense()
            && let Ok(inferred) = opened.infer_dense()
        {
            return Err(is_dense(opened.name(), inferred.config.is_detector()));
        }
        let checkpoint = self.enter(opened)?;
        let (config, named, mut notes) = self.infer(&checkpoint)?;
        let name = named.clone().unwrap_or_else(|| checkpoint.name().into());
        let labels = match checkpoint.labels() {
            Some(labels) if config.num_classes > 0 => labels.clone(),
            _ => Labels::of_network(named.as_deref(), config.num_classes),
        };
        notes.splice(..0, checkpoint.notes());
        // The license of weights stays with the integers.
        notes.extend(
            checkpoint
                .quantization()
                .and_then(QuantizationInfo::restriction),
        );
        Ok(Resolved {
            name,
            preprocessing: checkpoint
                .preprocessing()
                .unwrap_or_else(|| default_preprocessing(&config)),
            labels,
            activation: checkpoint.output_activation().unwrap_or_default(),
            weights: None,
            file,
            config,
            checkpoint,
            overrides: self.overrides,
            notes,
        })
    }

    /// Returns the config of a file, its name if it has one, and notes on assumptions.
    fn infer(
        &self,
        checkpoint: &Checkpoint,
    ) -> Result<(ResNetConfig, Option<String>, Vec<String>), SourceError> {
        if let Some(name) = &self.arch {
            let config = with_classes(ResNetConfig::named(name)?, checkpoint, self.classes);
            return Ok((
                self.overrides.apply(config)?,
                Some(name.clone()),
                Vec::new(),
            ));
        }
        let inferred = checkpoint.infer_with(&self.overrides)?;
        let note = inferred.note(&format!("the network of `{}`", checkpoint.name()));
        Ok((inferred.config, inferred.name, note.into_iter().collect()))
    }
}

/// Returns the error for a detector or segmentation network where a classifier is expected.
fn is_dense(name: &str, is_detector: bool) -> SourceError {
    let name = name.to_string();
    let found = match is_detector {
        true => "a detector; load it with `Detector`",
        false => "a segmentation network; load it with `Segmenter`",
    };
    SourceError::Dense { name, found }
}

/// Returns the config, with the classes and channels of the file if requested.
fn with_classes(config: ResNetConfig, checkpoint: &Checkpoint, classes: Classes) -> ResNetConfig {
    match (checkpoint.infer(), classes) {
        (Ok(inferred), Classes::FromFile) => config
            .with_num_classes(inferred.config.num_classes)
            .with_in_channels(inferred.config.in_channels),
        _ => config,
    }
}
