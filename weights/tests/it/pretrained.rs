//! Loads published weights into networks that differ from the published one.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use burn::backend::Flex;
use burn::tensor::Tensor;
use resnet_core::{Arch, ResNet};
use resnet_testing::keyed;
use resnet_weights::{
    Fetch, Labels, PretrainedBuilder, Progress, ProgressHandle, SourceError, Weights, ids, save,
};
use tempfile::TempDir;

fn keyed_test_resnet() -> ResNet<Flex> {
    keyed::fill(Arch::TestResNet.config().init(&Default::default()), 7)
}

/// Returns a file of the smallest network in the catalog.
fn file() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test_resnet.safetensors");
    save(&keyed_test_resnet(), &path).unwrap();
    (folder, path)
}

fn loader(path: &PathBuf) -> PretrainedBuilder {
    PretrainedBuilder::named(ids::TEST_RESNET_R160_IN1K)
        .unwrap()
        .with_file(path)
}

fn images() -> Tensor<Flex, 4> {
    keyed::images(7, [2, 3, 64, 64], &Default::default())
}

#[test]
fn a_network_comes_with_preprocessing_labels_and_report() {
    let (_folder, path) = file();
    let resnet = loader(&path).load::<Flex>(&Default::default()).unwrap();
    let expected = keyed_test_resnet().forward(images()).into_data();
    assert_eq!(resnet.model.forward(images()).into_data(), expected);
    assert_eq!(resnet.labels, Labels::named("imagenet1k").unwrap());
    assert_eq!(resnet.weights.id, "test_resnet.r160_in1k");
    assert_eq!(
        (resnet.preprocessing.crop, resnet.preprocessing.mean),
        (Some(160), [0.5; 3].into())
    );
    assert_eq!((resnet.report.loaded, resnet.file), (77, Some(path)));
    assert!(resnet.report.fits() && resnet.report.fresh.is_empty());
}

#[test]
fn a_custom_classifier_keeps_the_backbone() {
    let (_folder, path) = file();
    let embedding = keyed_test_resnet().forward_embedding(images()).into_data();
    let resnet = loader(&path)
        .with_classes(10)
        .load::<Flex>(&Default::default())
        .unwrap();
    assert_eq!(resnet.report.fresh, ["fc.weight", "fc.bias"]);
    assert_eq!(resnet.labels.get(3), "class 3", "and not CIFAR's");
    assert_eq!(
        resnet.model.forward_embedding(images()).into_data(),
        embedding
    );
    assert_eq!(resnet.model.forward(images()).dims(), [2, 10]);

    let resnet = loader(&path)
        .headless()
        .load::<Flex>(&Default::default())
        .unwrap();
    assert_eq!(
        resnet
            .report
            .skipped
            .iter()
            .filter(|key| key.starts_with("fc."))
            .count(),
        2
    );
    assert_eq!(resnet.model.forward(images()).into_data(), embedding);
    assert!(resnet.labels.is_empty());
}

#[test]
fn other_channels_and_strides_are_adapted() {
    let (_folder, path) = file();
    let resnet = loader(&path)
        .with_in_channels(1)
        .with_output_stride(8)
        .load::<Flex>(&Default::default())
        .unwrap();
    assert_eq!(resnet.report.adapted, ["conv1.0.weight"]);
    assert_eq!((resnet.report.loaded, resnet.report.fresh.len()), (77, 0));
    let config = Arch::TestResNet.config().with_output_stride(8);
    let expected: ResNet<Flex> = keyed::fill(config.init(&Default::default()), 7);
    let grey = images().narrow(1, 0, 1);
    let expected = expected.forward(grey.clone().repeat_dim(1, 3));
    let found = resnet.model.forward(grey);
    assert!((expected - found).abs().max().into_scalar() < 1e-4);
}

#[test]
fn other_differences_are_errors() {
    let (folder, _) = file();
    let other = folder.path().join("other.safetensors");
    let config = Arch::ResNet10t.config();
    save::<Flex>(&config.init(&Default::default()), &other).unwrap();
    let error = loader(&other)
        .with_classes(3)
        .with_in_channels(2)
        .load::<Flex>(&Default::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("mismatched `conv1.0.weight` (expected [16, 2, 3, 3], found [24, 3, 3, 3])"),
        "{error}"
    );
    // The published number of classes requires the published classifier, which must exist.
    let headless = folder.path().join("headless.safetensors");
    save(&keyed_test_resnet().with_classes(0), &headless).unwrap();
    let error = loader(&headless)
        .with_classes(1000)
        .load::<Flex>(&Default::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("missing `fc.weight`, `fc.bias`"), "{error}");
    let error = loader(&other)
        .with_output_stride(7)
        .load::<Flex>(&Default::default())
        .unwrap_err();
    assert!(matches!(error, SourceError::Config(_)), "{error}");
    assert!(PretrainedBuilder::named("resnet51").is_err());
}

#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Progress for Notes {
    fn note(&self, message: &str) {
        self.0.lock().unwrap().push(message.into());
    }

    fn begin(&self, _: &str, _: Option<u64>, _: u64) -> ProgressHandle {
        Box::new(|_| {})
    }
}

#[test]
fn a_restricted_license_is_noted() {
    let (folder, path) = file();
    let notes = Arc::new(Notes::default());
    let cache = |name: &str| (name == "RESNET_CACHE").then(|| folder.path().into());
    let fetch = Fetch::from_variables(cache).unwrap();
    let fetch = fetch.with_progress(notes.clone());
    let weights = Weights::named("resnet18.fb_swsl_ig1b_ft_in1k").unwrap();
    let loader = PretrainedBuilder::new(weights.clone())
        .with_file(&path)
        .with_fetch(fetch.clone());
    assert!(
        loader.load::<Flex>(&Default::default()).is_err(),
        "another network"
    );
    assert!(notes.0.lock().unwrap()[0].contains("CC-BY-NC-4.0, does not allow commercial use"));
    notes.0.lock().unwrap().clear();
    let free = PretrainedBuilder::named("test_resnet")
        .unwrap()
        .with_file(&path)
        .with_fetch(fetch);
    free.load::<Flex>(&Default::default()).unwrap();
    assert!(notes.0.lock().unwrap().is_empty());
}
