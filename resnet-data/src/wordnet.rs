//! ImageNet's names of folders: ids of WordNet.

use std::sync::LazyLock;

/// The 1000 ids of ImageNet-1k in the order of its classes, which is that of the ids. From timm's
/// `imagenet_synsets.txt` (Apache-2.0).
static IDS: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| include_str!("imagenet_wordnet_ids.txt").lines().collect());

/// The number of ImageNet-1k's classes.
pub(crate) const CLASSES: usize = 1000;

/// The class of ImageNet-1k that a folder is named after: `n01440764`, or `n01440764` with a word behind it.
pub(crate) fn class(name: &str) -> Option<usize> {
    IDS.binary_search(&id(name)?).ok()
}

/// The id that a name begins with: `n` and eight digits.
fn id(name: &str) -> Option<&str> {
    let (id, rest) = name.split_at_checked(9)?;
    let digits = id.strip_prefix('n')?;
    let ends = !rest.starts_with(|c: char| c.is_alphanumeric());
    (ends && digits.bytes().all(|digit| digit.is_ascii_digit())).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_a_thousand_and_sorted() {
        assert_eq!(IDS.len(), CLASSES);
        assert!(IDS.is_sorted());
        assert!(IDS.iter().all(|name| id(name) == Some(name)));
    }

    #[test]
    fn classes_are_torchvisions() {
        // The first, the last, and English springer of imagenette.
        assert_eq!(class("n01440764"), Some(0));
        assert_eq!(class("n15075141"), Some(999));
        assert_eq!(class("n02102040"), Some(217));
        assert_eq!(class("n02085620-Chihuahua"), Some(151));
        for other in [
            "n0144076",
            "n014407640",
            "n01440764a",
            "m01440764",
            "n00000001",
            "ä",
        ] {
            assert_eq!(class(other), None, "{other}");
        }
    }
}
