//! A training state with finite values that overflow later.

use sha2::{Digest, Sha256};

use super::*;

/// Writes `f32::MAX` into a tensor of a training state, and updates the digest.
fn enlarge(path: &Path, key: &str) {
    let bytes = fs::read(path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let mut data = bytes[8 + length..].to_vec();
    let entries = header.as_object().unwrap().iter();
    let mut places: Vec<(String, [usize; 2])> = entries
        .filter(|(key, _)| *key != "__metadata__")
        .map(|(key, entry)| {
            let place = serde_json::from_value(entry["data_offsets"].clone());
            (key.clone(), place.unwrap())
        })
        .collect();
    places.sort();
    let (_, [start, _]) = places.iter().find(|(name, _)| name == key).unwrap();
    data[*start..start + 4].copy_from_slice(&f32::MAX.to_le_bytes());
    let mut hash = Sha256::new();
    hash.update(
        header["__metadata__"]["resnet_train_state"]
            .as_str()
            .unwrap(),
    );
    for (name, [start, end]) in &places {
        hash.update(name);
        hash.update(&data[*start..*end]);
    }
    let digest: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
    header["__metadata__"]["sha256"] = digest.into();
    let header = serde_json::to_vec(&header).unwrap();
    let length = (header.len() as u64).to_le_bytes();
    fs::write(path, [&length[..], &header, &data].concat()).unwrap();
}

#[test]
fn an_overflow_after_a_resume_names_the_training_state() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        "arch = 'cifar_resnet8_b'\nepochs = 1\nbatch-size = 16\nema = 0.9\nlearning-rate = 0.01\n";
    fs::write(folder.path().join("my.toml"), config).unwrap();
    let args = "train shapes --recipe my.toml --images-per-class 4 --backend cpu";
    let args: Vec<&str> = args.split(' ').collect();
    expect(folder.path(), &args, 0);
    enlarge(
        &folder.path().join("run/last.checkpoint"),
        "average.fc.weight",
    );
    let message = refused_last(
        folder.path(),
        &[&args[..], &["--resume", "--epochs", "2"]].concat(),
    );
    assert!(
        message.contains("error: resumed from `run/last.checkpoint`: validation: ")
            && message.contains("expected finite logits, found inf or NaN"),
        "{message}"
    );
}
