//! Infers architectures from keys and shapes alone.

use burn::backend::Flex;
use burn::tensor::{DType, TensorData};
use resnet_core::{AntiAlias, Arch, Network, ResNet, ResNetConfig};
use resnet_weights::{Checkpoint, Inferred, Load};
use safetensors::tensor::{Dtype, TensorView};

use crate::fixture;

/// Returns a safetensors file of one-byte elements with the keys and shapes of a network.
fn file_of(config: &ResNetConfig) -> Checkpoint {
    let model: ResNet<Flex> = config.init(&Default::default());
    let shapes = model.state_shapes();
    let largest = shapes
        .iter()
        .map(|(_, shape)| shape.iter().product::<usize>())
        .max()
        .unwrap();
    let zeros = vec![0_u8; largest];
    let views = shapes.iter().map(|(key, shape)| {
        let bytes = &zeros[..shape.iter().product()];
        (
            key.as_str(),
            TensorView::new(Dtype::U8, shape.clone(), bytes).unwrap(),
        )
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    Checkpoint::from_bytes("made.safetensors", bytes).unwrap()
}

fn infer(config: &ResNetConfig) -> Inferred {
    file_of(config).infer().unwrap()
}

#[test]
fn every_architecture_is_inferred_from_its_keys() {
    // The largest files would take minutes and cover no additional option.
    let small = |arch: &&Arch| arch.config().cost([32, 32]).parameters < 80_000_000;
    for arch in Arch::ALL.iter().filter(small) {
        let inferred = infer(&arch.config());
        let plain = arch.config().with_anti_alias(AntiAlias::None);
        assert_eq!(inferred.config, plain, "{arch}");
        let name = inferred.name.unwrap();
        let same = inferred.alternatives.contains(arch) || name == arch.name();
        assert!(same, "{arch}: {name} {:?}", inferred.alternatives);
    }
}

#[test]
fn classes_and_channels_come_from_the_file() {
    let config = Arch::ResNet18d
        .config()
        .with_num_classes(7)
        .with_in_channels(1);
    let inferred = infer(&config);
    assert_eq!(inferred.config, config);
    assert_eq!(inferred.name.as_deref(), Some("resnet18d"));
    assert_eq!(infer(&config.with_num_classes(0)).config.num_classes, 0);
}

#[test]
fn cifar_networks_of_any_depth_are_named() {
    for name in [
        "cifar_resnet8",
        "cifar_resnet14_b",
        "cifar_wide_resnet10_1",
        "cifar_preact_resnet29",
    ] {
        let inferred = infer(&ResNetConfig::named(name).unwrap());
        assert_eq!(inferred.name.as_deref(), Some(name));
    }
}

#[test]
fn networks_that_differ_in_anti_aliasing_are_alternatives() {
    let inferred = infer(&Arch::ResNet50.config());
    assert_eq!(inferred.name.as_deref(), Some("resnet50"));
    assert_eq!(
        inferred.alternatives,
        [Arch::ResNetAa50, Arch::ResNetBlur50]
    );
}

#[test]
fn other_networks_are_errors_with_the_cause() {
    let bytes = [0_u8; 4];
    let view = |shape: Vec<usize>| TensorView::new(Dtype::U8, shape, &bytes).unwrap();
    let refusal = |tensors: Vec<(&str, TensorView<'_>)>| {
        let bytes = safetensors::serialize(tensors, None).unwrap();
        Checkpoint::from_bytes("vit.safetensors", bytes)
            .unwrap()
            .infer()
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refusal(vec![("patch_embed.weight", view(vec![4]))]),
        "`vit.safetensors`: not a residual network of this zoo: no `conv1.weight`; name the architecture"
    );
    let text = refusal(vec![("conv1.weight", view(vec![1, 1, 2, 2]))]);
    assert!(
        text.contains("`conv1.weight`: expected a 7x7 or 3x3 convolution, found [1, 1, 2, 2]"),
        "{text}"
    );
    let empty = TensorView::new(Dtype::U8, vec![4, 0, 3, 3], &[]).unwrap();
    let text = refusal(vec![("conv1.weight", empty)]);
    assert!(
        text.contains("`conv1.weight`: expected four extents, found [4, 0, 3, 3]"),
        "{text}"
    );
}

#[test]
fn the_good_fixtures_are_resnet8() {
    for name in [
        "zip.pth",
        "legacy.pth",
        "training_checkpoint.pth",
        "bf16.safetensors",
    ] {
        let checkpoint = Checkpoint::open(fixture(&format!("checkpoints/good/{name}"))).unwrap();
        assert_eq!(
            checkpoint.infer().unwrap().name.as_deref(),
            Some("cifar_resnet8_b"),
            "{name}"
        );
        let data: TensorData = checkpoint.read("fc.bias").unwrap();
        assert_eq!(
            data.dtype,
            if name.starts_with("bf16") {
                DType::BF16
            } else {
                DType::F32
            }
        );
    }
}

#[test]
fn the_keys_of_other_libraries_are_translated() {
    let config = ResNetConfig::named("cifar_resnet20_b").unwrap();
    let model: ResNet<Flex> = config.init(&Default::default());
    let theirs = |key: &str| {
        key.replace("fc.", "linear.")
            .replace("downsample.", "shortcut.")
    };
    let shapes: Vec<_> = model
        .state_shapes()
        .into_iter()
        .map(|(key, shape)| (theirs(&key), shape))
        .collect();
    let bytes = vec![0_u8; 4 * 64 * 64 * 9];
    let views = shapes.iter().map(|(key, shape)| {
        let size = 4 * shape.iter().product::<usize>();
        (
            key.as_str(),
            TensorView::new(Dtype::F32, shape.clone(), &bytes[..size]).unwrap(),
        )
    });
    let file = safetensors::serialize(views, None).unwrap();
    let checkpoint = Checkpoint::from_bytes("theirs.safetensors", file).unwrap();
    assert_eq!(
        checkpoint.infer().unwrap().name.as_deref(),
        Some("cifar_resnet20_b")
    );
    let (_, report) = Load::default().apply(model, &checkpoint).unwrap();
    assert!(report.fits() && report.loaded == shapes.len());
}
