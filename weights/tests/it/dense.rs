//! Detectors and segmentation networks: embedded ones, and files of older versions of torchvision.

use std::collections::BTreeMap;
use std::path::Path;

use burn::backend::Flex;
#[cfg(feature = "embedded")]
use resnet_core::Network;
use resnet_core::{Arch, NormKind};
use resnet_dense::{DenseConfig, DetectorConfig, FcosConfig, RcnnConfig, RetinaNetConfig};
use resnet_weights::{EmbeddedDense, ModelSource, Overrides, save};
use safetensors::SafeTensors;

#[test]
#[cfg(feature = "embedded")]
fn embedded_networks_load_and_have_the_parameters_of_their_rows() {
    let device = Default::default();
    for row in EmbeddedDense::all() {
        let resolved = ModelSource::named(row.id).resolve_dense().unwrap();
        assert_eq!(
            (resolved.name.as_str(), resolved.notes.as_slice()),
            (row.id, [].as_slice())
        );
        let parameters = match &resolved.config {
            DenseConfig::Detection(config) => {
                let network = config.init::<Flex>(&device);
                resolved.load_into(network).unwrap().0.num_parameters()
            }
            DenseConfig::Segmentation(config) => {
                let network = config.init::<Flex>(&device);
                resolved.load_into(network).unwrap().0.num_parameters()
            }
        };
        assert_eq!(parameters as u64, row.parameters, "{}", row.id);
        assert_eq!(resolved.config.is_detector(), row.is_detector());
        let labels = [0, 1].map(|class| resolved.labels.get(class));
        assert_eq!(labels, ["background", "circle"]);
        assert_eq!(resolved.labels.len(), resolved.config.num_classes());
    }
}

#[test]
#[cfg(not(feature = "embedded"))]
fn embedded_networks_need_their_feature() {
    for row in EmbeddedDense::all() {
        let error = ModelSource::named(row.id).resolve_dense().unwrap_err();
        assert!(
            error.to_string().contains("the feature `embedded`"),
            "{error}"
        );
    }
}

#[test]
fn a_classifier_names_the_type_that_loads_a_detector() {
    let error = ModelSource::named("maskrcnn_scenes").resolve().unwrap_err();
    assert!(
        error.to_string().contains("load it with `Detector`"),
        "{error}"
    );
}

#[test]
fn an_embedded_network_has_no_file() {
    let source = ModelSource::named("maskrcnn_scenes").with_file("mine.safetensors");
    let error = source.resolve_dense().unwrap_err();
    assert!(error.to_string().contains("it has no file"), "{error}");
}

/// Detectors of each kind, with few channels.
fn small_detectors() -> [DetectorConfig; 3] {
    let body = Arch::TestResNet.config().with_norm(NormKind::Frozen);
    let mut rcnn = RcnnConfig::faster_rcnn(body.clone(), 4).with_masks();
    rcnn.representation_size = 16;
    let mut retinanet = RetinaNetConfig::new(body.clone(), 4);
    let mut fcos = FcosConfig::new(body, 4);
    rcnn.backbone.fpn.channels = 32;
    retinanet.backbone.fpn.channels = 32;
    fcos.backbone.fpn.channels = 32;
    [
        DetectorConfig::Rcnn(rcnn),
        DetectorConfig::RetinaNet(retinanet),
        DetectorConfig::Fcos(fcos),
    ]
}

/// Returns the name of a key before torchvision 0.13.
fn older_key(key: &str, config: &DetectorConfig) -> String {
    let (layer, parameter) = key.rsplit_once('.').unwrap();
    let block = layer
        .strip_suffix(".0")
        .filter(|layer| layer.contains("fpn.inner_blocks.") || layer.contains("fpn.layer_blocks."));
    if let Some(block) = block {
        return format!("{block}.{parameter}");
    }
    if layer == "rpn.head.conv.0.0" {
        return format!("rpn.head.conv.{parameter}");
    }
    let mut parts = layer.split('.').rev();
    let mut number = || parts.nth(1)?.parse::<usize>().ok();
    if layer.starts_with("roi_heads.mask_head.") {
        let number = number().unwrap() + 1;
        return format!("roi_heads.mask_head.mask_fcn{number}.{parameter}");
    }
    if matches!(config, DetectorConfig::RetinaNet(_))
        && let Some((tower, _)) = layer.split_once(".conv.")
    {
        let number = 2 * number().unwrap();
        return format!("{tower}.conv.{number}.{parameter}");
    }
    key.to_string()
}

/// Returns the bytes of each tensor of a safetensors file.
fn tensors(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let file = std::fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let tensors = tensors.iter();
    tensors
        .map(|(key, tensor)| (key.to_string(), tensor.data().to_vec()))
        .collect()
}

#[test]
fn files_with_the_older_keys_of_torchvision_load() {
    let device = Default::default();
    let folder = tempfile::tempdir().unwrap();
    let [new, old, again] = ["new", "old", "again"].map(|name| folder.path().join(name));
    for config in small_detectors() {
        save(&config.init::<Flex>(&device), &new).unwrap();
        let bytes = std::fs::read(&new).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let renamed: Vec<_> = file
            .iter()
            .map(|(key, tensor)| (older_key(key, &config), tensor))
            .collect();
        assert!(renamed.iter().any(|(key, _)| file.tensor(key).is_err()));
        safetensors::serialize_to_file(renamed, None, &old).unwrap();

        let resolved = ModelSource::file(&old).resolve_dense().unwrap();
        let DenseConfig::Detection(inferred) = &resolved.config else {
            panic!("expected a detector");
        };
        let (loaded, _) = resolved.load_into(inferred.init::<Flex>(&device)).unwrap();
        save(&loaded, &again).unwrap();
        assert!(tensors(&new) == tensors(&again));
    }
}

#[test]
fn a_detector_of_gray_images_is_inferred_with_a_note() {
    let device = Default::default();
    let folder = tempfile::tempdir().unwrap();
    let [new, bare] = ["new", "bare"].map(|name| folder.path().join(name));
    let [mut config, ..] = small_detectors();
    config.body_mut().in_channels = 1;
    let transform = config.transform_mut();
    (transform.image_mean, transform.image_std) = (vec![0.5], vec![0.25]);
    save(&config.init::<Flex>(&device), &new).unwrap();
    let bytes = std::fs::read(&new).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    safetensors::serialize_to_file(file.iter(), None, &bare).unwrap();

    let source = ModelSource::file(&bare);
    let resolved = source.clone().resolve_dense().unwrap();
    let notes = resolved.notes.join("; ");
    assert!(notes.contains("0.449 and 0.226 are assumed"), "{notes}");
    let overrides = Overrides::default();
    let overrides = overrides.set("image_mean=0.5").unwrap();
    let overrides = overrides.set("image_std=0.25").unwrap();
    let resolved = source.with_overrides(overrides).resolve_dense().unwrap();
    let DenseConfig::Detection(found) = &resolved.config else {
        panic!("expected a detector");
    };
    assert_eq!(found.transform(), config.transform());
}
