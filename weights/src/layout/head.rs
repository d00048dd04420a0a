//! The classifier of a file, under any of its usual names.

use std::collections::{BTreeMap, BTreeSet};

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
        /// The parts it consists of: `fc`, `head`.
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

/// Parts of names that stand beside a network and not behind its backbone: what training needs, other networks, heads of
/// detection and segmentation.
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

/// Parts of names of branches of self-supervised learning, which may also stand between backbone and classifier.
const BRANCHES: [&str; 3] = ["proj", "predict", "metric"];

/// Names of parameters that a layer multiplies, adds or normalizes with.
const PARAMETERS: [&str; 6] = [
    "weight",
    "bias",
    "running_mean",
    "running_var",
    "gamma",
    "beta",
];

/// A head, and its tensors: torchvision's key, the name in the state, the tensor.
pub(super) struct Found<'a> {
    pub(super) head: Head,
    pub(super) rows: Vec<(String, String, &'a Entry)>,
    /// The part of another name that is taken for the classifier.
    pub(super) unusual: Option<String>,
}

type Row<'a> = (String, &'a Entry);

/// The tensors of a level whose names begin alike.
#[derive(Debug)]
struct Group<'a> {
    name: String,
    rows: Vec<Row<'a>>,
    /// It has a name of a classifier, or follows the network in a sequence.
    known: bool,
    /// It is a branch by its name.
    branch: bool,
}

/// What stands beside the backbone (level 0), in the part above it (level 1), and so on.
type Levels<'a> = Vec<Vec<Group<'a>>>;

/// Finds the head among what is below the root of a state beside the backbone, and in the parts above the root:
/// `backbone.conv1.weight` goes with `head.fc.weight`. `others` are the roots of the other states of the file.
pub(super) fn find_head<'a>(
    root: &str,
    backbone: &BTreeMap<String, (String, &Entry)>,
    inside: Vec<Row<'a>>,
    outside: &[&'a Entry],
    others: &BTreeSet<&str>,
) -> Found<'a> {
    let features = features(backbone);
    let mut levels: Levels<'_> = vec![groups(inside.clone(), |name| {
        NAMES.contains(&name) || name.parse::<usize>().is_ok()
    })];
    levels.extend(above(root, outside, others));
    let mut rows: Vec<(String, String, &Entry)> = inside
        .into_iter()
        .filter(|(name, _)| {
            let part = first_part(name);
            !is_aside(part) && !is_branch(part)
        })
        .map(|(name, entry)| (name.clone(), name, entry))
        .collect();
    for level in &mut levels {
        level.retain(|group| !is_aside(&group.name));
    }

    let Some((depth, place)) = candidate(&levels, features) else {
        let known = levels.iter().find_map(|level| {
            let names = level.iter().filter(|group| group.known);
            let names: Vec<&str> = names.map(|group| group.name.as_str()).collect();
            (!names.is_empty()).then(|| names.join("`, `"))
        });
        for group in levels[0].iter().filter(|group| group.known) {
            rename_layers(&mut rows, group);
        }
        return Found {
            head: known.map_or(Head::None, |name| Head::Layers { name }),
            rows,
            unusual: None,
        };
    };
    let chosen = &levels[depth][place];
    let [outputs, _] = chosen.matrix().unwrap_or_default();
    let between = levels.iter().enumerate().find_map(|(level, groups)| {
        let mut rest = groups.iter().enumerate();
        rest.find(|(index, group)| {
            (level, *index) != (depth, place)
                && group.belongs(features, outputs, level <= depth, chosen.known)
        })
        .map(|(_, group)| group.name.clone())
    });
    if let Some(other) = between {
        let mut names = [other, chosen.name.clone()];
        names.sort();
        if depth == 0 {
            rename_layers(&mut rows, chosen);
        }
        return Found {
            head: Head::Layers {
                name: names.join("`, `"),
            },
            rows,
            unusual: None,
        };
    }
    rows.retain(|(_, name, _)| depth > 0 || !chosen.rows.iter().any(|(own, _)| own == name));
    for (name, entry) in &chosen.rows {
        let key = match entry.shape.len() {
            2 => "fc.weight",
            _ => "fc.bias",
        };
        rows.push((key.into(), name.clone(), entry));
    }
    Found {
        head: Head::Linear,
        rows,
        unusual: (!chosen.known).then(|| chosen.name.clone()),
    }
}

