//! Reads checkpoints in every container format.

use std::fs;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use proptest::prelude::*;
use resnet_testing::keyed;
use resnet_weights::{Checkpoint, Container, Dtype, Entry, ReadError};

const SEED: u64 = 7;
const TRACKED: &str = "num_batches_tracked";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/checkpoints")
        .join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(fixture(name)).unwrap()
}

/// File name, container, path of the state dict, number of keys.
type Good = (&'static str, Container, &'static str, usize);

const GOOD: [Good; 12] = [
    ("zip.pth", Container::Zip, ".", 56),
    ("legacy.pth", Container::Legacy, ".", 56),
    ("without_num_batches_tracked.pth", Container::Zip, ".", 47),
    ("f16_convolutions.pth", Container::Zip, ".", 56),
    ("channels_last.pth", Container::Zip, ".", 56),
    ("views_of_one_storage.pth", Container::Zip, ".", 47),
    (
        "training_checkpoint.pth",
        Container::Zip,
        "state_dict.module",
        56,
    ),
    (
        "training_checkpoint_legacy.pth",
        Container::Legacy,
        "state_dict.module",
        56,
    ),
    ("under_model.pth", Container::Zip, "model", 56),
    ("f32.safetensors", Container::Safetensors, ".", 56),
    ("f16.safetensors", Container::Safetensors, ".", 56),
    ("bf16.safetensors", Container::Safetensors, ".", 56),
];

fn assert_keyed(checkpoint: &Checkpoint, entry: &Entry) {
    let data = checkpoint.read(entry.key()).unwrap();
    assert_eq!(data.shape.as_slice(), entry.shape());
    assert_eq!(data.bytes.len(), entry.size_bytes());
    if entry.key().ends_with(TRACKED) {
        assert_eq!(entry.dtype(), Dtype::I64);
        assert_eq!(data.as_slice::<i64>().unwrap(), [0]);
        return;
    }
    let expected = keyed::parameter(SEED, entry.key(), entry.shape())
        .to_vec::<f32>()
        .unwrap();
    let (name, key) = (checkpoint.name(), entry.key());
    match entry.dtype() {
        Dtype::F32 => assert_eq!(data.as_slice::<f32>().unwrap(), expected, "{name} {key}"),
        Dtype::F16 => {
            let expected: Vec<f16> = expected.into_iter().map(f16::from_f32).collect();
            assert_eq!(data.as_slice::<f16>().unwrap(), expected, "{name} {key}");
        }
        Dtype::BF16 => {
            let expected: Vec<bf16> = expected.into_iter().map(bf16::from_f32).collect();
            assert_eq!(data.as_slice::<bf16>().unwrap(), expected, "{name} {key}");
        }
        other => panic!("{name} {key} is {other}"),
    }
}

#[test]
fn every_container_gives_the_same_tensors() {
    let reference = Checkpoint::open(fixture("good/f32.safetensors")).unwrap();
    for (name, container, state, count) in GOOD {
        let checkpoint = Checkpoint::open(fixture("good").join(name)).unwrap();
        assert_eq!(checkpoint.container(), container, "{name}");
        assert_eq!(checkpoint.state(), Some(state), "{name}");

        let shapes = |checkpoint: &Checkpoint| -> Vec<_> {
            let all = checkpoint
                .entries()
                .map(|entry| (entry.key().to_string(), entry.shape().to_vec()));
            all.filter(|(key, _)| count == 56 || !key.ends_with(TRACKED))
                .collect()
        };
        assert_eq!(shapes(&checkpoint).len(), count, "{name}");
        assert_eq!(shapes(&checkpoint), shapes(&reference), "{name}");
        for entry in checkpoint.entries() {
            assert_keyed(&checkpoint, entry);
        }
    }
}

#[test]
fn bytes_in_memory_read_like_files() {
    for name in ["zip.pth", "legacy.pth", "f16.safetensors"] {
        let checkpoint = Checkpoint::from_bytes(name, bytes(&format!("good/{name}"))).unwrap();
        checkpoint
            .entries()
            .for_each(|entry| assert_keyed(&checkpoint, entry));
    }
}

#[test]
fn files_with_wrong_values_still_open() {
    for name in ["unexpected_key", "missing_key", "wrong_classes", "nan"] {
        Checkpoint::open(fixture(&format!("bad/{name}.pth"))).unwrap();
    }
}

#[test]
fn the_name_of_a_file_does_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let renamed = folder.path().join("weights.pth");
    fs::copy(fixture("good/f32.safetensors"), &renamed).unwrap();
    let checkpoint = Checkpoint::open(&renamed).unwrap();
    assert_eq!(checkpoint.container(), Container::Safetensors);

    let renamed = folder.path().join("weights.safetensors");
    fs::copy(fixture("good/legacy.pth"), &renamed).unwrap();
    let checkpoint = Checkpoint::open(&renamed).unwrap();
    assert_eq!(checkpoint.container(), Container::Legacy);
}

