//! Loads ONNX files into networks: the logits match PyTorch, or an error names the cause.

use std::path::{Path, PathBuf};

use burn::backend::Flex;
use burn::tensor::Tensor;
use proptest::prelude::*;
use resnet_core::{
    Activation, AntiAlias, GlobalPool, Network, ResNet, ResNetConfig, StridePlacement,
};
use resnet_testing::{assert_close, keyed};
use resnet_weights::{Checkpoint, Container, Load};
use safetensors::SafeTensors;

use crate::fixture;

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture("onnx").join(name)).unwrap()
}

fn good() -> Vec<PathBuf> {
    let files = std::fs::read_dir(fixture("onnx/good")).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "onnx")
    });
    files.sort();
    files
}

fn name(path: &Path) -> &str {
    path.file_stem().and_then(|name| name.to_str()).unwrap()
}

fn load(path: &Path) -> ResNet<Flex> {
    let checkpoint = Checkpoint::open(path).unwrap();
    let config = checkpoint.infer().unwrap().config;
    let (model, report) = Load::default()
        .apply(config.init(&Default::default()), &checkpoint)
        .unwrap();
    assert!(report.fits() && report.skipped.is_empty(), "{report:?}");
    assert_eq!(report.loaded, checkpoint.entries().len());
    model
}

fn config(file: &str) -> ResNetConfig {
    Checkpoint::open(fixture("onnx/good").join(file))
        .unwrap()
        .infer()
        .unwrap()
        .config
}

fn floats(tensor: Tensor<Flex, 2>) -> Vec<f32> {
    tensor.into_data().to_vec().unwrap()
}

/// A graph shows more options than keys do. The metadata of the saved file contain them.
#[test]
fn every_good_file_round_trips_through_safetensors() {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("saved.safetensors");
    for path in good() {
        let model = load(&path);
        resnet_weights::save(&model, &saved).unwrap();
        let checkpoint = Checkpoint::open(&saved).unwrap();
        let inferred = checkpoint.infer().unwrap();
        assert_eq!(&inferred.config, model.config(), "{}", path.display());
        let again: ResNet<Flex> = inferred.config.init(&Default::default());
        let (again, _) = Load::default().apply(again, &checkpoint).unwrap();
        let images = || {
            keyed::images(
                7,
                [1, model.config().in_channels, 64, 64],
                &Default::default(),
            )
        };
        let difference = again.forward(images()) - model.forward(images());
        assert!(
            difference.abs().max().into_scalar() < 1e-5,
            "{}",
            path.display()
        );
    }
}

#[test]
fn every_good_file_gives_the_logits_of_pytorch() {
    let stored = bytes("logits.safetensors");
    let stored = SafeTensors::deserialize(&stored).unwrap();
    let files = good();
    for path in &files {
        let file = name(path);
        let (network, export) = file.split_once('.').unwrap();
        let expected = resnet_testing::floats(stored.tensor(network).unwrap().data());
        let model = load(path);
        let size = if network == "gluon" { 64 } else { 32 };
        let images = keyed::images(
            7,
            [2, model.config().in_channels, size, size],
            &Default::default(),
        );
        // float16 has 11 significant bits.
        let tolerance = if export == "f16" { 2e-3 } else { 1e-4 };
        for model in [model.clone(), model.fuse()] {
            let found = floats(model.forward(images.clone()));
            assert_close(file, &found, &expected, tolerance);
        }
    }
    assert_eq!(files.len(), 33);
}

#[test]
fn a_graph_shows_options_that_keys_do_not() {
    assert_eq!(
        config("gluon.opset7.onnx").stride_placement,
        StridePlacement::Conv1x1
    );
    assert_eq!(
        config("deep.script.onnx").stride_placement,
        StridePlacement::Conv3x3
    );
    assert_eq!(config("silu.dynamo.onnx").activation, Activation::Silu);
    assert_eq!(config("blur.script.onnx").anti_alias, AntiAlias::Blur);
    assert_eq!(config("average.script.onnx").anti_alias, AntiAlias::AvgPool);
    assert_eq!(config("average.script.onnx").global_pool, GlobalPool::Max);
    assert_eq!(config("dilated.dynamo.onnx").output_stride, 8);
    assert_eq!(config("headless.script.onnx").num_classes, 0);
}

