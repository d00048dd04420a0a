//! Quantized networks: PyTorch's files, and the files of this crate.

use std::collections::{BTreeMap, HashMap};

use burn::backend::Flex;
use resnet_core::ResNet;
use resnet_engine::{
    Batch, Calibration, CalibrationMethod, Calibrator, CompileOptions, Engine, Outputs,
    QuantizedNetwork,
};
use resnet_weights::{
    Checkpoint, Load, ModelSource, Overrides, QuantizationInfo, Resolved, Save, Weights,
};
use safetensors::SafeTensors;
use tempfile::TempDir;

use crate::fixture;

fn logits(engine: &Engine, x: &[f32]) -> Vec<f32> {
    let batch = Batch::channels_first(x, [1, 3, 32, 32]);
    let mut session = engine.session();
    session
        .run(batch, Outputs::LOGITS)
        .unwrap()
        .logits()
        .unwrap()
        .to_vec()
}

#[test]
fn a_file_of_pytorch_gives_pytorchs_numbers() {
    let resolved = ModelSource::file(fixture("quantized/tiny.pth"))
        .resolve()
        .unwrap();
    assert!(resolved.checkpoint.is_quantized() && resolved.checkpoint.quantization().is_none());
    assert_eq!(resolved.config.num_classes, 5);
    let (engine, report) = resolved.compile(CompileOptions::default()).unwrap();
    assert!(report.fits() && report.loaded > 60, "{report}");
    let text = std::fs::read_to_string(fixture("quantized/expected.json")).unwrap();
    let expected: HashMap<String, Vec<f32>> = serde_json::from_str(&text).unwrap();
    assert_eq!(logits(&engine, &expected["input"]), expected["logits"]);
}

#[test]
fn quantized_files_are_refused_where_floats_are_needed() {
    let file = fixture("quantized/tiny.pth");
    let checkpoint = Checkpoint::open(&file).unwrap();
    let config = checkpoint.infer().unwrap().config;
    let model: ResNet<Flex> = config.init(&Default::default());
    let error = Load::default().apply(model, &checkpoint).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("expected weights in floats, found a quantized network")
    );
}

fn float() -> Resolved {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("embedded");
    let file = folder.join("cifar_resnet20.resnet_zoo_c10.safetensors");
    let source = ModelSource::named("cifar_resnet20").with_file(file);
    source.resolve().unwrap()
}

/// Images whose pixels follow a pattern.
fn images() -> Vec<f32> {
    (0..3 * 32 * 32)
        .map(|index| (index * 37 % 101) as f32 / 25.0 - 2.0)
        .collect()
}

fn calibration(resolved: &Resolved) -> Calibration {
    let (engine, _) = resolved.compile(CompileOptions::default()).unwrap();
    let mut calibrator = Calibrator::new(&engine);
    calibrator
        .observe(Batch::channels_first(&images(), [1, 3, 32, 32]))
        .unwrap();
    calibrator.finish(CalibrationMethod::Mse)
}

fn quantize(
    folder: &TempDir,
    is_int8: impl Fn(&str) -> bool,
) -> (QuantizedNetwork, std::path::PathBuf) {
    let resolved = float();
    let network = resolved.quantize(&calibration(&resolved), is_int8).unwrap();
    let info = QuantizationInfo::new(&network, "mse", 1, resolved.weights.as_ref());
    let path = folder.path().join("int8.safetensors");
    let save = Save::default()
        .with_labels(resolved.labels.clone())
        .with_preprocessing(resolved.preprocessing);
    save.quantized(&network, &info, &path).unwrap();
    (network, path)
}

#[test]
fn a_saved_network_computes_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for all in [true, false] {
        let (network, path) = quantize(&folder, |key| all || !key.starts_with("layer2"));
        let expected = Engine::compile_quantized(network, CompileOptions::default()).unwrap();
        let resolved = ModelSource::file(&path).resolve().unwrap();
        assert_eq!(
            (resolved.name.as_str(), resolved.config.num_classes),
            ("cifar_resnet20", 10)
        );
        assert_eq!(resolved.labels, float().labels);
        assert_eq!(resolved.preprocessing, float().preprocessing);
        let info = resolved.checkpoint.quantization().unwrap();
        assert_eq!((info.calibration.as_str(), info.images), ("mse", 1));
        assert_eq!(
            info.weights.as_deref(),
            Some("cifar_resnet20.resnet_zoo_c10")
        );
        assert_eq!(info.license.as_deref(), Some("MIT OR Apache-2.0"));
        let (engine, _) = resolved.compile(CompileOptions::default()).unwrap();
        assert_eq!(logits(&engine, &images()), logits(&expected, &images()));
    }
    // The same network gives the same file.
    let (_, path) = quantize(&folder, |_| true);
    let first = std::fs::read(&path).unwrap();
    let (_, path) = quantize(&folder, |_| true);
    assert!(first == std::fs::read(&path).unwrap());
}