/// Returns the error of opening `bad/name`, or of its first unreadable tensor, without the path of
/// the folder.
fn refusal(name: &str) -> String {
    let path = fixture("bad").join(name);
    let error = match Checkpoint::open(&path) {
        Err(error) => error,
        Ok(checkpoint) => {
            let mut reads = checkpoint
                .entries()
                .map(|entry| checkpoint.read(entry.key()));
            reads.find_map(Result::err).unwrap()
        }
    };
    error.to_string().replace(&path.display().to_string(), name)
}

#[test]
fn errors_of_bad_files_name_file_and_cause() {
    let cases = [
        ("empty.pth", "is empty; download the file again"),
        (
            "flipped_byte.pth",
            "`layer3.0.conv2.weight` is damaged: Failed to read storage '42' for tensor with shape \
             [64, 64, 3, 3]: ZIP entry 'zip/data/42': Invalid checksum; download the file again",
        ),
        (
            "huge_header.safetensors",
            "declares a header of 1152921504606846976 bytes, more than the 100000000 the format \
             allows; download the file again",
        ),
        (
            "malicious.pth",
            "asks to call `posix.system`, which can run any program; nothing was run, but do not \
             trust this file: get the weights from their publisher",
        ),
        (
            "truncated.pth",
            "is cut short: the table of contents at its end cannot be read (invalid Zip archive: \
             Could not find EOCD); download the file again",
        ),
        (
            "truncated.safetensors",
            "is cut short: expected 319624 bytes, found 159812; `layer3.0.conv1.weight` is the first \
             tensor missing; download the file again",
        ),
        (
            "truncated_legacy.pth",
            "is cut short: storage '94006052976976' (147456 bytes) extends beyond the end of the \
             file; download the file again",
        ),
        (
            "web_page.pth",
            "is a web page, not a checkpoint; the download link probably answered with an error \
             page: download the file again",
        ),
    ];
    for (name, expected) in cases {
        assert_eq!(refusal(name), format!("`{name}`: {expected}"));
    }
}

#[test]
fn nothing_is_executed() {
    refusal("malicious.pth");
    assert!(!Path::new("malicious-was-executed").exists());
}

#[test]
fn errors_of_folders_and_missing_files_name_them() {
    let folder = Checkpoint::open(fixture("good")).unwrap_err();
    assert!(matches!(folder, ReadError::Folder { .. }), "{folder}");

    let missing = Checkpoint::open("no/such.pth").unwrap_err();
    assert!(
        missing
            .to_string()
            .starts_with("`no/such.pth`: cannot be read")
    );
    assert!(std::error::Error::source(&missing).is_some());
}

#[test]
fn the_error_of_a_missing_key_names_it() {
    let checkpoint = Checkpoint::open(fixture("good/zip.pth")).unwrap();
    let error = checkpoint.read("fc.wait").unwrap_err();
    assert!(
        matches!(&error, ReadError::MissingKey { key, .. } if key == "fc.wait"),
        "{error}"
    );
}

fn safetensors(header: &str, data: &[u8]) -> Result<Checkpoint, ReadError> {
    let length = (header.len() as u64).to_le_bytes();
    let bytes = [&length, header.as_bytes(), data].concat();
    Checkpoint::from_bytes("f", bytes)
}

#[test]
fn inconsistent_safetensors_are_refused() {
    let overlapping = r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},
        "b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#;
    let error = safetensors(overlapping, &[0; 3]).unwrap_err();
    assert!(
        error.to_string().contains("invalid offset for tensor `b`"),
        "{error}"
    );

    let huge = r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}"#;
    let error = safetensors(huge, &[0; 4]).unwrap_err();
    assert!(matches!(error, ReadError::Damaged { .. }), "{error}");

    let trailing = r#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#;
    let error = safetensors(trailing, &[0; 3]).unwrap_err();
    assert!(matches!(error, ReadError::Damaged { .. }), "{error}");

    let float8 = r#"{"a":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}}"#;
    let error = safetensors(float8, &[0; 2]).unwrap_err();
    assert!(
        matches!(&error, ReadError::UnsupportedDtype { key, .. } if key == "a"),
        "{error}"
    );

    let error = safetensors("{}", &[]).unwrap_err();
    assert!(matches!(error, ReadError::NoTensors { .. }), "{error}");
}

fn open_and_read(name: &str, bytes: Vec<u8>) {
    if let Ok(checkpoint) = Checkpoint::from_bytes(name, bytes) {
        for entry in checkpoint.entries() {
            let _ = checkpoint.read(entry.key());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn cut_files_never_panic(file in 0..GOOD.len(), part in 0.0..1.0_f64) {
        let name = GOOD[file].0;
        let mut bytes = bytes(&format!("good/{name}"));
        bytes.truncate((bytes.len() as f64 * part) as usize);
        open_and_read(name, bytes);
    }

    /// Half of the flips hit the first and last 8 kB, which contain the indices.
    #[test]
    fn flipped_bytes_never_panic(
        file in 0..GOOD.len(), place: prop::sample::Index, at: u8, with in 1..=255_u8,
    ) {
        let name = GOOD[file].0;
        let mut bytes = bytes(&format!("good/{name}"));
        let end = bytes.len();
        let index = match at % 4 {
            0 => place.index(8192),
            1 => end - 1 - place.index(8192),
            _ => place.index(end),
        };
        bytes[index] ^= with;
        open_and_read(name, bytes);
    }
}
