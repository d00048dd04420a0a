//! Loads checkpoints into networks: the outputs match PyTorch, or an error names the cause.

use burn::backend::Flex;
use burn::tensor::Tensor;
use resnet_core::{Arch, Network, ResNet, ResNetConfig};
use resnet_testing::{assert_close, keyed, suite};
use resnet_weights::{Checkpoint, Load, LoadError, Report};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::fixture;

fn resnet8() -> ResNet<Flex> {
    ResNetConfig::named("cifar_resnet8_b")
        .unwrap()
        .init(&Default::default())
}

fn images() -> Tensor<Flex, 4> {
    keyed::images(7, [2, 3, 32, 32], &Default::default())
}

fn assert_outputs(model: &ResNet<Flex>, tolerance: f32, file: &str) {
    let outputs = model.forward_all(images());
    let expected = suite::expected("cifar_resnet8_b");
    for (key, found) in [("logits", outputs.logits), ("embedding", outputs.embedding)] {
        let found = found.into_data().to_vec::<f32>().unwrap();
        assert_close(&format!("{file} {key}"), &found, &expected[key], tolerance);
    }
}

#[test]
fn every_good_file_loads_with_the_outputs_of_pytorch() {
    let files = std::fs::read_dir(fixture("checkpoints/good")).unwrap();
    let mut count = 0;
    for file in files {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        let checkpoint = Checkpoint::open(&path).unwrap();
        let (model, report) = Load::default().apply(resnet8(), &checkpoint).unwrap();
        assert_eq!((report.loaded, report.fits()), (47, true), "{name}");
        // bfloat16 has 8 significant bits, float16 has 11.
        let tolerance = match name.as_str() {
            "bf16.safetensors" => 2e-2,
            "f16.safetensors" | "f16_convolutions.pth" => 2e-3,
            _ => 1e-4,
        };
        assert_outputs(&model, tolerance, &name);
        count += 1;
    }
    assert_eq!(count, 12);
}

fn rejection(file: &str, load: Load, model: ResNet<Flex>) -> (String, Report) {
    let checkpoint = Checkpoint::open(fixture(file)).unwrap();
    let error = load.apply(model, &checkpoint).unwrap_err();
    let text = error.to_string();
    let LoadError::Rejected { report, .. } = error else {
        panic!("{text}")
    };
    let (path, text) = text.split_once("`: ").unwrap();
    assert!(path.ends_with(file.rsplit('/').next().unwrap()), "{path}");
    (text.to_string(), *report)
}

#[test]
fn errors_of_files_that_do_not_fit_name_file_key_and_cause() {
    let refused = [
        (
            "unexpected_key",
            "does not fit the network: unexpected `layer9.0.conv1.weight`",
        ),
        (
            "missing_key",
            "does not fit the network: missing `layer2.0.bn1.running_var`",
        ),
        (
            "wrong_classes",
            "does not fit the network: mismatched `fc.weight` (expected [10, 64], found [100, 64]), \
             `fc.bias` (expected [10], found [100]); keep the network's own classifier with \
             `Load::allow_other_classes()`, or build the network for the classes of the file",
        ),
        (
            "nan",
            "does not fit the network: infinite, NaN or negative variance `fc.bias`; its training diverged, use another file",
        ),
    ];
    for (file, expected) in refused {
        let path = format!("checkpoints/bad/{file}.pth");
        let (text, report) = rejection(&path, Load::default(), resnet8());
        assert_eq!(text, expected, "{file}");
        assert!(!report.fits());
    }
}

#[test]
fn errors_of_damaged_tensors_name_file_and_key() {
    let path = fixture("checkpoints/bad/flipped_byte.pth");
    let error = match Checkpoint::open(path) {
        Ok(checkpoint) => Load::default()
            .apply(resnet8(), &checkpoint)
            .unwrap_err()
            .to_string(),
        Err(error) => error.to_string(),
    };
    assert!(
        error.contains("flipped_byte.pth`: `layer3.0.") && error.contains("damaged"),
        "{error}"
    );
}