#[test]
fn a_graph_needs_no_assumptions() {
    let checkpoint = Checkpoint::open(fixture("onnx/good/deep.f16.onnx")).unwrap();
    assert_eq!(checkpoint.container(), Container::Onnx);
    assert_eq!(checkpoint.container().to_string(), "ONNX graph");
    let inferred = checkpoint.infer().unwrap();
    assert_eq!((inferred.name, inferred.alternatives), (None, vec![]));
    let key = checkpoint.get("layer1.0.conv1.weight").unwrap();
    assert_eq!(key.dtype(), resnet_weights::Dtype::F16);
}

#[test]
fn a_network_with_other_options_than_the_graph_is_refused() {
    let checkpoint = Checkpoint::open(fixture("onnx/good/gluon.opset7.onnx")).unwrap();
    let config = checkpoint.infer().unwrap().config;
    let config = config
        .with_stride_placement(StridePlacement::Conv3x3)
        .with_activation(Activation::Silu);
    let model: ResNet<Flex> = config.init(&Default::default());
    let error = Load::default()
        .apply(model, &checkpoint)
        .unwrap_err()
        .to_string();
    let expected = "mismatched `activation` (expected Silu, found Relu), `stride_placement` (expected Conv3x3, found Conv1x1)";
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_file_in_memory_reads_like_one_on_disk() {
    let checkpoint = Checkpoint::from_bytes("deep", bytes("good/deep.script.onnx")).unwrap();
    let on_disk = Checkpoint::open(fixture("onnx/good/deep.script.onnx")).unwrap();
    for entry in checkpoint.entries() {
        assert_eq!(
            checkpoint.read(entry.key()).unwrap(),
            on_disk.read(entry.key()).unwrap()
        );
    }
}

/// Returns the cause of an error, without path and advice.
fn fault(file: &str) -> String {
    let checkpoint = Checkpoint::open(fixture("onnx/bad").join(file));
    let error = checkpoint
        .err()
        .unwrap_or_else(|| panic!("{file} loads"))
        .to_string();
    assert_eq!(error.lines().count(), 1, "{error}");
    let (_, fault) = error.split_once("`: ").unwrap();
    let fault = fault.strip_prefix("holds no residual network of this zoo: ");
    let fault = fault.unwrap_or_else(|| panic!("{error}"));
    let fault = fault.strip_suffix("; generate code for it with `burn-import`");
    fault.unwrap_or_else(|| panic!("{error}")).to_string()
}

#[test]
fn errors_of_other_graphs_name_node_and_cause() {
    let refused = [
        (
            "stride",
            "node `/layer1/layer1.0/Add` (Add): joins branches of different strides, 2 and 1",
        ),
        (
            "pads",
            "node `/layer1/layer1.0/conv2/Conv` (Conv): expected `pads` that keep the size, 1, found 0",
        ),
        (
            "dilation",
            "node `/layer1/layer1.0/conv2/Conv` (Conv): expected a 3x3 convolution of stride 1, dilation 1 and 1 groups, \
             found a 3x3 convolution of stride 1, dilation 2 and 1 groups",
        ),
        (
            "max_pool",
            "node `/maxpool/MaxPool` (MaxPool): expected kernel and padding [3, 1], found [3, 0]",
        ),
        (
            "alpha",
            "node `/fc/Gemm` (Gemm): expected `alpha` 1.0, found 0.5",
        ),
        (
            "unknown_op",
            "node `extra_Tanh` (Tanh): is not part of a supported residual network",
        ),
        (
            "sigmoid",
            "node `extra_Sigmoid` (Sigmoid): expected the classifier",
        ),
        (
            "crossed",
            "node `/layer1/layer1.0/Add` (Add): expected a branch of convolutions, [2, 3], found 1",
        ),
        (
            "gate",
            "node `node_Conv_314` (Conv): expected a convolution across channels that keeps their number",
        ),
        (
            "mlp",
            "node `/0/Flatten` (Flatten): is not part of a supported residual network",
        ),
        (
            "vgg",
            "node `/2/MaxPool` (MaxPool): expected kernel and padding [3, 1], found [2, 0]",
        ),
        (
            "transformer",
            "node `/patches/Conv` (Conv): expected `pads` that keep the size, 3, found 0",
        ),
        (
            "quantized",
            "node `image_QuantizeLinear` (DynamicQuantizeLinear): belongs to a quantized network",
        ),
    ];
    for (file, expected) in refused {
        assert_eq!(fault(&format!("{file}.onnx")), expected, "{file}");
    }
}

#[test]
fn weights_with_nan_are_errors_with_the_key() {
    let checkpoint = Checkpoint::open(fixture("onnx/bad/nan.onnx")).unwrap();
    let config = checkpoint.infer().unwrap().config;
    let model: ResNet<Flex> = config.init(&Default::default());
    let error = Load::default()
        .apply(model, &checkpoint)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("infinite, NaN or negative variance `conv1.weight`"),
        "{error}"
    );
}

