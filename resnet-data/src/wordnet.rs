//! WordNet ids, the folder names of ImageNet.

use std::sync::LazyLock;

/// The 1000 ids of ImageNet-1k, sorted, which is also the order of the classes. From timm's
/// `imagenet_synsets.txt` (Apache-2.0).
static IDS: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| include_str!("imagenet_wordnet_ids.txt").lines().collect());

/// The number of classes of ImageNet-1k.
pub(crate) const CLASSES: usize = 1000;

/// Returns the ImageNet-1k class of a folder name: `n01440764`, or `n01440764` followed by a word.
pub(crate) fn class(name: &str) -> Option<usize> {
    IDS.binary_search(&id(name)?).ok()
}

/// Returns the id at the start of a name: `n` and eight digits.
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
    fn there_are_a_thousand_sorted_ids() {
        assert_eq!(IDS.len(), CLASSES);
        assert!(IDS.is_sorted());
        assert!(IDS.iter().all(|name| id(name) == Some(name)));
    }

    #[test]
    fn classes_match_torchvision() {
        // The first, the last, and English springer from imagenette.
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
