//! Corrupted training states with a valid digest. Resuming from them either succeeds or returns an
//! error that names the file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Tensor;
use resnet_data::{DataLoader, Dataset};
use resnet_image::Preprocessing;
use resnet_testing::keyed;
use resnet_train::{
    Fit, OptimizerConfig, Position, Settings, Trainer, TrainingStateError, targets,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::fit::{Train, Watch, alone, fit, model, settings};

/// The parts of a training state file.
#[derive(Clone)]
struct Parts {
    state: String,
    tensors: BTreeMap<String, Stored>,
}

/// Type, shape and bytes of a tensor.
type Stored = (String, Vec<usize>, Vec<u8>);

impl Parts {
    fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
        let data = &bytes[8 + length..];
        let mut tensors = BTreeMap::new();
        for (key, entry) in header.as_object().unwrap() {
            if key == "__metadata__" {
                continue;
            }
            let [start, end]: [usize; 2] =
                serde_json::from_value(entry["data_offsets"].clone()).unwrap();
            let dtype = entry["dtype"].as_str().unwrap().to_string();
            let shape = serde_json::from_value(entry["shape"].clone()).unwrap();
            tensors.insert(key.clone(), (dtype, shape, data[start..end].to_vec()));
        }
        let state = header["__metadata__"]["resnet_train_state"].as_str();
        Self {
            state: state.unwrap().into(),
            tensors,
        }
    }

    /// Returns the bytes of the file with a new digest.
    fn bytes(&self) -> Vec<u8> {
        let mut hash = Sha256::new();
        hash.update(&self.state);
        let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
        for (key, (dtype, shape, values)) in &self.tensors {
            hash.update(key);
            hash.update(values);
            let start = data.len();
            data.extend_from_slice(values);
            let offsets = [start, data.len()];
            let entry = json!({ "dtype": dtype, "shape": shape, "data_offsets": offsets });
            header.insert(key.clone(), entry);
        }
        let digest: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
        let metadata = json!({ "resnet_train_state": self.state, "sha256": digest });
        header.insert("__metadata__".into(), metadata);
        let header = serde_json::to_vec(&header).unwrap();
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header);
        bytes.extend(data);
        bytes
    }
}

/// A run whose training state the tests corrupt.
struct Case {
    settings: Settings,
    fit: Fit,
    file: PathBuf,
}

impl Case {
    fn new(folder: &Path, optimizer: OptimizerConfig) -> Self {
        let file = folder.join("last.checkpoint");
        let settings = Settings {
            optimizer,
            ..settings()
        };
        let fit = Fit {
            save_every: Some(1),
            ..fit(64, 2, Some(&file))
        };
        let mut watch = Watch::stopping_after(6);
        let mut trainer = Trainer::new(model(6, 0.0), settings.clone());
        let mut position = Position::default();
        fit.run(&mut trainer, &mut position, &Default::default(), &mut watch)
            .unwrap();
        assert_eq!((position.epoch, position.step), (1, 5));
        Self {
            settings,
            fit,
            file,
        }
    }

    fn resume(&self) -> Result<(Trainer<Train>, Position), TrainingStateError> {
        self.fit.resume(
            Trainer::new(model(6, 0.0), self.settings.clone()),
            &self.file,
        )
    }

    /// Returns whether the run resumes from these bytes and takes a step. Asserts that an error
    /// names the file.
    fn takes(&self, what: &str, bytes: &[u8]) -> bool {
        fs::write(&self.file, bytes).unwrap();
        match self.resume() {
            Err(error) => {
                let error = error.to_string();
                let named = error.starts_with(&format!("`{}`: ", self.file.display()));
                assert!(named && error.len() < 1000, "{what}: {error}");
                false
            }
            Ok((mut trainer, _)) => {
                let x = keyed::images::<Train>(1, [2, 3, 32, 32], &Default::default());
                let y = Tensor::from_data(targets(&[&[0], &[1]], 6), &Default::default());
                trainer.step(1e-3, [(x, y)]).into_scalar();
                true
            }
        }
    }

    fn refuses(&self, what: &str, parts: &Parts) {
        assert!(!self.takes(what, &parts.bytes()), "{what}: is taken");
    }
}

/// Collects the path of keys to every value in a JSON value.
fn places(value: &Value, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    if let Value::Object(map) = value {
        for (key, value) in map {
            path.push(key.clone());
            found.push(path.clone());
            places(value, path, found);
            path.pop();
        }
    }
}

fn at<'a>(value: &'a mut Value, path: &[String]) -> &'a mut Value {
    path.iter()
        .fold(value, |value, key| &mut value[key.as_str()])
}

