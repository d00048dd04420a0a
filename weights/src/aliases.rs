//! Keys of other code bases for the same tensors.

use std::collections::BTreeMap;

use crate::{Checkpoint, Entry};

/// What others call a part, and what torchvision and timm call it. akamaster's CIFAR networks and
/// those that follow kuangliu's `pytorch-cifar` have the classifier and the shortcut by these names.
const ALIASES: [(&str, &str); 2] = [("linear.", "fc."), ("shortcut.", "downsample.")];

/// The entries of a file by the keys of torchvision and timm. A key is only translated where the
/// file does not hold the translation as well.
pub(crate) fn entries_by_key(checkpoint: &Checkpoint) -> BTreeMap<String, &Entry> {
    let translated = |entry: &Entry| match translate(entry.key()) {
        Some(key) if checkpoint.get(&key).is_none() => key,
        _ => entry.key().to_string(),
    };
    checkpoint
        .entries()
        .map(|entry| (translated(entry), entry))
        .collect()
}

fn translate(key: &str) -> Option<String> {
    ALIASES.iter().find_map(|(from, to)| {
        let at = key.find(from)?;
        let starts_a_part = at == 0 || key.as_bytes()[at - 1] == b'.';
        starts_a_part.then(|| [&key[..at], to, &key[at + from.len()..]].concat())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_parts_are_translated_and_nothing_else() {
        assert_eq!(translate("linear.weight").as_deref(), Some("fc.weight"));
        let key = translate("layer2.0.shortcut.0.weight");
        assert_eq!(key.as_deref(), Some("layer2.0.downsample.0.weight"));
        assert_eq!(translate("nonlinear.weight"), None);
        assert_eq!(translate("layer1.0.conv1.weight"), None);
    }
}
