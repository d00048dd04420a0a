//! The classifier of a file, under any of its usual names.

use std::collections::BTreeMap;

use crate::Entry;

/// What follows the backbone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Head {
    /// Nothing.
    #[default]
    None,
    /// One linear layer.
    Linear,
    /// More than one layer, or something else.
    Layers {
        /// The part it is under: `fc`, `head`.
        name: String,
    },
}

/// Names of the part that holds the classifier.
const NAMES: [&str; 9] = [
    "fc",
    "classifier",
    "head",
    "heads",
    "linear",
    "last_linear",
    "logits",
    "cls_head",
    "output",
];

/// A head, and its tensors: torchvision's key, the name in the state, the tensor.
pub(super) struct Found<'a> {
    pub(super) head: Head,
    pub(super) rows: Vec<(String, String, &'a Entry)>,
}

type Row<'a> = (String, &'a Entry);

/// Finds the head among what is below the root of a state beside the backbone, and in the parent
/// of the root: `backbone.conv1.weight` goes with `head.fc.weight`.
pub(super) fn find_head<'a>(
    root: &str,
    backbone: &BTreeMap<String, (String, &Entry)>,
    inside: &[Row<'a>],
    outside: &[&'a Entry],
) -> Found<'a> {
    let features = features(backbone);
    let inner = groups(inside.to_vec(), |name| {
        NAMES.contains(&name) || name.parse::<usize>().is_ok()
    });
    let parent = match root.strip_suffix('.') {
        Some(path) => path.rsplit_once('.').map_or("", |(parent, _)| parent),
        None => root,
    };
    let own = root[parent.len()..].trim_matches('.');
    let parent = match parent.is_empty() {
        true => String::new(),
        false => format!("{parent}."),
    };
    let beside = outside.iter().filter_map(|entry| {
        let rest = entry.key.strip_prefix(&parent)?;
        Some((rest.to_string(), *entry))
    });
    let place: Option<usize> = own.parse().ok();
    let outer = groups(beside.collect(), |name| {
        let follows = place.zip(name.parse::<usize>().ok());
        NAMES.contains(&name) || follows.is_some_and(|(own, name)| name > own)
    });
    let outer = match root.is_empty() {
        true => BTreeMap::new(),
        false => outer,
    };

    let mut rows: Vec<(String, String, &Entry)> = Vec::new();
    // What is below the root belongs to the network, whatever it is.
    let mut others = inside.to_vec();
    let head = match inner.len() {
        0 => Head::None,
        1 => one_head(&inner, &mut rows, &mut others),
        _ => layers(&inner),
    };
    if let Head::Layers { .. } = head {
        for group in inner.values() {
            for (name, entry) in group {
                // Never the two keys of a single layer.
                let key = match name.starts_with("fc.") && !is_single(name) {
                    true => name.clone(),
                    false => format!("fc.{name}"),
                };
                rows.push((key, name.clone(), entry));
                others.retain(|(other, _)| other != name);
            }
        }
    }
    rows.extend(
        others
            .into_iter()
            .map(|(name, entry)| (name.clone(), name, entry)),
    );

    let outputs = rows.iter().find(|(key, ..)| key == "fc.weight");
    let outputs = outputs.and_then(|(_, _, entry)| entry.shape.first().copied());
    let takes = |group: &[Row<'_>], inputs: Option<usize>| {
        let first = group.iter().find(|(_, entry)| entry.shape.len() == 2);
        first.is_some_and(|(_, entry)| entry.shape.get(1).copied() == inputs && inputs.is_some())
    };
    let head = match head {
        Head::None => {
            let fits = |group: &[Row<'_>]| {
                takes(group, features) || takes(group, features.map(|count| 2 * count))
            };
            let outer: BTreeMap<String, Vec<Row<'_>>> =
                outer.into_iter().filter(|(_, group)| fits(group)).collect();
            match outer.len() {
                0 => Head::None,
                1 => one_head(&outer, &mut rows, &mut Vec::new()),
                _ => layers(&outer),
            }
        }
        // A second classifier on the outputs of the first.
        Head::Linear => match outer.iter().find(|(_, group)| takes(group, outputs)) {
            Some((name, _)) => Head::Layers { name: name.clone() },
            None => Head::Linear,
        },
        layers => layers,
    };
    Found { head, rows }
}

/// The tensors whose first part may be a head, by that part.
fn groups<'a>(
    rows: Vec<Row<'a>>,
    is_head: impl Fn(&str) -> bool,
) -> BTreeMap<String, Vec<Row<'a>>> {
    let mut groups: BTreeMap<String, Vec<Row<'_>>> = BTreeMap::new();
    for (name, entry) in rows {
        let part = name.split('.').next().unwrap_or_default();
        if is_head(part) {
            groups
                .entry(part.to_string())
                .or_default()
                .push((name, entry));
        }
    }
    groups
}

/// The head of a single group: linear if it holds one matrix, and a vector beside it or nothing.
fn one_head<'a>(
    groups: &BTreeMap<String, Vec<Row<'a>>>,
    rows: &mut Vec<(String, String, &'a Entry)>,
    others: &mut Vec<Row<'a>>,
) -> Head {
    let Some(group) = groups.values().next() else {
        return Head::None;
    };
    let weight = group.iter().find(|(_, entry)| entry.shape.len() == 2);
    let path = weight.and_then(|(name, _)| name.strip_suffix("weight"));
    let bias = path.map(|path| format!("{path}bias"));
    let is_part = |(name, entry): &Row<'_>| match entry.shape.len() {
        2 => weight.is_some_and(|(weight, _)| weight == name),
        1 => Some(name) == bias.as_ref(),
        _ => false,
    };
    if path.is_none() || !group.iter().all(is_part) {
        return layers(groups);
    }
    for (name, entry) in group {
        let key = match entry.shape.len() {
            2 => "fc.weight",
            _ => "fc.bias",
        };
        rows.push((key.into(), name.clone(), entry));
        others.retain(|(other, _)| other != name);
    }
    Head::Linear
}

fn layers(groups: &BTreeMap<String, Vec<Row<'_>>>) -> Head {
    let names: Vec<&str> = groups.keys().map(String::as_str).collect();
    Head::Layers {
        name: names.join("`, `"),
    }
}

fn is_single(key: &str) -> bool {
    matches!(key, "fc.weight" | "fc.bias")
}

/// The channels of the last map.
fn features(backbone: &BTreeMap<String, (String, &Entry)>) -> Option<usize> {
    let last = (1..=4)
        .rev()
        .find(|stage| backbone.contains_key(&format!("layer{stage}.0.conv1.weight")))?;
    let out = |conv: &str| {
        let (_, entry) = backbone.get(&format!("layer{last}.0.{conv}.weight"))?;
        entry.shape.first().copied()
    };
    out("conv3").or_else(|| out("conv2"))
}