#[test]
fn changed_numbers_in_a_training_state_are_refused() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let case = Case::new(folder.path(), OptimizerConfig::adamw(0.01));
    let parts = Parts::read(&case.file);
    assert!(case.takes("as written", &parts.bytes()));
    let state: Value = serde_json::from_str(&parts.state).unwrap();
    let with = |state: &Value| Parts {
        state: state.to_string(),
        ..parts.clone()
    };
    let mut found = Vec::new();
    places(&state, &mut Vec::new(), &mut found);
    // Tests the step count of one entry only, because all entries are checked alike.
    found.retain(|path| path.len() < 2 || path[0] != "steps" || path[1] == "fc.bias");
    assert!(found.len() > 15, "{found:?}");
    let others = [
        json!(null),
        json!(-1),
        json!(0),
        json!(1),
        json!(7),
        json!(u64::MAX),
        json!(i64::MAX),
        json!(1e308),
        json!(-0.5),
        json!("x".repeat(100_000)),
        json!([]),
        json!({}),
        json!({ "a": 1 }),
        json!(true),
    ];
    let mut taken = Vec::new();
    for path in &found {
        let name = path.join(".");
        for other in &others {
            let mut state = state.clone();
            *at(&mut state, path) = other.clone();
            let what: String = format!("{name} = {other}").chars().take(60).collect();
            if case.takes(&what, &with(&state).bytes()) {
                taken.push(what);
            }
        }
        let mut state = state.clone();
        let (last, map) = path.split_last().unwrap();
        at(&mut state, map).as_object_mut().unwrap().remove(last);
        if case.takes(&format!("no {name}"), &with(&state).bytes()) {
            taken.push(format!("no {name}"));
        }
    }
    let same = [
        "version = 1",
        "position.epoch = 1",
        "position.batch = 1",
        "position.losses = 1",
        "position.plateau.factor = 1",
        "position.plateau.bad_epochs = 0",
        "position.plateau.best = null",
        "no position.plateau.best",
    ];
    // These changes are plausible: another best epoch, or another loss.
    let harmless = |what: &String| {
        ["position.best", "no position.best", "position.loss = "]
            .iter()
            .any(|place| what.starts_with(place))
            || same.contains(&what.as_str())
    };
    let (harmless, wrong): (Vec<_>, Vec<_>) = taken.into_iter().partition(harmless);
    assert!(wrong.is_empty(), "{wrong:?}");
    println!("{harmless:?}");

    for text in [
        "",
        "null",
        "{}",
        "{",
        "[[[[",
        &"[".repeat(200_000),
        "\u{1b}[31m",
    ] {
        let other = Parts {
            state: text.into(),
            ..parts.clone()
        };
        case.refuses(&text.chars().take(20).collect::<String>(), &other);
    }
    let mut more = state.clone();
    more["more"] = json!(1);
    case.refuses("more in the state", &with(&more));
    let mut steps = state.clone();
    steps["steps"][&"k\u{1b}".repeat(100_000)] = json!(1);
    case.refuses("steps of a long key", &with(&steps));
    let mut steps = state;
    steps["steps"]["bn1.running_mean"] = json!(1);
    case.refuses("steps of what does not learn", &with(&steps));
}

