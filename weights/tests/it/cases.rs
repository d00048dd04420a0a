//! Checkpoints in the forms that users have, compared with PyTorch.

#![allow(clippy::excessive_precision, reason = "numbers as PyTorch prints them")]

use burn::backend::Flex;
use burn::tensor::{Tensor, TensorData};
use resnet_core::{Network, NormKind, ResNet, StridePlacement};
use resnet_testing::assert_close;
use resnet_weights::{
    Checkpoint, InferError, Load, OutputActivation, Overrides, ReadError, Report, Save,
};

use crate::fixture;

/// The logits of the two images in `input.safetensors`.
type Logits = [[f32; 3]; 2];

const USUAL: Logits = [
    [0.220903, 25.318331, -46.738148],
    [2.811821, 27.388315, -49.984985],
];

fn open(name: &str) -> Checkpoint {
    Checkpoint::open(fixture(&format!("cases/{name}"))).unwrap()
}

fn set(changes: &[&str]) -> Overrides {
    let overrides = changes.iter();
    overrides.fold(Overrides::default(), |all, change| all.set(change).unwrap())
}

fn load(checkpoint: &Checkpoint, overrides: &Overrides) -> (ResNet<Flex>, Report) {
    let config = checkpoint.infer_with(overrides).unwrap().config;
    let model = config.init(&Default::default());
    Load::default().apply(model, checkpoint).unwrap()
}

fn logits(model: &ResNet<Flex>) -> Vec<f32> {
    let input: TensorData = open("input.safetensors").read("input").unwrap();
    let input = Tensor::from_data(input, &Default::default());
    model.forward(input).into_data().iter().collect()
}

fn assert_logits(name: &str, model: &ResNet<Flex>, expected: &[f32]) {
    assert_close(name, &logits(model), expected, 1e-4);
}

fn assert_reads(checkpoint: &Checkpoint, changes: &[&str], expected: Logits) -> Report {
    let (model, report) = load(checkpoint, &set(changes));
    assert_logits(checkpoint.name(), &model, expected.as_flattened());
    report
}

#[test]
fn the_length_of_an_archives_name_does_not_matter() {
    assert_reads(&open("resnet18_flowers_best.pth"), &[], USUAL);
}

#[test]
fn the_user_sets_the_kind_of_norms_without_statistics() {
    let [two, batch, many]: [Logits; 3] = [
        [
            [5.116085, 4.947865, -4.424517],
            [5.077565, 4.925507, -4.371888],
        ],
        [
            [4.783863, 3.61684, -4.763538],
            [4.89192, 3.681639, -4.843322],
        ],
        [
            [4.851719, 3.635537, -4.811366],
            [4.828122, 3.662522, -4.795742],
        ],
    ];
    let file = open("group_norm_of_2_groups.safetensors");
    assert_reads(&file, &["norm=group:2"], two);
    assert_reads(
        &open("batch_norm_that_tracks_nothing.safetensors"),
        &["norm=batch_stats"],
        batch,
    );

    let file = open("group_norm_of_32_groups.safetensors");
    assert_reads(&file, &[], many);
    let inferred = file.infer().unwrap();
    assert_eq!(inferred.config.norm, NormKind::Group { groups: 32 });
    let note = inferred.note("the file").unwrap();
    assert!(
        note.contains("norm=group:32 (else `Overrides` with `norm=group:N`"),
        "{note}"
    );

    // If every channel is its own group, group norm and instance norm are the same.
    let instance = load(&file, &set(&["norm=instance"])).0;
    let groups = load(&file, &set(&["norm=group:32"])).0;
    assert_logits("instance", &instance, &logits(&groups));
}

#[test]
fn norms_not_divisible_by_32_groups_are_an_error_with_alternatives() {
    let config = resnet_core::ResNetConfig::named("cifar_resnet8_b").unwrap();
    let config = config.with_norm(NormKind::Group { groups: 8 });
    let model: ResNet<Flex> = config.init(&Default::default());
    let file = without_metadata(&model);
    let error = file.infer().unwrap_err();
    assert!(matches!(error, InferError::Ambiguous { .. }), "{error}");
    let text = error.to_string();
    for reading in ["group:N", "instance", "batch_stats", "32 groups"] {
        assert!(text.contains(reading), "{text}");
    }
    let inferred = file.infer_with(&set(&["norm=group:8"])).unwrap();
    assert_eq!(inferred.config, config);
}