#[test]
fn a_restricted_license_stays_with_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let resolved = float();
    let network = resolved
        .quantize(&calibration(&resolved), |_| true)
        .unwrap();
    let restricted = Weights::named("resnet18.fb_swsl_ig1b_ft_in1k").unwrap();
    let info = QuantizationInfo::new(&network, "mse", 1, Some(restricted));
    let path = folder.path().join("int8.safetensors");
    Save::default().quantized(&network, &info, &path).unwrap();
    let notes = ModelSource::file(&path).resolve().unwrap().notes;
    assert!(
        notes
            .iter()
            .any(|note| note.contains("does not allow commercial use")),
        "{notes:?}"
    );
}

#[test]
fn a_file_of_another_network_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (_, path) = quantize(&folder, |_| true);
    let smaller = ModelSource::file(&path).with_arch("cifar_resnet8_b");
    let error = smaller
        .resolve()
        .unwrap()
        .compile(CompileOptions::default());
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("unexpected `layer1.1.conv1.weight`") || error.contains("expected"),
        "{error}"
    );
    // Without the classifier.
    let overrides = Overrides::default().set("num_classes=0").unwrap();
    let headless = ModelSource::file(&path)
        .with_overrides(overrides)
        .resolve()
        .unwrap();
    let (engine, _) = headless.compile(CompileOptions::default()).unwrap();
    assert_eq!(engine.config().num_classes, 0);
}

/// Changes the header and the tensors of a file.
fn changed(
    path: &std::path::Path,
    change: impl FnOnce(
        &mut BTreeMap<String, (safetensors::Dtype, Vec<usize>, Vec<u8>)>,
        &mut HashMap<String, String>,
    ),
) -> String {
    let bytes = std::fs::read(path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let mut metadata = header.metadata().clone().unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: BTreeMap<_, _> = tensors
        .iter()
        .map(|(key, view)| {
            (
                key.to_string(),
                (view.dtype(), view.shape().to_vec(), view.data().to_vec()),
            )
        })
        .collect();
    change(&mut tensors, &mut metadata);
    let views = tensors.iter().map(|(key, (dtype, shape, data))| {
        (
            key,
            safetensors::tensor::TensorView::new(*dtype, shape.clone(), data).unwrap(),
        )
    });
    let other = path.with_extension("changed.safetensors");
    std::fs::write(
        &other,
        safetensors::serialize(views, Some(metadata)).unwrap(),
    )
    .unwrap();
    let resolved = match ModelSource::file(&other).resolve() {
        Ok(resolved) => resolved,
        Err(error) => return error.to_string(),
    };
    resolved
        .compile(CompileOptions::default())
        .unwrap_err()
        .to_string()
}

#[test]
fn a_file_that_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (_, path) = quantize(&folder, |_| true);
    let assert = |found: String, expected: &str| assert!(found.contains(expected), "{found}");
    let found = changed(&path, |tensors, _| {
        drop(tensors.remove("layer1.0.conv1.weight_scale"))
    });
    assert(found, "`layer1.0.conv1.weight_scale`");
    let found = changed(&path, |tensors, _| {
        drop(tensors.remove("layer1.0.conv1.weight"))
    });
    assert(
        found,
        "expected `layer1.0.conv1.weight`, found no such tensor",
    );
    let found = changed(&path, |tensors, _| {
        let (_, shape, _) = tensors.get_mut("layer1.0.conv1.weight").unwrap();
        *shape = vec![16, 16, 9, 1];
    });
    assert(
        found,
        "`layer1.0.conv1.weight`: expected shape [16, 16, 3, 3], found [16, 16, 9, 1]",
    );
    let edit = |from: &str, to: &str| {
        changed(&path, |_, metadata| {
            let text = metadata.get_mut("resnet_quantization").unwrap();
            assert!(text.contains(from), "{text}");
            *text = text.replace(from, to);
        })
    };
    assert(
        edit("\"version\":1", "\"version\":2"),
        "expected version 1, found 2",
    );
    assert(
        edit("\"layer1.0.conv1\"", "\"layer9\""),
        "the scale and the zero point of `layer1.0.conv1`",
    );
    assert(edit("\"images\":1", "\"images\":-1"), "resnet_quantization");
}

#[test]
fn changed_and_cut_files_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let (_, ours) = quantize(&folder, |_| true);
    for (path, step) in [(fixture("quantized/tiny.pth"), 211), (ours, 499)] {
        let bytes = std::fs::read(path).unwrap();
        // The description of the tensors is at the start, in JSON or a pickle.
        let places = (0..8000)
            .step_by(13)
            .chain((8000..bytes.len()).step_by(step));
        let mut opened = 0;
        for place in places {
            let mut changed = bytes.clone();
            changed[place] ^= 0x15;
            for content in [changed, bytes[..place].to_vec()] {
                if let Ok(resolved) = ModelSource::bytes("changed", content).resolve() {
                    opened += 1;
                    // An error, or a network of other numbers.
                    drop(resolved.compile(CompileOptions::default()));
                }
            }
        }
        assert!(opened > 0);
    }
}
