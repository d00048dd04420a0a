//! The keys and shapes that a network expects in a file.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::backend::Backend;
use resnet_core::Network;

use super::LoadError;
use crate::{Checkpoint, Entry};

/// Returns the keys of the weights and biases of normalization layers: each one-dimensional
/// `weight` with a one-dimensional `bias` beside it.
pub(super) fn norm_parameters(expected: &[(String, Vec<usize>)]) -> BTreeSet<String> {
    let vectors = expected.iter().filter(|(_, shape)| shape.len() == 1);
    let norms = vectors.filter_map(|(key, _)| key.strip_suffix("weight"));
    norms
        .flat_map(|norm| [format!("{norm}weight"), format!("{norm}bias")])
        .collect()
}

/// The keys and shapes that a network expects in a file.
pub(super) struct Expected<'a> {
    pub(super) shapes: &'a [(String, Vec<usize>)],
    /// Keys of the head.
    pub(super) heads: BTreeSet<&'a str>,
    /// First components (such as `fc` in `fc.weight`) that occur only in keys of the head.
    head_parts: BTreeSet<&'a str>,
    /// Whether the network is a ResNet. Files may use other libraries' keys for it.
    pub(super) is_resnet: bool,
}

impl<'a> Expected<'a> {
    pub(super) fn new<B: Backend>(
        model: &impl Network<B>,
        shapes: &'a [(String, Vec<usize>)],
    ) -> Self {
        let keys = shapes.iter().map(|(key, _)| key.as_str());
        let (heads, others): (BTreeSet<_>, BTreeSet<_>) =
            keys.partition(|key| model.is_predictor(key));
        let mut head_parts: BTreeSet<_> = heads.iter().map(|key| first_part(key)).collect();
        for key in others {
            head_parts.remove(first_part(key));
        }
        let is_resnet = model.saved_config().is_some();
        if is_resnet {
            // A headless ResNet ignores the classifier of the file.
            head_parts.insert("fc");
        }
        Self {
            shapes,
            heads,
            head_parts,
            is_resnet,
        }
    }

    /// Returns the keys and shapes of a ResNet.
    pub(super) fn of_config(shapes: &'a [(String, Vec<usize>)]) -> Self {
        let keys = shapes.iter().map(|(key, _)| key.as_str());
        Self {
            shapes,
            heads: keys.filter(|key| first_part(key) == "fc").collect(),
            head_parts: BTreeSet::from(["fc"]),
            is_resnet: true,
        }
    }

    pub(super) fn is_head(&self, key: &str) -> bool {
        self.heads.contains(key) || self.head_parts.contains(first_part(key))
    }

    /// Returns the key of the first convolution if the file's tensor differs only in the input
    /// channels.
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

/// Returns the file's tensors by the keys of the network. These are the keys of torchvision and
/// timm, or, for a network of your own, the keys of the file if more of them fit.
pub(super) fn entries<'a, B: Backend>(
    checkpoint: &'a Checkpoint,
    model: &impl Network<B>,
    network: &Expected<'_>,
) -> Result<BTreeMap<String, &'a Entry>, LoadError> {
    let as_they_are = || {
        checkpoint
            .all()
            .map(|entry| (model.current_key(entry.key()).into_owned(), entry))
    };
    let fitting = |entries: &BTreeMap<String, &Entry>| {
        let keys = network.shapes.iter().map(|(key, _)| key);
        keys.filter(|key| entries.contains_key(*key)).count()
    };
    if !network.is_resnet {
        let own: BTreeMap<String, &Entry> = as_they_are().collect();
        if fitting(&own) > fitting(&translated(checkpoint)) {
            return Ok(own);
        }
    }
    by_key(checkpoint)
}

/// Returns the file's tensors by the keys of torchvision and timm.
pub(super) fn by_key(checkpoint: &Checkpoint) -> Result<BTreeMap<String, &Entry>, LoadError> {
    match checkpoint.is_ambiguous().then(|| checkpoint.infer()) {
        Some(Err(error)) => Err(LoadError::Several(error)),
        _ => Ok(translated(checkpoint)),
    }
}

fn translated(checkpoint: &Checkpoint) -> BTreeMap<String, &Entry> {
    let entries = checkpoint.by_key();
    entries
        .map(|(key, entry)| (key.to_string(), entry))
        .collect()
}
