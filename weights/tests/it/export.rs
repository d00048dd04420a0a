//! Saves networks in other float types and formats.

use burn::backend::Flex;
use burn_store::{BurnpackStore, ModuleSnapshot};
use resnet_core::{Activation, AntiAlias, Arch, Network, ResNet, ResNetConfig};
use resnet_image::Preprocessing;
use resnet_testing::{assert_close, keyed};
use resnet_weights::{
    CategoryIds, Checkpoint, Dtype, FloatType, KeypointNames, Labels, Load, Save, SaveError,
};

fn fresh(arch: Arch) -> ResNet<Flex> {
    arch.config().init(&Default::default())
}

fn logits(model: &ResNet<Flex>) -> Vec<f32> {
    let images = keyed::images(7, [1, 3, 64, 64], &Default::default());
    model.forward(images).into_data().to_vec().unwrap()
}

#[test]
fn half_precision_keeps_keys_and_approximate_logits() {
    let model = keyed::fill(fresh(Arch::TestResNet), 7);
    let expected = logits(&model);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("half.safetensors");
    let types = [
        (FloatType::F16, Dtype::F16, 0.01),
        (FloatType::Bf16, Dtype::BF16, 0.08),
        (FloatType::F32, Dtype::F32, 0.0),
    ];
    for (dtype, expected_dtype, tolerance) in types {
        let save = Save::default().with_dtype(dtype);
        save.safetensors(&model, &path).unwrap();
        let checkpoint = Checkpoint::open(&path).unwrap();
        assert!(checkpoint.entries().all(|entry| {
            entry.dtype() == expected_dtype || entry.key().ends_with("num_batches_tracked")
        }));
        let (loaded, _) = Load::default()
            .apply(fresh(Arch::TestResNet), &checkpoint)
            .unwrap();
        assert_close(&dtype.to_string(), &logits(&loaded), &expected, tolerance);
        assert_eq!(dtype.to_string().parse(), Ok(dtype));
    }
    assert!("f8".parse::<FloatType>().is_err());
}

#[test]
fn a_file_contains_its_config_and_is_deterministic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blur.safetensors");
    let config = Arch::TestResNet
        .config()
        .with_activation(Activation::Silu)
        .with_anti_alias(AntiAlias::Blur)
        .with_num_classes(5);
    let model: ResNet<Flex> = keyed::fill(config.init(&Default::default()), 7);
    let mut files: Vec<Vec<u8>> = (0..8)
        .map(|_| {
            Save::default().safetensors(&model, &path).unwrap();
            std::fs::read(&path).unwrap()
        })
        .collect();
    files.dedup();
    assert_eq!(files.len(), 1, "metadata in the order of a hash map");

    let checkpoint = Checkpoint::open(&path).unwrap();
    let inferred = checkpoint.infer().unwrap();
    assert_eq!((&inferred.config, inferred.name), (&config, None));
    let load = |config: &ResNetConfig| {
        let loaded = Load::default().apply(config.init::<Flex>(&Default::default()), &checkpoint);
        loaded.map_err(|error| error.to_string())
    };
    // The output stride may differ; the values depend on all other options.
    load(&config.clone().with_output_stride(8)).unwrap();
    let error = load(&config.clone().with_activation(Activation::Relu)).unwrap_err();
    assert!(
        error.contains("`activation` (expected Relu, found Silu)"),
        "{error}"
    );

    // The head was replaced in Python, where the metadata stayed unchanged.
    let mut bytes = files[0].clone();
    let old = br#"\"num_classes\":5"#;
    let at = bytes.windows(old.len()).position(|window| window == old);
    bytes[at.unwrap() + old.len() - 1] = b'7';
    let other = Checkpoint::from_bytes("other.safetensors", bytes).unwrap();
    assert_eq!(other.infer().unwrap().config.num_classes, 5);

    // A header that a user wrote by hand.
    let text = String::from_utf8_lossy(&files[0][8..]).into_owned();
    assert!(
        text.starts_with(r#"{"__metadata__":{"format":"pt","resnet_config":"{"#),
        "{}",
        &text[..80]
    );
    let mut bytes = files[0].clone();
    let at = text.find("silu").unwrap() + 8;
    bytes[at..at + 4].copy_from_slice(b"sulu");
    let error = Checkpoint::from_bytes("made.safetensors", bytes)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`resnet_config` in its header") && error.contains("sulu"),
        "{error}"
    );
}

#[test]
fn a_value_out_of_range_is_an_error_and_leaves_no_file() {
    let model = fresh(Arch::TestResNet);
    let model = model
        .load_state(|key, shape| {
            let mut data = keyed::parameter(7, key, shape);
            if key == "layer1.0.bn1.running_var" {
                data.as_mut_slice::<f32>().unwrap()[3] = 65520.0;
            }
            Ok::<_, ()>(Some(data))
        })
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let save = Save::default().with_dtype(FloatType::F16);
    let errors = [
        save.safetensors(&model, folder.path().join("a.safetensors")),
        save.burnpack(&model, folder.path().join("a.bpk")),
    ];
    for error in errors {
        let error = error.unwrap_err();
        assert!(matches!(error, SaveError::Range { .. }));
        let error = error.to_string();
        assert!(
            error.contains("`layer1.0.bn1.running_var` holds 65520, beyond the range of f16"),
            "{error}"
        );
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let save = Save::default().with_dtype(FloatType::Bf16);
    save.safetensors(&model, folder.path().join("a.safetensors"))
        .unwrap();
}

/// Covers every kind of module: deep stem, convolution as stem pool, squeeze-and-excitation, group
/// norm.
#[test]
fn burnpack_round_trips_through_burn_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bpk");
    for arch in [Arch::TestResNet, Arch::ResNetRs50, Arch::ResNet50Gn] {
        let model = keyed::fill(fresh(arch), 7);
        Save::default().burnpack(&model, &path).unwrap();
        let mut loaded = fresh(arch);
        let result = loaded
            .load_from(&mut BurnpackStore::from_file(&path))
            .unwrap();
        assert!(result.is_success() && result.missing.is_empty() && result.unused.is_empty());
        assert_close("logits", &logits(&loaded), &logits(&model), 1e-5);
    }
    let model = keyed::fill(fresh(Arch::TestResNet), 7);
    let full = logits(&model);
    let save = Save::default().with_dtype(FloatType::F16);
    save.burnpack(&model, &path).unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() < 1_100_000);
    let mut store = BurnpackStore::from_file(&path).with_from_adapter(FloatType::F32);
    let mut loaded = fresh(Arch::TestResNet);
    loaded.load_from(&mut store).unwrap();
    assert_close("logits", &logits(&loaded), &full, 0.01);
}