#[test]
fn other_classes_and_channels_need_a_permission() {
    let config = ResNetConfig::named("cifar_resnet8_b").unwrap();
    let build = |config: ResNetConfig| -> ResNet<Flex> { config.init(&Default::default()) };
    let good = Checkpoint::open(fixture("checkpoints/good/zip.pth")).unwrap();

    let three = || build(config.clone().with_num_classes(3));
    rejection("checkpoints/good/zip.pth", Load::default(), three());
    let (model, report) = Load::default()
        .allow_other_classes()
        .apply(three(), &good)
        .unwrap();
    assert_eq!(report.fresh, ["fc.weight", "fc.bias"]);
    let embedding = model
        .forward_embedding(images())
        .into_data()
        .to_vec::<f32>()
        .unwrap();
    assert!((embedding[0] - suite::expected("cifar_resnet8_b")["embedding"][0]).abs() < 1e-4);

    let headless = || build(config.clone().with_num_classes(0));
    let (_, report) = rejection("checkpoints/good/zip.pth", Load::default(), headless());
    assert_eq!(report.unexpected, ["fc.bias", "fc.weight"]);
    let (_, report) = Load::default()
        .allow_other_classes()
        .apply(headless(), &good)
        .unwrap();
    assert_eq!(report.loaded, 45);

    let grey = || build(config.clone().with_in_channels(1));
    let (text, _) = rejection("checkpoints/good/zip.pth", Load::default(), grey());
    assert!(
        text.contains("`conv1.weight` (expected [16, 1, 3, 3], found [16, 3, 3, 3])"),
        "{text}"
    );
    let (model, report) = Load::default()
        .allow_other_in_channels()
        .apply(grey(), &good)
        .unwrap();
    assert_eq!((report.loaded, report.fresh.len()), (47, 0));
    assert_eq!(report.adapted, ["conv1.weight"]);
    // A gray image gives the same outputs as its RGB copy.
    let one = images().narrow(1, 0, 1);
    let (color, _) = Load::default().apply(resnet8(), &good).unwrap();
    let difference = color.forward(one.clone().repeat_dim(1, 3)) - model.forward(one);
    assert!(difference.abs().max().into_scalar() < 1e-4);
    // Everything else stays strict: five channels, and another number of classes.
    let other = build(config.clone().with_in_channels(5).with_num_classes(3));
    let load = Load::default().allow_other_in_channels();
    let (text, report) = rejection("checkpoints/good/zip.pth", load, other);
    assert_eq!(report.mismatched.len(), 2, "{text}");
}

#[test]
fn another_architecture_is_an_error_with_a_short_message() {
    let model: ResNet<Flex> = Arch::ResNet50.config().init(&Default::default());
    let (text, report) = rejection("checkpoints/good/zip.pth", Load::default(), model);
    assert!(report.missing.len() > 200);
    assert!(text.contains("and ") && text.len() < 1200, "{text}");
    assert!(
        text.ends_with(
            "the file may be of another architecture, which `Checkpoint::infer()` shows"
        ),
        "{text}"
    );
}

#[test]
fn a_saved_checkpoint_equals_the_file_that_pytorch_loaded() {
    let model: ResNet<Flex> = keyed::fill(resnet8(), 7);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved.safetensors");
    resnet_weights::save(&model, &path).unwrap();
    // `check.py` beside the fixture loads it into PyTorch with `strict=True` and compares the
    // logits.
    let fixture = fixture("export/cifar_resnet8_b.safetensors");
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::copy(&path, &fixture).unwrap();
    }
    assert!(std::fs::read(&path).unwrap() == std::fs::read(fixture).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    let (again, report) = Load::default()
        .apply(resnet8(), &Checkpoint::open(&path).unwrap())
        .unwrap();
    assert_eq!((report.loaded, report.skipped.len()), (47, 9));
    assert_outputs(&again, 1e-4, "saved");
}

#[test]
fn negative_variances_and_floats_out_of_range_are_errors() {
    let spoil = |key: &str, value: f64| {
        let mut tensors = Vec::new();
        let model: ResNet<Flex> = keyed::fill(resnet8(), 7);
        let _: Result<(), ()> = model.visit_state(|name, data| {
            let mut values: Vec<f64> = data.iter().collect();
            if name == key {
                values[0] = value;
            }
            let bytes: Vec<u8> = values.into_iter().flat_map(f64::to_le_bytes).collect();
            tensors.push((name.to_string(), data.shape.to_vec(), bytes));
            Ok(())
        });
        let views = tensors.iter().map(|(name, shape, bytes)| {
            (
                name,
                TensorView::new(Dtype::F64, shape.clone(), bytes).unwrap(),
            )
        });
        let file = safetensors::serialize(views, None).unwrap();
        let checkpoint = Checkpoint::from_bytes("spoiled.safetensors", file).unwrap();
        Load::default()
            .apply(resnet8(), &checkpoint)
            .map_err(|error| error.to_string())
    };
    assert!(spoil("bn1.bias", 0.5).is_ok());
    for (key, value) in [("bn1.running_var", -1.0), ("conv1.weight", 1e300)] {
        let error = spoil(key, value).unwrap_err();
        assert!(
            error.contains(&format!("infinite, NaN or negative variance `{key}`")),
            "{error}"
        );
    }
}

#[test]
fn batch_counters_of_missing_norms_are_unexpected() {
    let good = std::fs::read(fixture("checkpoints/good/f32.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&good).unwrap();
    let counter = TensorView::new(Dtype::I64, vec![], &[0; 8]).unwrap();
    let stray = "layer9.0.bn1.num_batches_tracked".to_string();
    let entries = tensors
        .iter()
        .map(|(key, view)| (key.to_string(), view))
        .chain([(stray, counter)]);
    let file = safetensors::serialize(entries, None).unwrap();
    let checkpoint = Checkpoint::from_bytes("stray.safetensors", file).unwrap();
    let error = Load::default()
        .apply(resnet8(), &checkpoint)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("unexpected `layer9.0.bn1.num_batches_tracked`"),
        "{error}"
    );
}

#[test]
fn a_failed_save_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fused.safetensors");
    let error = resnet_weights::save(&resnet8().fuse(), &path)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("fused.safetensors`: not written: the network is fused"),
        "{error}"
    );
    let nowhere = folder.path().join("no/such/folder.safetensors");
    let error = resnet_weights::save(&resnet8(), nowhere)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("cannot be written; check the folder"),
        "{error}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
