//! Groups of tensors outside a backbone, classified by their names and shapes.

use std::collections::{BTreeMap, BTreeSet};

use crate::Entry;

/// Usual names of the module with the classifier.
pub(super) const NAMES: [&str; 9] = [
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

/// Parts of names of modules that do not follow the backbone: training state, other networks, and
/// heads for detection and segmentation.
const ASIDE: [&str; 22] = [
    "optim",
    "sched",
    "scaler",
    "loss",
    "criterion",
    "queue",
    "proto",
    "contrast",
    "momentum",
    "teacher",
    "target",
    "aux",
    "decode",
    "rpn",
    "roi",
    "fpn",
    "memory",
    "bank",
    "center",
    "callback",
    "hyper",
    "online",
];

/// Parts of names of branches for self-supervised learning. They may also be between backbone and
/// classifier.
const BRANCHES: [&str; 3] = ["proj", "predict", "metric"];

/// Names of the parameters of affine and normalization layers.
const PARAMETERS: [&str; 6] = [
    "weight",
    "bias",
    "running_mean",
    "running_var",
    "gamma",
    "beta",
];

pub(super) type Row<'a> = (String, &'a Entry);

/// The tensors of a level whose names have the same first component.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) name: String,
    pub(super) rows: Vec<Row<'a>>,
    /// Whether the name is usual for a classifier, or follows the network's index in a sequence.
    pub(super) known: bool,
    /// Whether the name indicates a branch for self-supervised learning.
    pub(super) branch: bool,
}

/// The groups outside the backbone: below the root (level 0), in its parent (level 1), and so on.
pub(super) type Levels<'a> = Vec<Vec<Group<'a>>>;

impl Group<'_> {
    /// Returns the output and input sizes of all linear layers and convolutions.
    fn matrices(&self) -> impl Iterator<Item = [usize; 2]> {
        let weights = self.rows.iter().filter(|(name, _)| name.contains("weight"));
        weights.filter_map(|(_, entry)| match entry.shape[..] {
            [outputs, inputs] | [outputs, inputs, _, _] => Some([outputs, inputs]),
            _ => None,
        })
    }

    /// Returns the output and input size of the first linear layer or convolution.
    pub(super) fn matrix(&self) -> Option<[usize; 2]> {
        self.matrices().next()
    }

    /// Returns whether its inputs are the features, or two values per feature (average and
    /// maximum).
    pub(super) fn takes(&self, features: Option<usize>) -> bool {
        let inputs = self.matrix().map(|[_, inputs]| inputs);
        inputs.is_some_and(|inputs| {
            features.is_some_and(|count| inputs == count || inputs == 2 * count)
        })
    }

    /// Returns whether it is a linear layer, with or without a bias.
    pub(super) fn is_linear(&self) -> bool {
        let weight = self.rows.iter().find(|(_, entry)| entry.shape.len() == 2);
        let Some(path) = weight.and_then(|(name, _)| name.strip_suffix("weight")) else {
            return false;
        };
        let bias = format!("{path}bias");
        self.rows
            .iter()
            .all(|(name, entry)| match entry.shape.len() {
                2 => weight.is_some_and(|(weight, _)| weight == name),
                1 => *name == bias,
                _ => false,
            })
    }

    /// Returns whether the group is part of the head: between the backbone and a classifier with
    /// `outputs` outputs, or after the classifier. `near` means that the group's level allows a
    /// place between them. `known` means that the classifier has a usual name.
    pub(super) fn belongs(
        &self,
        features: Option<usize>,
        outputs: usize,
        near: bool,
        known: bool,
    ) -> bool {
        let is_wide = |count: usize| {
            features.is_some_and(|features| count == features || count == 2 * features)
        };
        if let Some([_, inputs]) = self.matrix() {
            let gives_features = near && self.matrices().any(|[own, _]| is_wide(own));
            let attends = near && self.name.to_lowercase().contains("att");
            let other_head = self.takes(features) && !self.branch && (self.known || !known);
            let follows = inputs == outputs && !self.branch;
            return gives_features || attends || other_head || follows;
        }
        let vectors = self.rows.iter().filter(|(name, entry)| {
            let last = name.rsplit('.').next().unwrap_or_default();
            entry.dtype.is_float() && entry.shape.len() == 1 && PARAMETERS.contains(&last)
        });
        let lengths: Vec<usize> = vectors.map(|(_, entry)| entry.shape[0]).collect();
        // A single vector may be a threshold or the weights of a loss.
        let is_norm = lengths.len() > 1;
        let is_scalar = |(name, entry): &Row<'_>| {
            name.rsplit('.').next() == Some("p") && entry.shape.iter().product::<usize>() == 1
        };
        let is_pool = self.name.contains("pool")
            || self.name.contains("gem")
            || self.rows.iter().all(is_scalar);
        near && (is_pool || lengths.iter().any(|&length| is_wide(length)))
            || is_norm && lengths.contains(&outputs)
    }
}

/// Returns the groups above the root, level by level, without modules that contain other states.
pub(super) fn above<'a>(root: &str, outside: &[&'a Entry], others: &BTreeSet<&str>) -> Levels<'a> {
    let mut levels = Vec::new();
    let mut path = root.strip_suffix('.');
    while let Some(own) = path {
        let (parent, own) = own.rsplit_once('.').unwrap_or(("", own));
        let prefix = match parent.is_empty() {
            true => String::new(),
            false => format!("{parent}."),
        };
        let branch = format!("{prefix}{own}.");
        let rows = outside.iter().filter_map(|entry| {
            let rest = entry.key.strip_prefix(&prefix)?;
            (!entry.key.starts_with(&branch)).then(|| (rest.to_string(), *entry))
        });
        let place: Option<usize> = own.parse().ok();
        let mut level = groups(rows.collect(), |name| {
            let follows = place.zip(name.parse::<usize>().ok());
            NAMES.contains(&name) || follows.is_some_and(|(own, name)| name > own)
        });
        level.retain(|group| {
            let branch = format!("{prefix}{}.", group.name);
            let next = others.range(branch.as_str()..).next();
            !next.is_some_and(|other| other.starts_with(&branch))
        });
        // This network is nested in another one, to which the groups of this level belong.
        if others.contains(prefix.as_str()) {
            break;
        }
        levels.push(level);
        path = (!parent.is_empty()).then_some(parent);
    }
    levels
}

/// Groups tensors by the first component of their names.
pub(super) fn groups<'a>(rows: Vec<Row<'a>>, is_known: impl Fn(&str) -> bool) -> Vec<Group<'a>> {
    let mut groups: BTreeMap<String, Vec<Row<'_>>> = BTreeMap::new();
    for (name, entry) in rows {
        if !name.ends_with("num_batches_tracked") {
            let part = first_part(&name).to_string();
            groups.entry(part).or_default().push((name, entry));
        }
    }
    let group = |(name, rows): (String, Vec<Row<'a>>)| Group {
        known: is_known(&name) && !is_branch(&name),
        branch: is_branch(&name),
        name,
        rows,
    };
    groups.into_iter().map(group).collect()
}

pub(super) fn first_part(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

pub(super) fn is_aside(name: &str) -> bool {
    let name = name.to_lowercase();
    let averaged = name.split(['_', '-']).any(|part| part == "ema");
    averaged || ASIDE.iter().any(|part| name.contains(part))
}

pub(super) fn is_branch(name: &str) -> bool {
    let name = name.to_lowercase();
    BRANCHES.iter().any(|part| name.contains(part))
}
