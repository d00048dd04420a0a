//! What a network expects of a file.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::backend::Backend;
use resnet_core::{LayerGroup, Network};

use super::LoadError;
use crate::{Checkpoint, Entry};

/// The keys of the weights and biases of norms: a vector `weight` has a vector `bias` beside it.
pub(super) fn norm_parameters(expected: &[(String, Vec<usize>)]) -> BTreeSet<String> {
    let vectors = expected.iter().filter(|(_, shape)| shape.len() == 1);
    let norms = vectors.filter_map(|(key, _)| key.strip_suffix("weight"));
    norms
        .flat_map(|norm| [format!("{norm}weight"), format!("{norm}bias")])
        .collect()
}

/// What a network expects of a file.
pub(super) struct Expected<'a> {
    pub(super) shapes: &'a [(String, Vec<usize>)],
    /// First parts of the keys of its head; `fc` for a ResNet, with a classifier or without.
    pub(super) heads: BTreeSet<&'a str>,
}

impl<'a> Expected<'a> {
    pub(super) fn new<B: Backend>(
        model: &impl Network<B>,
        shapes: &'a [(String, Vec<usize>)],
    ) -> Self {
        let keys = shapes.iter().map(|(key, _)| key.as_str());
        let heads = keys
            .filter(|key| model.layer_group(key) == LayerGroup::Head)
            .map(first_part)
            .collect();
        Self { shapes, heads }
    }

    pub(super) fn is_head(&self, key: &str) -> bool {
        let part = first_part(key);
        part == "fc" || self.heads.contains(part)
    }

    /// The key of the first convolution, if its input channels are all that differs in the file.
    pub(super) fn other_in_channels(&self, entries: &BTreeMap<String, &Entry>) -> Option<String> {
        let (key, expected) = self.shapes.first()?;
        let entry = entries.get(key)?;
        match (&expected[..], entry.shape()) {
            (&[out, a, height, width], &[found_out, b, found_height, found_width])
                if [out, height, width] == [found_out, found_height, found_width]
                    && a != b
                    && b > 0
                    && entry.dtype().is_float() =>
            {
                Some(key.clone())
            }
            _ => None,
        }
    }
}

pub(super) fn first_part(key: &str) -> &str {
    key.split('.').next().unwrap_or_default()
}

/// The tensors of the file by the keys of the network: under the names of torchvision and timm, or as they are in the
/// file where only these have every key.
pub(super) fn entries<'a>(
    checkpoint: &'a Checkpoint,
    network: &Expected<'_>,
) -> Result<BTreeMap<String, &'a Entry>, LoadError> {
    let by_key = || {
        checkpoint
            .by_key()
            .map(|(key, entry)| (key.to_string(), entry))
    };
    let as_they_are = || {
        checkpoint
            .all()
            .map(|entry| (entry.key().to_string(), entry))
    };
    let complete = |entries: &BTreeMap<String, &Entry>| {
        let mut keys = network.shapes.iter().map(|(key, _)| key);
        keys.all(|key| entries.contains_key(key))
    };
    let translated: BTreeMap<String, &Entry> = by_key().collect();
    if !complete(&translated) {
        let own: BTreeMap<String, &Entry> = as_they_are().collect();
        if complete(&own) {
            return Ok(own);
        }
    }
    match checkpoint.is_ambiguous().then(|| checkpoint.infer()) {
        Some(Err(error)) => Err(LoadError::Several(error)),
        _ => Ok(translated),
    }
}