/// The level and place of the classifier: the only linear layer of a known name, the nearest first; without one, the only
/// linear layer with a bias that takes the features.
fn candidate(levels: &Levels<'_>, features: Option<usize>) -> Option<(usize, usize)> {
    for (depth, level) in levels.iter().enumerate() {
        let known: Vec<usize> = (0..level.len())
            .filter(|&place| level[place].known)
            .collect();
        let fits = |place: &&usize| {
            let group = &level[**place];
            // Below the root, a classifier of other inputs is an error of its own.
            group.is_linear() && (group.takes(features) || depth == 0 && known.len() == 1)
        };
        match known.iter().filter(fits).collect::<Vec<_>>()[..] {
            [place] => return Some((depth, *place)),
            _ if !known.is_empty() => return None,
            _ => {}
        }
    }
    let mut unusual = levels.iter().enumerate().flat_map(|(depth, level)| {
        let fits = |group: &Group<'_>| {
            group.is_linear() && group.rows.len() == 2 && group.takes(features) && !group.branch
        };
        (0..level.len())
            .filter(move |&place| fits(&level[place]))
            .map(move |place| (depth, place))
    });
    unusual.next().filter(|_| unusual.next().is_none())
}

impl Group<'_> {
    /// Outputs and inputs of its matrices and of its convolutions.
    fn matrices(&self) -> impl Iterator<Item = [usize; 2]> {
        let weights = self.rows.iter().filter(|(name, _)| name.contains("weight"));
        weights.filter_map(|(_, entry)| match entry.shape[..] {
            [outputs, inputs] | [outputs, inputs, _, _] => Some([outputs, inputs]),
            _ => None,
        })
    }

    /// Outputs and inputs of its first matrix.
    fn matrix(&self) -> Option<[usize; 2]> {
        self.matrices().next()
    }

    /// Whether its first matrix takes the features, or mean and maximum of each.
    fn takes(&self, features: Option<usize>) -> bool {
        let inputs = self.matrix().map(|[_, inputs]| inputs);
        inputs.is_some_and(|inputs| {
            features.is_some_and(|count| inputs == count || inputs == 2 * count)
        })
    }

    /// Whether it is a matrix, and a vector beside it or nothing.
    fn is_linear(&self) -> bool {
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

    /// Whether the network computes with it between the backbone and a classifier of so many outputs, or behind that.
    /// `near` is a group that may stand between; `known` tells that the classifier has a usual name.
    fn belongs(&self, features: Option<usize>, outputs: usize, near: bool, known: bool) -> bool {
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
        // A vector alone is a threshold or the weights of a loss.
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

/// The groups above the root, level by level, without the branches of other states.
fn above<'a>(root: &str, outside: &[&'a Entry], others: &BTreeSet<&str>) -> Levels<'a> {
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
        // What stands beside a network that this one is a part of belongs to that network.
        if others.contains(prefix.as_str()) {
            break;
        }
        levels.push(level);
        path = (!parent.is_empty()).then_some(parent);
    }
    levels
}

/// Groups tensors by the first part of their names.
fn groups<'a>(rows: Vec<Row<'a>>, is_known: impl Fn(&str) -> bool) -> Vec<Group<'a>> {
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

/// Gives the layers of a head keys of which none is that of a single layer.
fn rename_layers(rows: &mut [(String, String, &Entry)], group: &Group<'_>) {
    for (key, name, _) in rows {
        if first_part(name) == group.name {
            *key = match name.starts_with("fc.") && !matches!(&name[..], "fc.weight" | "fc.bias") {
                true => name.clone(),
                false => format!("fc.{name}"),
            };
        }
    }
}

fn first_part(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

fn is_aside(name: &str) -> bool {
    let name = name.to_lowercase();
    let averaged = name.split(['_', '-']).any(|part| part == "ema");
    averaged || ASIDE.iter().any(|part| name.contains(part))
}

fn is_branch(name: &str) -> bool {
    let name = name.to_lowercase();
    BRANCHES.iter().any(|part| name.contains(part))
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