#[test]
fn changed_tensors_in_a_training_state_are_refused() {
    let _alone = alone();
    for optimizer in [
        OptimizerConfig::sgd(1e-4),
        OptimizerConfig::adamw(0.01),
        OptimizerConfig::lamb(0.01),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let case = Case::new(folder.path(), optimizer);
        let parts = Parts::read(&case.file);
        assert!(case.takes("as written", &parts.bytes()));
        let keys: Vec<String> = parts.tensors.keys().cloned().collect();
        assert!(
            keys.iter()
                .any(|key| key.starts_with("optimizer.layer3.0.conv2.weight."))
        );
        let of = |ending: &str| keys.iter().find(|key| key.ends_with(ending)).cloned();
        let mut chosen: Vec<String> = keys.iter().step_by(19).cloned().collect();
        chosen.extend(of("running_var"));
        chosen.extend(of("fc.weight.exp_avg_sq"));
        chosen.extend(of("fc.weight.momentum_buffer"));
        for key in &chosen {
            let change = |what: &str, change: &dyn Fn(&mut Stored)| {
                let mut parts = parts.clone();
                change(parts.tensors.get_mut(key).unwrap());
                case.refuses(&format!("{key}: {what}"), &parts);
            };
            change("empty", &|(_, _, data)| data.clear());
            change("no values, as it says", &|(_, shape, data)| {
                (*shape, *data) = (vec![0], vec![]);
            });
            change("half", &|(_, _, data)| data.truncate(data.len() / 2));
            change("ff", &|(_, _, data)| data.fill(0xff));
            change("an infinity", &|(_, _, data)| {
                data[..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
            });
            change("flat", &|(_, shape, data)| {
                *shape = match shape.len() {
                    1 => vec![1, data.len() / 4],
                    _ => vec![data.len() / 4],
                };
            });
            change("more dimensions", &|(_, shape, _)| shape.extend([1; 12]));
            change("halves", &|(dtype, shape, _)| {
                *dtype = "F16".into();
                shape.push(2);
            });
            change("bytes", &|(dtype, shape, _)| {
                *dtype = "U8".into();
                shape.push(4);
            });
            change("integers", &|(dtype, _, _)| *dtype = "I32".into());
            change("huge sides", &|(_, shape, _)| *shape = vec![usize::MAX, 2]);
            if key.ends_with("running_var") || key.ends_with("exp_avg_sq") {
                change("negative squares", &|(_, _, data)| {
                    data[..4].copy_from_slice(&(-1e-3_f32).to_le_bytes());
                });
            }
            let mut less = parts.clone();
            let tensor = less.tensors.remove(key).unwrap();
            case.refuses(&format!("no {key}"), &less);
            less.tensors.insert(format!("{key}x"), tensor.clone());
            case.refuses(&format!("{key} under another name"), &less);
            let mut more = parts.clone();
            more.tensors.insert(format!("{key}.more"), tensor);
            case.refuses(&format!("{key} twice"), &more);
        }
        // Earlier versions stored a Burn record here.
        let mut more = parts.clone();
        let record = ("U8".to_string(), vec![5], b"\xff\xff\xff\xff\xff".to_vec());
        more.tensors.insert("optimizer".into(), record);
        case.refuses("a record", &more);
    }
}

#[test]
fn damaged_bytes_of_a_training_state_are_refused() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let case = Case::new(folder.path(), OptimizerConfig::sgd(1e-4));
    let bytes = fs::read(&case.file).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let lengths = (0..40)
        .chain((40..header).step_by(997))
        .chain((header..bytes.len()).step_by(50_021))
        .chain([bytes.len() - 1]);
    for length in lengths {
        assert!(!case.takes("cut short", &bytes[..length]), "{length}");
    }
    let mut random = 1_u64;
    let mut next = |below: usize| {
        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (random >> 33) as usize % below
    };
    for round in 0..300 {
        let mut damaged = bytes.clone();
        let most = if round % 3 == 0 { bytes.len() } else { header };
        for _ in 0..=round % 4 {
            damaged[next(most)] = next(256) as u8;
        }
        if damaged != bytes {
            assert!(!case.takes("damaged", &damaged), "{round}");
        }
    }
    assert!(!case.takes("longer", &[&bytes[..], &[0; 8]].concat()));
    assert!(!case.takes("length", &[&u64::MAX.to_le_bytes(), &bytes[8..]].concat()));

    // A sparse file that is larger than any training state of the run.
    let file = fs::File::create(&case.file).unwrap();
    file.set_len(1 << 40).unwrap();
    let error = case.resume().err().unwrap().to_string();
    assert!(error.contains("a file of more than "), "{error}");
}

#[test]
fn training_states_of_other_runs_and_versions_are_refused() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let case = Case::new(folder.path(), OptimizerConfig::sgd(1e-4));
    let refused = |fit: &Fit, words: &str| {
        let error = fit.resume(
            Trainer::new(model(6, 0.0), case.settings.clone()),
            &case.file,
        );
        let error = error.err().unwrap().to_string();
        assert!(error.contains(words), "{error}");
        assert!(error.contains("last.checkpoint`: "), "{error}");
    };
    let other = Fit {
        seed: 6,
        ..case.fit.clone()
    };
    refused(
        &other,
        "seed 5, 64 images, 6 classes and 4 batches in place of seed 6, 64, 6 and 4",
    );
    let images = DataLoader::new(Dataset::shapes(65), Preprocessing::cifar()).with_batch_size(16);
    let other = Fit {
        train: images,
        ..case.fit.clone()
    };
    refused(&other, "in place of seed 5, 65, 6 and 5");
    let shorter = Fit {
        epochs: 1,
        ..case.fit.clone()
    };
    refused(
        &shorter,
        "expected at most 1 epochs in the training state, found 2; set `Fit::epochs` to 2 or more",
    );

    let view = |data: &'static [u8]| {
        safetensors::tensor::TensorView::new(safetensors::Dtype::U8, vec![data.len()], data)
    };
    let metadata = [("position", "{}"), ("optimizer", "sgd"), ("sha256", "")];
    let metadata = metadata.map(|(key, value)| (key.to_string(), value.to_string()));
    let old = safetensors::serialize(
        [("optimizer", view(b"record").unwrap())],
        Some(metadata.into()),
    );
    fs::write(&case.file, old.unwrap()).unwrap();
    refused(&case.fit, "found a training state of an earlier version");
    let mut parts = Parts::read(&Case::new(folder.path(), OptimizerConfig::sgd(1e-4)).file);
    parts.state = parts.state.replace("\"version\":1", "\"version\":2");
    fs::write(&case.file, parts.bytes()).unwrap();
    refused(&case.fit, "found version 2 in place of 1");
}

#[test]
fn equal_runs_write_equal_bytes() {
    let _alone = alone();
    let write = || {
        let folder = tempfile::tempdir().unwrap();
        let case = Case::new(folder.path(), OptimizerConfig::lamb(0.01));
        fs::read(case.file).unwrap()
    };
    assert!(write() == write());
}