#[test]
fn missing_external_data_is_an_error() {
    let open = |path: PathBuf| Checkpoint::open(path).unwrap_err().to_string();
    let error = open(fixture("onnx/bad/without_data.onnx"));
    assert!(
        error.contains("keeps weights in `without_data.onnx.data`, which cannot be read"),
        "{error}"
    );
    assert!(
        error.ends_with("put that file beside it, or export again with `external_data=False`"),
        "{error}"
    );

    let external = bytes("good/deep.external.onnx");
    let error = Checkpoint::from_bytes("memory", external.clone())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("which a file in memory does not have beside it"),
        "{error}"
    );

    // A truncated file, a folder, and a path outside the folder with the same length as the name.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep.external.onnx");
    let data = folder.path().join("deep.external.onnx.data");
    std::fs::write(&path, &external).unwrap();
    std::fs::write(&data, [0; 100]).unwrap();
    assert!(open(path.clone()).contains("which is cut short"));
    std::fs::remove_file(&data).unwrap();
    std::fs::create_dir(&data).unwrap();
    assert!(open(path.clone()).contains("which is not a file"));
    let name = b"deep.external.onnx.data";
    let mut outside = external;
    while let Some(at) = outside.windows(name.len()).position(|bytes| bytes == name) {
        outside[at..at + name.len()].copy_from_slice(b"../p.external.onnx.data");
    }
    std::fs::write(&path, &outside).unwrap();
    assert!(open(path).contains("which is outside the folder of the file"));
}

#[test]
fn files_that_are_not_onnx_are_errors() {
    let refusal = |bytes: &[u8]| {
        Checkpoint::from_bytes("f", bytes.to_vec())
            .unwrap_err()
            .to_string()
    };
    let whole = bytes("good/deep.script.onnx");
    assert!(refusal(&whole[..whole.len() / 2]).contains("is cut short: it ends inside its graph"));
    assert!(refusal(&[0x08, 0x0a, 0x42, 0x02, 0x10, 0x11]).contains("the file has no graph"));
    assert!(
        refusal(&[0x08, 0x0a, 0x3a, 0x00, 0x42, 0x02, 0x10, 0x11])
            .contains("expected one input, an image")
    );
    assert!(
        refusal(&[0x08, 0x0a, 0x3a, 0x00, 0x42, 0x02, 0x10, 0x06])
            .contains("expected opset 7 or later, found 6")
    );
    assert!(refusal(&[0x08, 0x0a, 0x3a, 0x00]).contains("declares no opset"));
    let noise = Vec::from_iter((0_u32..4096).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8));
    assert!(refusal(&[&[0x08, 0x0a, 0x3a][..], &noise].concat()).starts_with("`f`: "));
}

fn open_and_load(bytes: Vec<u8>) {
    let Ok(checkpoint) = Checkpoint::from_bytes("mutated", bytes) else {
        return;
    };
    let config = checkpoint.infer().map(|inferred| inferred.config);
    // A file that opens describes a valid network; only its values can be wrong.
    let Ok(config) = config else {
        return assert_ne!(checkpoint.container(), Container::Onnx);
    };
    for entry in checkpoint.entries() {
        let _ = checkpoint.read(entry.key());
    }
    let model: ResNet<Flex> = config.init(&Default::default());
    if let Err(error) = Load::default().apply(model, &checkpoint) {
        assert!(
            error
                .to_string()
                .contains("infinite, NaN or negative variance"),
            "{error}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..Default::default() })]

    #[test]
    fn flipped_bytes_never_panic(file: prop::sample::Index, places: [prop::sample::Index; 3], with in 1..=255_u8) {
        let files = good();
        let mut bytes = std::fs::read(file.get(&files)).unwrap();
        for place in places {
            let at = place.index(bytes.len());
            bytes[at] ^= with;
        }
        open_and_load(bytes);
    }

    #[test]
    fn cut_files_never_panic(file: prop::sample::Index, part in 0.0..1.0_f64) {
        let mut bytes = std::fs::read(file.get(&good())).unwrap();
        bytes.truncate((bytes.len() as f64 * part) as usize);
        open_and_load(bytes);
    }
}
