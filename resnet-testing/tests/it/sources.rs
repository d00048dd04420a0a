//! Scans the sources for operations that are allowed only in listed files.

use std::collections::BTreeSet;

use crate::{Source, rust_files, sources};

/// Asserts that only files below `places` contain one of these words, and that each place contains
/// one.
fn only_in(words: &[&str], places: &[&str]) {
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for source in sources() {
        if !source.has(words) {
            continue;
        }
        let place = places.iter().find(|place| {
            let rest = source.path.strip_prefix(**place);
            rest.is_some_and(|rest| place.ends_with('/') || rest.is_empty())
        });
        assert!(place.is_some(), "{}: one of {words:?}", source.path);
        used.extend(place);
    }
    let unused: Vec<_> = places
        .iter()
        .filter(|place| !used.contains(*place))
        .collect();
    assert!(
        unused.is_empty(),
        "{words:?} no more in {unused:?}: remove them from the list"
    );
}

#[test]
fn only_whole_words_are_found() {
    let source = Source {
        path: "x.rs".into(),
        code: "let is_unsafe = unsafe_code; a.unwrap_or(1); std::println!(\"\")".into(),
    };
    assert!(!source.has(&["unsafe", ".unwrap()", "print!"]));
    assert!(source.has(&["unsafe_code", "println!"]));
}

