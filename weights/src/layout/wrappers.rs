//! Modules that wrap another module and add a component to its keys: DataParallel, `torch.compile`,
//! FSDP, activation checkpointing.

const WRAPPERS: [&str; 5] = [
    "module",
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
    "_forward_module",
];

/// Returns the key without the components of wrappers.
pub(super) fn without(key: &str) -> String {
    let parts = key.split('.').filter(|part| !WRAPPERS.contains(part));
    parts.collect::<Vec<_>>().join(".")
}

/// Returns the prefix of a key that ends in `stem`, ignoring wrappers within `stem`. The prefix is
/// empty or ends in a dot.
pub(super) fn root<'a>(key: &'a str, stem: &str) -> Option<&'a str> {
    let mut rest = key;
    for (place, expected) in stem.rsplit('.').enumerate() {
        loop {
            let (before, part) = match rest.rsplit_once('.') {
                Some((before, part)) => (before, part),
                None => ("", rest),
            };
            if rest.is_empty() {
                return None;
            }
            rest = before;
            if part == expected {
                break;
            }
            if place == 0 || !WRAPPERS.contains(&part) {
                return None;
            }
        }
    }
    match rest.len() {
        0 => Some(""),
        end => key.get(..end + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_are_ignored_at_any_place() {
        let stem = "conv1.0.weight";
        assert_eq!(root("conv1.0.weight", stem), Some(""));
        assert_eq!(
            root("a.module.conv1._orig_mod.0.weight", stem),
            Some("a.module.")
        );
        assert_eq!(root("xconv1.0.weight", stem), None);
        assert_eq!(root("conv1.1.0.weight", stem), None);
        assert_eq!(root("0.weight", stem), None);
        assert_eq!(
            without("layer1._orig_mod.0.module.conv1.weight"),
            "layer1.0.conv1.weight"
        );
    }
}