/// Saves the network without metadata and opens it.
fn without_metadata(model: &ResNet<Flex>) -> Checkpoint {
    Checkpoint::from_bytes("made.safetensors", without_metadata_bytes(model)).unwrap()
}

fn without_metadata_bytes(model: &ResNet<Flex>) -> Vec<u8> {
    let mut tensors: Vec<(String, TensorData)> = Vec::new();
    let collected: Result<(), ()> = model.visit_state(|key, data| {
        tensors.push((key.into(), data));
        Ok(())
    });
    collected.unwrap();
    bytes_of(&tensors)
}

fn from_tensors(tensors: &[(String, TensorData)]) -> Checkpoint {
    Checkpoint::from_bytes("made.safetensors", bytes_of(tensors)).unwrap()
}

fn bytes_of(tensors: &[(String, TensorData)]) -> Vec<u8> {
    use safetensors::tensor::{Dtype, TensorView};
    let views = tensors.iter().map(|(key, data)| {
        let view = TensorView::new(Dtype::F32, data.shape.to_vec(), data.as_bytes());
        (key, view.unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn norms_without_parameters_need_a_kind_and_load_as_ones_and_zeros() {
    let config = resnet_core::ResNetConfig::named("cifar_resnet8_b").unwrap();
    let config = config.with_norm(NormKind::Instance);
    let model: ResNet<Flex> = config.init(&Default::default());
    let mut tensors: Vec<(String, TensorData)> = Vec::new();
    let collected: Result<(), ()> = model.visit_state(|key, data| {
        if data.shape.len() != 1 || key == "fc.bias" {
            tensors.push((key.into(), data));
        }
        Ok(())
    });
    collected.unwrap();
    let file = from_tensors(&tensors);
    let error = file.infer().unwrap_err().to_string();
    assert!(error.contains("norms have no parameters"), "{error}");
    let (loaded, report) = load(&file, &set(&["norm=instance"]));
    assert!(
        report.filled.contains(&"layer1.0.bn1.weight".into()),
        "{report:?}"
    );
    assert_logits("instance", &loaded, &logits(&model));
}

#[test]
fn the_stride_placement_can_be_set() {
    let file = open("stride_in_the_1x1.safetensors");
    let inferred = file.infer().unwrap();
    let note = inferred.note("the file").unwrap();
    assert!(
        note.contains("`Overrides` with `stride_placement=conv1x1`"),
        "{note}"
    );
    let expected = [
        [-23.4667, 16.059145, 6.387116],
        [-35.435329, 29.045124, 14.977743],
    ];
    assert_reads(&file, &["stride_placement=conv1x1"], expected);
    let inferred = file
        .infer_with(&set(&["stride_placement=conv1x1"]))
        .unwrap();
    assert_eq!(inferred.config.stride_placement, StridePlacement::Conv1x1);
    assert_eq!(inferred.note("the file"), None);
}

#[test]
fn the_only_network_is_found_below_any_path() {
    for (name, state) in [
        ("tutorial.pth", "model_state_dict"),
        ("ckpt.pth", "net.module"),
        ("lightning.ckpt", "state_dict.model"),
    ] {
        let file = open(name);
        assert_eq!(file.state(), Some(state), "{name}");
        let report = assert_reads(&file, &[], USUAL);
        assert_eq!(report.left_out, file.left_out());
    }
    let notes = open("tutorial.pth").notes();
    assert!(
        notes
            .iter()
            .all(|note| note.starts_with("ignores `optimizer_state_dict`")),
        "{notes:?}"
    );
}

#[test]
fn several_networks_require_a_choice() {
    let file = open("contrastive.pth.tar");
    let error = file.infer().unwrap_err().to_string();
    for part in ["encoder_q", "encoder_k", "`ModelSource::with_state`"] {
        assert!(error.contains(part), "{error}");
    }
    let model: ResNet<Flex> = resnet_core::Arch::TestResNet
        .config()
        .init(&Default::default());
    let error = Load::default().apply(model, &file).unwrap_err().to_string();
    assert!(error.contains("`ModelSource::with_state`"), "{error}");

    let file = file.with_state("encoder_q").unwrap();
    let expected = [
        [13.805943, -10.257526, 8.476089],
        [14.938882, -11.199275, 8.692806],
    ];
    assert_reads(&file, &[], expected);
    assert!(file.left_out().iter().any(|key| key.contains("queue")));

    let file = open("contrastive.pth.tar").with_state("encoder_x");
    let error = file.unwrap_err();
    assert!(matches!(error, ReadError::UnknownState { .. }), "{error}");
}

#[test]
fn folders_of_transformers_include_their_config() {
    for name in ["transformers", "transformers/model.safetensors"] {
        let file = open(name);
        assert_reads(&file, &[], USUAL);
        let labels = file.labels().unwrap();
        assert_eq!(
            [0, 1, 2].map(|class| labels.get(class)),
            ["ant", "bee", "wasp"]
        );
    }
}

/// Creates a folder as timm's `save_for_hf` does, with this `config.json`.
fn timm_folder(config: &serde_json::Value) -> (tempfile::TempDir, ResNet<Flex>) {
    let folder = tempfile::tempdir().unwrap();
    let network = resnet_core::Arch::TestResNet.config().with_num_classes(2);
    let model: ResNet<Flex> = network.init(&Default::default());
    let weights = folder.path().join("model.safetensors");
    std::fs::write(weights, without_metadata_bytes(&model)).unwrap();
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    (folder, model)
}

#[test]
fn folders_of_timm_include_their_config() {
    let (folder, model) = timm_folder(&serde_json::json!({
        "architecture": "test_resnet",
        "num_classes": 2,
        "label_names": ["ant", "bee"],
        "pretrained_cfg": {
            "input_size": [3, 160, 160],
            "crop_pct": 0.95,
            "interpolation": "bicubic",
            "mean": [0.5, 0.5, 0.5],
            "std": [0.25, 0.25, 0.25],
        },
    }));
    let file = Checkpoint::open(folder.path()).unwrap();
    let inferred = file.infer().unwrap();
    assert_eq!(inferred.config, *model.config());
    assert_eq!(inferred.assumptions, []);
    assert_eq!(file.labels().unwrap().get(1), "bee");
    let preprocessing = file.preprocessing().unwrap();
    // timm: floor(160 / 0.95) = 168.
    assert_eq!(
        (preprocessing.resize, preprocessing.crop),
        (Some(168), Some(160))
    );
    assert_eq!(preprocessing.filter, resnet_image::Filter::Bicubic);
    let (loaded, _) = load(&file, &Overrides::default());
    assert_eq!(logits_of(&loaded, 64), logits_of(&model, 64));
}

#[test]
fn configs_with_unsupported_changes_are_errors() {
    for (config, part) in [
        (
            serde_json::json!({"architecture": "resnest50d"}),
            "`architecture`",
        ),
        (
            serde_json::json!({"architecture": "test_resnet", "model_args": {"act_layer": "gelu"}}),
            "act_layer",
        ),
        (
            serde_json::json!({"model_type": "resnet", "downsample_in_first_stage": true}),
            "downsample_in_first_stage",
        ),
        (
            serde_json::json!({"model_type": "resnet", "hidden_act": "gelu"}),
            "hidden_act",
        ),
        // transformers applies it only in the stem and after the residual additions.
        (
            serde_json::json!({"model_type": "resnet", "hidden_act": "silu"}),
            "hidden_act",
        ),
    ] {
        let (folder, _) = timm_folder(&config);
        let error = Checkpoint::open(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("config.json") && error.contains(part),
            "{error}"
        );
    }
}

#[test]
fn redundant_arguments_of_timm_are_accepted_and_options_are_set() {
    let arguments = |pool: &str| {
        serde_json::json!({
            "architecture": "test_resnet",
            "global_pool": pool,
            "model_args": {"num_classes": 2, "in_chans": 3, "global_pool": pool, "drop_rate": 0.1},
            "pretrained_cfg": {"input_size": [3, 64, 64], "crop_pct": 0.5, "crop_mode": "squash", "mean": [0.5], "std": [1]},
        })
    };
    let (folder, model) = timm_folder(&arguments("avg"));
    let file = Checkpoint::open(folder.path()).unwrap();
    assert_eq!(file.infer().unwrap().config, *model.config());
    assert_eq!(file.preprocessing(), None);
    let notes = file.notes().join("\n");
    assert!(
        notes.contains("is not used: its `crop_mode` is `squash`"),
        "{notes}"
    );
    let (folder, _) = timm_folder(&arguments("max"));
    let config = Checkpoint::open(folder.path())
        .unwrap()
        .infer()
        .unwrap()
        .config;
    assert_eq!(config.global_pool, resnet_core::GlobalPool::Max);
}

#[test]
fn sharded_weights_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.safetensors.index.json"), "{}").unwrap();
    let part = folder.path().join("model-00002-of-00004.safetensors");
    std::fs::copy(fixture("cases/input.safetensors"), &part).unwrap();
    for path in [folder.path(), part.as_path()] {
        let error = Checkpoint::open(path).unwrap_err().to_string();
        assert!(error.contains("several files (shards)"), "{error}");
    }
    let whole = folder.path().join("model-00001-of-00001.safetensors");
    std::fs::copy(fixture("cases/input.safetensors"), &whole).unwrap();
    assert!(Checkpoint::open(whole).is_ok());
}

/// Returns the logits of an image of ones.
fn logits_of(model: &ResNet<Flex>, side: usize) -> Vec<f32> {
    let input = Tensor::ones([1, 3, side, side], &Default::default());
    model.forward(input).into_data().iter().collect()
}

#[test]
fn folders_without_weights_are_refused() {
    let error = Checkpoint::open(fixture("cases/.."))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("is a folder without `model.safetensors`"),
        "{error}"
    );
}

#[test]
fn a_classifier_in_a_sequence_is_found() {
    assert_reads(&open("dropout_before_fc.pth"), &[], USUAL);
}

#[test]
fn a_classifier_without_bias_has_a_bias_of_zero() {
    let (model, _) = load(&open("dropout_before_fc.pth"), &Overrides::default());
    let mut tensors: Vec<(String, TensorData)> = Vec::new();
    let mut bias = Vec::new();
    let collected: Result<(), ()> = model.visit_state(|key, data| {
        match key {
            "fc.bias" => bias = data.iter::<f32>().collect(),
            _ => tensors.push((key.into(), data)),
        }
        Ok(())
    });
    collected.unwrap();
    let (bare, report) = load(&from_tensors(&tensors), &Overrides::default());
    assert_eq!(report.filled, ["fc.bias"]);
    let expected: Vec<f32> = USUAL
        .as_flattened()
        .iter()
        .zip(bias.iter().cycle())
        .map(|(a, b)| a - b)
        .collect();
    assert_logits("without bias", &bare, &expected);
}

#[test]
fn heads_of_several_layers_are_errors_and_can_be_ignored() {
    let (model, _) = load(&open("dropout_before_fc.pth"), &Overrides::default());
    let mut tensors: Vec<(String, TensorData)> = Vec::new();
    let collected: Result<(), ()> = model.visit_state(|key, data| {
        match key {
            "fc.weight" => {
                tensors.push(("fc.0.weight".into(), data.clone()));
                tensors.push(("fc.2.weight".into(), data));
            }
            "fc.bias" => {}
            _ => tensors.push((key.into(), data)),
        }
        Ok(())
    });
    collected.unwrap();
    let file = from_tensors(&tensors);
    let config = file.infer().unwrap().config;
    assert_eq!(config.num_classes, 0);
    assert_eq!(file.layered_head(), Some("fc"));
    let model = || config.init::<Flex>(&Default::default());
    let error = Load::default()
        .apply(model(), &file)
        .unwrap_err()
        .to_string();
    assert!(error.contains("`Load::allow_other_classes()`"), "{error}");
    let (_, report) = Load::default()
        .allow_other_classes()
        .apply(model(), &file)
        .unwrap();
    assert_eq!(report.skipped, ["fc.0.weight", "fc.2.weight"]);
}

#[test]
fn saved_files_keep_the_output_activation_and_the_epsilon() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved.safetensors");
    let overrides = set(&["norm_eps=1e-3"]);
    let (model, _) = load(&open("dropout_before_fc.pth"), &overrides);
    let save = Save::default().with_output_activation(OutputActivation::Sigmoid);
    save.safetensors(&model, &path).unwrap();
    let saved = Checkpoint::open(&path).unwrap();
    assert_eq!(saved.output_activation(), Some(OutputActivation::Sigmoid));
    assert_eq!(saved.infer().unwrap().config.norm_eps, 1e-3);
    let (again, _) = load(&saved, &Overrides::default());
    assert_eq!(logits(&again), logits(&model));

    // A setting in the file is not silently ignored.
    let other = saved.infer_with(&set(&["norm_eps=1e-5"])).unwrap().config;
    let fresh = || other.init::<Flex>(&Default::default());
    let error = Load::default()
        .apply(fresh(), &saved)
        .unwrap_err()
        .to_string();
    assert!(error.contains("`norm_eps`"), "{error}");
    Load::default()
        .allow_other_options()
        .apply(fresh(), &saved)
        .unwrap();
}
