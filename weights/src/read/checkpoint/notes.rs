//! Notes for the user on how a file was read.

use std::collections::BTreeMap;

use super::Checkpoint;
use crate::layout::Head;

impl Checkpoint {
    /// Returns notes for the user on how the file was read, one line each: the selected network,
    /// ignored tensors, and settings from other files.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.metadata.notes.clone();
        if self.states.len() > 1
            && let Some(state) = self.state()
        {
            let others = self.states().filter(|other| *other != state);
            notes.push(format!(
                "reads the network at `{state}`; the file also holds {}: choose with `ModelSource::with_state`",
                quoted(others)
            ));
        }
        if !self.view.left_out.is_empty() {
            let state = self.state().unwrap_or_default();
            notes.push(format!("ignores {}", summary(&self.view.left_out, state)));
        }
        if let Some(name) = &self.view.unusual_head {
            notes.push(format!("uses `{name}` as the classifier"));
        }
        if let Head::Layers { name } = self.head()
            && !self.by_key().any(|(key, _)| key.starts_with("fc."))
        {
            notes.push(format!(
                "reads the backbone alone: expected one linear layer as the classifier, found more in `{name}`"
            ));
        }
        notes
    }
}

pub(super) fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.is_empty() {
        true => "none".into(),
        false => names.join(", "),
    }
}

/// Groups keys by the first component that differs from the path of the state. Returns the groups
/// with their numbers of tensors.
fn summary(keys: &[String], state: &str) -> String {
    let mut parts: BTreeMap<String, usize> = BTreeMap::new();
    for key in keys {
        let shared = key.split('.').zip(state.split('.'));
        let shared = shared.take_while(|(a, b)| a == b).count();
        let part: Vec<&str> = key.split('.').take(shared + 1).collect();
        *parts.entry(part.join(".")).or_default() += 1;
    }
    const SHOWN: usize = 8;
    let shown = parts.iter().take(SHOWN).map(|(part, count)| match count {
        1 => format!("`{part}`"),
        count => format!("`{part}` ({count} tensors)"),
    });
    let shown = shown.collect::<Vec<_>>().join(", ");
    match parts.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
