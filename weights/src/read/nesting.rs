//! What training scripts wrap around a state dict, and how to get rid of it.

use super::Entry;

/// Where a state dict may be in a checkpoint: the order of timm's `load_state_dict(use_ema=True)`,
/// the averaged weights first.
pub(super) const NESTINGS: [&str; 5] = [
    "state_dict_ema",
    "model_ema",
    "state_dict",
    "model_state",
    "model",
];

/// What `DataParallel` and `torch.compile` put before every key.
const WRAPPERS: [&str; 2] = ["module.", "_orig_mod."];

/// What `torch.optim.swa_utils.AveragedModel` adds beside the keys it puts `module.` before.
const AVERAGED_COUNT: &str = "n_averaged";

/// Keeps the entries below `nesting` and takes it off their keys.
pub(super) fn enter(entries: &mut Vec<Entry>, nesting: &str) {
    entries.retain_mut(|entry| {
        let inner = entry.key.strip_prefix(nesting);
        match inner.and_then(|key| key.strip_prefix('.')) {
            Some(key) => entry.key = key.to_string(),
            None => return false,
        }
        true
    });
}

/// Takes off every wrapper that all keys have, and returns them together.
pub(super) fn unwrap(entries: &mut Vec<Entry>) -> Option<String> {
    let mut stripped = String::new();
    while let Some(wrapper) = WRAPPERS.iter().find(|wrapper| is_on_all(entries, wrapper)) {
        entries.retain(|entry| entry.key != AVERAGED_COUNT);
        for entry in entries.iter_mut() {
            entry.key.drain(..wrapper.len());
        }
        stripped.push_str(wrapper);
    }
    (!stripped.is_empty()).then_some(stripped)
}

fn is_on_all(entries: &[Entry], wrapper: &str) -> bool {
    let mut keys = entries
        .iter()
        .map(|entry| entry.key.as_str())
        .filter(|key| *key != AVERAGED_COUNT)
        .peekable();
    keys.peek().is_some() && keys.all(|key| key.starts_with(wrapper))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::Dtype;

    fn entries(keys: &[&str]) -> Vec<Entry> {
        let entry = |key: &&str| Entry {
            key: key.to_string(),
            dtype: Dtype::F32,
            shape: vec![],
            size_bytes: 4,
            place: 0,
        };
        keys.iter().map(entry).collect()
    }

    fn keys(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(Entry::key).collect()
    }

    #[test]
    fn wrappers_on_every_key_are_stripped_in_any_order() {
        let mut all = entries(&["_orig_mod.module.fc.weight", "_orig_mod.module.fc.bias"]);
        assert_eq!(unwrap(&mut all).as_deref(), Some("_orig_mod.module."));
        assert_eq!(keys(&all), ["fc.weight", "fc.bias"]);
    }

    #[test]
    fn wrapper_on_some_keys_stays() {
        let mut some = entries(&["module.fc.weight", "fc.bias"]);
        assert_eq!(unwrap(&mut some), None);
        assert_eq!(keys(&some), ["module.fc.weight", "fc.bias"]);
    }

    #[test]
    fn count_of_an_averaged_model_is_dropped() {
        let mut averaged = entries(&["n_averaged", "module.fc.weight"]);
        assert_eq!(unwrap(&mut averaged).as_deref(), Some("module."));
        assert_eq!(keys(&averaged), ["fc.weight"]);
    }

    #[test]
    fn entering_drops_what_is_outside() {
        let mut all = entries(&[
            "model.fc.weight",
            "model_ema.fc.weight",
            "optimizer.0.exp_avg",
        ]);
        enter(&mut all, "model");
        assert_eq!(keys(&all), ["fc.weight"]);
    }
}
