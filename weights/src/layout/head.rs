//! Finds the classifier of a state, under any of its usual names.

use std::collections::{BTreeMap, BTreeSet};

use crate::Entry;
use group::{Group, Levels, NAMES, Row, above, first_part, groups, is_aside, is_branch};

mod group;

/// The head of a network: the layers after the backbone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Head {
    /// No head.
    #[default]
    None,
    /// One linear layer.
    Linear,
    /// Several layers, or another module.
    Layers {
        /// The names of its modules: `fc`, `head`.
        name: String,
    },
}

/// A head and its tensors. Each row is torchvision's key, the name in the state, and the tensor.
pub(super) struct Found<'a> {
    pub(super) head: Head,
    pub(super) rows: Vec<(String, String, &'a Entry)>,
    /// The name of a layer that counts as the classifier despite its unusual name.
    pub(super) unusual: Option<String>,
}

/// Finds the head among the tensors below the root that are not in the backbone (`inside`), and in
/// the modules above the root: `backbone.conv1.weight` may have its classifier in `head.fc.weight`.
/// `others` are the roots of the other states of the file.
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

/// Returns the level and index of the classifier. It is the only linear layer with a usual name, at
/// the lowest level that has such names. Without usual names, it is the only linear layer with a
/// bias whose inputs are the features.
fn candidate(levels: &Levels<'_>, features: Option<usize>) -> Option<(usize, usize)> {
    for (depth, level) in levels.iter().enumerate() {
        let known: Vec<usize> = (0..level.len())
            .filter(|&place| level[place].known)
            .collect();
        let fits = |place: &&usize| {
            let group = &level[**place];
            // At level 0, a classifier with another number of inputs counts too and gives a shape
            // error later.
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

/// Renames the layers of a multi-layer head, so that none has the key of a single linear layer.
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

/// Returns the number of channels of the last feature map.
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