/// The opposite direction cannot occur: a fused network cannot be saved.
#[test]
fn a_fused_network_rejects_the_burnpack_of_an_unfused_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bpk");
    let model = keyed::fill(fresh(Arch::TestResNet), 7);
    Save::default().burnpack(&model, &path).unwrap();
    let mut fused = fresh(Arch::TestResNet).fuse();
    let error = fused.load_from(&mut BurnpackStore::from_file(&path));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("conv1.bias"), "{error}");
}

#[test]
fn labels_and_preprocessing_are_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let model = keyed::fill(fresh(Arch::TestResNet).with_classes(2), 7);
    let labels: Labels = ["ants", "bees \"and\" wasps"].into_iter().collect();
    let preprocessing = Preprocessing {
        resize: Some(96),
        ..Preprocessing::imagenet()
    };
    let save = Save::default()
        .with_labels(labels.clone())
        .with_preprocessing(preprocessing);
    save.safetensors(&model, &path).unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    assert_eq!(checkpoint.labels(), Some(&labels));
    assert_eq!(checkpoint.preprocessing(), Some(preprocessing));
    assert_eq!(checkpoint.infer().unwrap().config, *model.config());
    // The order of the metadata is deterministic.
    let bytes = std::fs::read(&path).unwrap();
    for _ in 0..8 {
        save.safetensors(&model, &path).unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes);
    }
    Save::default().safetensors(&model, &path).unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    assert!(checkpoint.labels().is_none() && checkpoint.preprocessing().is_none());

    for (key, text, cause) in [
        ("resnet_labels", "[1]", "the `resnet_labels` in its header"),
        ("resnet_recipe", "{}", "the `resnet_recipe` in its header"),
        (
            "resnet_colors",
            "3",
            "`resnet_colors` in its header, expected `resnet_config`",
        ),
    ] {
        let metadata = std::collections::HashMap::from([(key.to_string(), text.to_string())]);
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::U8, vec![1], &[0]).unwrap();
        let bytes = safetensors::serialize([("a", view)], Some(metadata)).unwrap();
        let error = Checkpoint::from_bytes("made", bytes)
            .unwrap_err()
            .to_string();
        assert!(error.contains(cause), "{error}");
    }
}

/// Returns the error of a file with these metadata.
fn refusal(metadata: &[(&str, &str)]) -> String {
    let metadata = metadata
        .iter()
        .map(|(key, text)| (key.to_string(), text.to_string()));
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::U8, vec![1], &[0]).unwrap();
    let bytes = safetensors::serialize([("a", view)], Some(metadata.collect())).unwrap();
    let error = Checkpoint::from_bytes("made", bytes).unwrap_err();
    error.to_string()
}

#[test]
fn category_ids_and_keypoints_are_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let model = keyed::fill(fresh(Arch::TestResNet).with_classes(2), 7);
    let ids: CategoryIds = [None, Some(18)].into_iter().collect();
    let keypoints = KeypointNames {
        names: ["nose", "tail"].map(String::from).into(),
        skeleton: vec![[0, 1]],
    };
    let save = Save::default()
        .with_category_ids(ids.clone())
        .with_keypoints(keypoints.clone());
    save.safetensors(&model, &path).unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    assert_eq!(checkpoint.category_ids(), Some(&ids));
    assert_eq!(checkpoint.keypoints(), Some(&keypoints));
    assert_eq!((ids.get(0), ids.get(1), ids.get(2)), (None, Some(18), None));
    assert_eq!(ids.pairs().collect::<Vec<_>>(), [(1, 18)]);

    // Files without the entries load as before.
    Save::default().safetensors(&model, &path).unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    assert!(checkpoint.category_ids().is_none() && checkpoint.keypoints().is_none());

    let labels = ("resnet_labels", r#"["ants"]"#);
    let error = refusal(&[labels, ("resnet_category_ids", "[1,2]")]);
    assert!(
        error.contains(
            "the `resnet_category_ids` in its header: expected 1 ids, one for each label, found 2"
        ),
        "{error}"
    );
    let error = refusal(&[("resnet_category_ids", r#"["ants"]"#)]);
    assert!(
        error.contains("the `resnet_category_ids` in its header"),
        "{error}"
    );
    let skeleton = r#"{"names":["nose"],"skeleton":[[0,1]]}"#;
    let error = refusal(&[("resnet_keypoints", skeleton)]);
    assert!(
        error.contains("expected keypoint indices below 1 in `skeleton`, found 1"),
        "{error}"
    );
}
