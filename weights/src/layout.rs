//! Finds state dicts in a file and maps their tensors to keys of torchvision and timm.
//!
//! A *state* is the state dict of a residual network inside a file. Its *root* is the common prefix
//! of its keys, a path of dictionaries and prefixes such as `model_state_dict.module.`. A prefix is
//! a root if a stem and a first block follow it, spelled in any [`Scheme`].

mod head;
mod scheme;
mod wrappers;

use std::collections::{BTreeMap, BTreeSet};

use crate::Entry;
pub(crate) use head::Head;
use head::find_head;
use scheme::Scheme;

/// A state dict of a residual network inside a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct State {
    /// The prefix of its keys, empty or with a dot at the end.
    root: String,
    scheme: Scheme,
}

/// The tensors of a state by the keys of torchvision and timm.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// The tensors of the state, sorted, with keys relative to the root.
    pub(crate) entries: Vec<Entry>,
    /// Indices into `entries` by torchvision's keys.
    pub(crate) places: BTreeMap<String, usize>,
    /// Keys of the file that do not belong to the network.
    pub(crate) left_out: Vec<String>,
    pub(crate) head: Head,
    /// The name of a layer that counts as the classifier despite its unusual name.
    pub(crate) unusual_head: Option<String>,
    /// Whether a pool follows the stem, if the keys show it.
    pub(crate) stem_pool: Option<bool>,
}

/// The choice among the states of a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Choice {
    /// The file has no state.
    None,
    /// The index of the only state, or of the only one with averaged weights.
    One(usize),
    /// Several states, and none of them is preferred.
    Several,
}

/// Finds the states of a file.
pub(crate) fn find(entries: &[Entry]) -> Vec<State> {
    let mut sorted: Vec<&str> = entries.iter().map(Entry::key).collect();
    sorted.sort_unstable();
    let below = |root: &str| -> BTreeSet<String> {
        let start = sorted.partition_point(|key| *key < root);
        let keys = sorted[start..]
            .iter()
            .map_while(|key| key.strip_prefix(root));
        keys.map(wrappers::without).collect()
    };
    let mut tried: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut states: BTreeMap<&str, Scheme> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.shape.len() == 4) {
        for (stem, schemes) in scheme::STEMS {
            let root = wrappers::root(&entry.key, stem);
            let Some(root) = root.filter(|root| !states.contains_key(root)) else {
                continue;
            };
            if !tried.insert((root, stem)) {
                continue;
            }
            let keys = below(root);
            let mut schemes = schemes.iter().filter_map(|scheme| scheme.below(&keys));
            if let Some(scheme) = schemes.next() {
                states.insert(root, scheme);
            }
        }
    }
    let state = |(root, scheme): (&str, Scheme)| State {
        root: root.to_string(),
        scheme,
    };
    states.into_iter().map(state).collect()
}

/// Chooses the only state, or the only one whose root indicates averaged weights.
pub(crate) fn choose(states: &[State]) -> Choice {
    let mut averaged = (0..states.len()).filter(|&place| states[place].is_averaged());
    match (states.len(), averaged.next(), averaged.next()) {
        (0, ..) => Choice::None,
        (1, ..) => Choice::One(0),
        (_, Some(place), None) => Choice::One(place),
        _ => Choice::Several,
    }
}

impl State {
    /// Returns the root without its last dot, as users name it, or `.` for the whole file.
    pub(crate) fn name(&self) -> &str {
        match self.root.strip_suffix('.') {
            Some(name) => name,
            None => ".",
        }
    }

    /// Returns whether a component of the root is `ema`, for an exponential moving average of the
    /// weights.
    fn is_averaged(&self) -> bool {
        let parts = self.root.split(['.', '_', '-']);
        parts.map(str::to_lowercase).any(|part| part == "ema")
    }

    /// Selects the tensors of the file that belong to this state. `states` are all states of the
    /// file.
    pub(crate) fn view(&self, entries: &[Entry], states: &[State]) -> View {
        let others: BTreeSet<&str> = states
            .iter()
            .filter(|state| *state != self)
            .map(|state| state.root.as_str())
            .collect();
        // Tensors of a network that is nested in this one do not count.
        let is_below = |entry: &&Entry| {
            let own = self.root.len();
            let mut dots = entry.key.match_indices('.');
            let is_inner = |(at, _): (usize, &str)| at >= own && others.contains(&entry.key[..=at]);
            entry.key.starts_with(&self.root) && !dots.any(is_inner)
        };
        let (below, outside): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(is_below);
        let rest = |entry: &Entry| entry.key[self.root.len()..].to_string();
        let mut network = BTreeMap::new();
        let mut beside = Vec::new();
        let is_quantized = entries
            .iter()
            .any(|entry| entry.key.ends_with(WEIGHT_SCALE));
        let is_scale = |entry: &&Entry| is_quantized && is_scale(&entry.key);
        let (scales, below): (Vec<&Entry>, Vec<&Entry>) = below.into_iter().partition(is_scale);
        for entry in below {
            let rest = rest(entry);
            match self.scheme.translate(&wrappers::without(&rest)) {
                Some(key) if !network.contains_key(&key) => {
                    network.insert(key, (rest, entry));
                }
                // Either not part of the backbone, or a second tensor with the same key.
                _ => beside.push((rest, entry)),
            }
        }
        let found = find_head(&self.root, &network, beside, &outside, &others);
        let mut view = View {
            head: found.head,
            unusual_head: found.unusual,
            stem_pool: self.scheme.stem_pool(),
            ..View::default()
        };
        let below = network
            .into_iter()
            .map(|(key, (name, entry))| (key, name, entry));
        let scales = scales
            .into_iter()
            .map(|entry| (rest(entry), rest(entry), entry));
        let rows: Vec<(String, String, &Entry)> = below.chain(found.rows).chain(scales).collect();
        let used: BTreeSet<&str> = rows.iter().map(|(_, _, entry)| entry.key()).collect();
        let unused = entries.iter().map(Entry::key);
        view.left_out = unused
            .filter(|key| !used.contains(key) && !is_counter(key))
            .map(String::from)
            .collect();
        let mut keys = Vec::new();
        for (key, name, entry) in rows {
            keys.push((name.clone(), key));
            view.entries.push(Entry {
                key: name,
                ..entry.clone()
            });
        }
        view.entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        for (name, key) in keys {
            let place = view.entries.binary_search_by(|entry| entry.key.cmp(&name));
            view.places.extend(place.ok().map(|place| (key, place)));
        }
        view
    }
}

impl View {
    /// Returns all tensors of a file without a state dict of a network, with unchanged keys.
    pub(crate) fn of_all(entries: &[Entry]) -> Self {
        let mut view = Self {
            entries: entries.to_vec(),
            ..Self::default()
        };
        view.entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let places = view.entries.iter().enumerate();
        view.places = places
            .map(|(place, entry)| (entry.key.clone(), place))
            .collect();
        view
    }
}

/// The end of the key of the scales of a quantized weight.
pub(crate) const WEIGHT_SCALE: &str = ".weight_scale";

/// Returns whether the key of a quantized network is one of scales or zero points.
fn is_scale(key: &str) -> bool {
    let ends = [".scale", ".zero_point", WEIGHT_SCALE, ".weight_zero_point"];
    ends.iter().any(|end| key.ends_with(end))
}

/// Returns whether the key is the counter that `torch.optim.swa_utils.AveragedModel` adds.
fn is_counter(key: &str) -> bool {
    key == "n_averaged" || key.ends_with(".n_averaged")
}

#[cfg(test)]
mod tests;