#[test]
fn the_core_does_not_use_std() {
    let mut checked = 0;
    for source in sources() {
        if source.path.starts_with("resnet-core/src/") {
            let words = [
                "std::",
                "println!",
                "eprintln!",
                "print!",
                "eprint!",
                "extern crate std",
            ];
            assert!(!source.has(&words), "{}", source.path);
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked}");
    let lib = Source::read("resnet-core/src/lib.rs");
    assert!(lib.code.contains("no_std"));
}

#[test]
fn network_access_is_in_two_modules() {
    let words = [
        "std::net",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "unix::net",
        "ureq",
        "rustls",
    ];
    only_in(
        &words,
        &[
            "resnet-train/src/peers.rs",
            "resnet-train/src/peers/",
            "weights/src/fetch/download/",
        ],
    );
}

#[test]
fn only_commands_write_to_standard_output() {
    let words = ["stdout", "println!", "print!", "dbg!"];
    only_in(
        &words,
        &[
            "resnet-cli/src/evaluate.rs",
            "resnet-infer/src/bin/resnet-infer/commands/",
            "resnet-infer/src/bin/resnet-infer/output.rs",
            "resnet-infer/src/bin/resnet-infer/output/",
            "resnet-train/src/bin/resnet-train/commands/",
            "resnet-train/src/bin/resnet-train/run.rs",
        ],
    );
}

/// The comment above each place states why its code can panic.
#[test]
fn code_that_can_panic_is_listed() {
    let words = [
        ".unwrap()",
        ".unwrap_err()",
        ".expect(",
        ".expect_err(",
        "panic!",
        "unreachable!",
        "todo!",
        "unimplemented!",
        "assert!",
        "assert_eq!",
        "assert_ne!",
        "process::abort",
    ];
    let places = [
        // A training batch with one value per channel: `# Panics` of the forward passes.
        "resnet-core/src/layers/batch_norm.rs",
        // Burn's trait for records returns no errors.
        "resnet-core/src/layers/fold_mark.rs",
        // Groups that do not divide the channels: `# Panics`.
        "resnet-core/src/layers/norm.rs",
        // A tensor of the wrong shape from the caller: `# Panics`.
        "resnet-core/src/network/state.rs",
        // An invalid config, or no input channels: `# Panics`.
        "resnet-core/src/resnet.rs",
        // Burn's backend traits return no errors.
        "resnet-cpu/src/",
        // A step and its layer, and the places of the values of a step, fit by construction.
        "resnet-engine/src/int8/quantize.rs",
        "resnet-engine/src/layers/",
        "resnet-engine/src/session.rs",
        "resnet-engine/src/session/",
        // Slices of the wrong length from the caller: `# Panics`.
        "resnet-kernels/src/",
        // A share out of range: `# Panics`.
        "resnet-data/src/data_loader.rs",
        // A worker thread panicked: `# Panics`.
        "resnet-data/src/data_loader/prefetch.rs",
        // The wrong number of pixels, or an unknown class: `# Panics`.
        "resnet-data/src/objects/mask.rs",
        "resnet-data/src/pixel_scores.rs",
        // The wrong number of logits or classes: `# Panics`.
        "resnet-data/src/scores.rs",
        // Images have another type: `# Panics`.
        "resnet-cli/src/compile.rs",
        // The batch has one output per image, of `f32`.
        "resnet-infer/src/classifier/network.rs",
        "resnet-infer/src/classifier/run.rs",
        // Images of another size, and no losses: `# Panics`.
        "resnet-dense/src/image_batch.rs",
        "resnet-dense/src/training.rs",
        // Lists of different lengths, and boxes of an image that does not exist: `# Panics`.
        "resnet-dense/src/ops/",
        // The wrong number of pixels, or an unknown class: `# Panics`.
        "resnet-dense/src/segmentation/losses.rs",
        // The wrong number of pixels: `# Panics`.
        "resnet-image/src/draw.rs",
        // Its own method `expect`, which returns an error.
        "resnet-onnx/src/recognize/gate.rs",
        // The wrong number of class weights: `# Panics`.
        "resnet-train/src/loss.rs",
        // An earlier step panicked: `# Panics`.
        "resnet-train/src/trainer.rs",
        // The program contains the table, and tests read every row.
        "weights/src/catalog/table.rs",
        // The caller has already resolved the name.
        "weights/src/source/resolve.rs",
    ];
    only_in(&words, &places);
}

#[test]
fn unsafe_code_is_in_one_file_and_the_kernels() {
    only_in(
        &["unsafe", "unsafe_code"],
        &["resnet-kernels/src/", "weights/src/read/mapped.rs"],
    );
}

#[test]
fn files_are_written_in_three_places() {
    let words = [
        "OpenOptions",
        "fs::write",
        "fs::copy",
        "fs::rename",
        "fs::hard_link",
        "File::create",
        "File::create_new",
        "File::options",
        ".persist(",
        ".save(",
    ];
    only_in(
        &words,
        &[
            "resnet-files/src/lib.rs",
            // The lock file of a run, which stays empty.
            "resnet-train/src/bin/resnet-train/commands/train/folder.rs",
            "weights/src/fetch/download/part.rs",
        ],
    );
}

/// `resnet-infer bench` starts itself, and `quantize` starts `bench`. No other code starts a program or
/// loads a library.
#[test]
fn only_bench_and_quantize_start_a_process() {
    only_in(
        &["Command::new", "dlopen", "libloading"],
        &[
            "resnet-infer/src/bin/resnet-infer/commands/bench.rs",
            "resnet-infer/src/bin/resnet-infer/commands/quantize/measure.rs",
        ],
    );
}

/// `.ci/run` passes `--include-ignored` if it finds the test data.
#[test]
fn missing_test_data_is_the_only_reason_to_ignore_a_test() {
    let mut files = Vec::new();
    for package in crate::packages() {
        let folder = crate::folder(&package);
        for part in ["src", "tests"] {
            if resnet_testing::workspace(folder.join(part)).is_dir() {
                rust_files(&folder.join(part), &mut files);
            }
        }
    }
    let mut ignored = 0;
    for path in files {
        if path.contains("/fixtures/") || path.starts_with("resnet-testing/tests/") {
            continue;
        }
        let text = std::fs::read_to_string(resnet_testing::workspace(&path)).unwrap();
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[ignore") {
                assert_eq!(line, "#[ignore = \"needs RESNET_TEST_DATA\"]", "{path}");
                ignored += 1;
            }
        }
    }
    assert!(ignored > 0);
}
