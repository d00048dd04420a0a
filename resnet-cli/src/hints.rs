//! Replacement of function names by flags in errors and notes of the libraries.

use std::borrow::Cow;

/// Texts of the libraries and their replacements. If one text starts with another, the longer one
/// comes first.
const FLAGS: [(&str, &str); 25] = [
    (
        "`Overrides` with `norm=batch_stats`",
        "`--norm batch-stats`",
    ),
    ("`Overrides` with `norm=", "`--norm "),
    ("`Overrides` with `", "`--set "),
    ("`ModelSource::with_arch` with `", "`--arch "),
    ("`ModelSource::with_arch`", "`--arch`"),
    ("`ModelSource::with_overrides`", "`--set`"),
    ("`ModelSource::with_state`", "--state"),
    (
        "the fields of `Preprocessing`",
        "--resize, --crop, --mean and --std",
    ),
    (
        "set `Preprocessing::mean` and `Preprocessing::std` to",
        "pass --mean and --std with",
    ),
    ("`Preprocessing::crop`", "--crop"),
    ("load it with `Detector`", "run `resnet-infer detect`"),
    ("load it with `Segmenter`", "run `resnet-infer segment`"),
    ("`Classifier::with_memory_limit`", "--memory-limit"),
    ("`Layout::Classes`", "`--layout classes`"),
    (
        "set `DataOptions::path_column` and `DataOptions::label_column`",
        "pass `--path-column NAME --label-column NAME`",
    ),
    (
        "set `DataOptions::label_column` to",
        "pass `--label-column NAME` for",
    ),
    ("`ClassOrder::Index`", "`--class-order index`"),
    ("`ClassOrder::Lexical`", "`--class-order lexical`"),
    ("`ClassOrder::Numeric`", "`--class-order numeric`"),
    (
        "in their order with `NetworkClasses::named`",
        "in their order with `--labels FILE`, one per line",
    ),
    ("`NetworkClasses::named`", "`--labels FILE`"),
    ("threads (`DataLoader::with_workers`)", "--workers"),
    ("batch (`DataLoader::with_batch_size`)", "--batch-size"),
    ("`Augment::crop`", "--size"),
    ("`Fit::epochs`", "`--epochs`"),
];

/// Replaces the functions and options in a text of a library by the flags that set them.
pub fn flags(text: &str) -> Cow<'_, str> {
    let named = FLAGS.iter().filter(|(name, _)| text.contains(name));
    named.fold(Cow::Borrowed(text), |text, (name, flag)| {
        text.replace(name, flag).into()
    })
}

#[cfg(test)]
mod tests {
    use resnet_image::Preprocessing;

    use super::*;

    #[test]
    fn texts_of_libraries_name_flags() {
        let error = Preprocessing::imagenet().check_channels(1).unwrap_err();
        let text = error.to_string();
        assert!(!text.contains("--"), "{text}");
        let text = flags(&text);
        assert!(
            text.contains("pass --mean and --std with 1 number each"),
            "{text}"
        );
        for (text, expected) in [
            (
                "norm=group:32 (else `Overrides` with `norm=group:N` or `Overrides` with `norm=batch_stats`)",
                "norm=group:32 (else `--norm group:N` or `--norm batch-stats`)",
            ),
            (
                "`Overrides` with `stem_pool=max`, `ModelSource::with_arch` with `resnetaa50`",
                "`--set stem_pool=max`, `--arch resnetaa50`",
            ),
            (
                "name the architecture and its options (`ModelSource::with_arch`, `ModelSource::with_overrides`)",
                "name the architecture and its options (`--arch`, `--set`)",
            ),
            ("expected 2, found 3", "expected 2, found 3"),
        ] {
            assert_eq!(flags(text), expected);
        }
    }

    #[test]
    fn no_text_contains_an_earlier_one() {
        for (place, (name, _)) in FLAGS.iter().enumerate() {
            let before = FLAGS[..place].iter();
            assert!(
                before.clone().all(|(other, _)| !name.contains(other)),
                "{name}"
            );
        }
    }
}
