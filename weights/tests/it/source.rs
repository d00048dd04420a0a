//! Loads networks from sources, and networks of your own.

use burn::backend::Flex;
use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use resnet_core::layers::Norm;
use resnet_core::{Arch, LayerGroup, Network, ResNet, ResNetConfig};
use resnet_weights::{Checkpoint, Labels, Load, ModelSource, Overrides, Save, save};
use tempfile::TempDir;

use crate::fixture;

/// Writes a file with ten class names, like the files of a training.
fn labeled(folder: &TempDir) -> std::path::PathBuf {
    let file = fixture("checkpoints/good/zip.pth");
    let (model, _) = ModelSource::file(file)
        .resolve()
        .unwrap()
        .load::<Flex>(&Default::default())
        .unwrap();
    let labels: Labels = (0..10).map(|i| format!("class {i}")).collect();
    let path = folder.path().join("labeled.safetensors");
    let save = Save::default().with_labels(labels);
    save.safetensors(&model, &path).unwrap();
    path
}

#[test]
fn labels_of_a_file_allow_other_classes() {
    let folder = tempfile::tempdir().unwrap();
    let source = || ModelSource::file(labeled(&folder));
    assert_eq!(source().resolve().unwrap().labels.get(3), "class 3");

    let headless = Overrides::default().set("num_classes=0").unwrap();
    let resolved = source().with_overrides(headless).resolve().unwrap();
    let (model, report) = resolved.load::<Flex>(&Default::default()).unwrap();
    assert_eq!(model.config().num_classes, 0);
    assert!(report.skipped.contains(&"fc.weight".to_string()));

    // Training from this file gives the network a fresh classifier.
    let other = source().with_arch("resnet18").resolve().unwrap();
    assert_eq!(other.config.num_classes, 1000);
}

#[test]
fn bytes_are_a_source() {
    let path = fixture("checkpoints/good/zip.pth");
    let source = ModelSource::bytes("memory", std::fs::read(path).unwrap());
    let resolved = source.resolve().unwrap();
    assert_eq!(resolved.name, "cifar_resnet8_b");
    assert!(resolved.load::<Flex>(&Default::default()).is_ok());
}

#[test]
fn only_published_weights_are_fetched() {
    let is_fetched = |source: ModelSource| source.is_fetched().unwrap();
    assert!(is_fetched(ModelSource::named("resnet50")));
    assert!(!is_fetched(
        ModelSource::named("resnet50").with_file("mine.pth")
    ));
    assert!(!is_fetched(ModelSource::file("mine.pth")));
    assert!(ModelSource::named("resnet51").is_fetched().is_err());
}

/// Counts the parameters that are still lazy.
#[derive(Default)]
struct Lazy(usize);

impl<B: Backend> ModuleVisitor<B> for Lazy {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.0 += usize::from(!param.is_initialized());
    }
}

#[test]
fn loading_initializes_no_parameters() {
    let checkpoint = Checkpoint::open(fixture("checkpoints/good/zip.pth")).unwrap();
    let config = ResNetConfig::named("cifar_resnet8_b")
        .unwrap()
        .with_num_classes(3);
    let model: ResNet<Flex> = config.init(&Default::default());
    let load = Load::default().allow_other_classes();
    let (model, report) = load.apply(model, &checkpoint).unwrap();
    assert_eq!(report.fresh, ["fc.weight", "fc.bias"]);
    let mut lazy = Lazy::default();
    model.visit(&mut lazy);
    assert_eq!(lazy.0, 2);
}

/// A network of your own: a backbone with its classifier, and another head.
#[derive(Module, Debug)]
struct Detector<B: Backend> {
    backbone: ResNet<B>,
    boxes: Linear<B>,
}

impl<B: Backend> Network<B> for Detector<B> {
    fn each_norm(&mut self, each: &mut dyn FnMut(&mut Norm<B>)) {
        self.backbone.each_norm(each);
    }
}

fn detector(arch: Arch, boxes: usize) -> Detector<Flex> {
    let device = Default::default();
    let backbone = arch.config().with_num_classes(5).init(&device);
    let boxes = LinearConfig::new(8, boxes).init(&device);
    Detector { backbone, boxes }
}

#[test]
fn a_backbone_that_does_not_fit_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("detector.safetensors");
    save(&detector(Arch::CifarResNet20, 4), &path).unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    let load = Load::default().allow_other_classes();

    let (_, report) = load
        .apply(detector(Arch::CifarResNet20, 6), &checkpoint)
        .unwrap();
    assert_eq!(report.fresh, ["boxes.weight", "boxes.bias"]);
    // The keys are the same, but the tensors have three times as many channels.
    let mut wide = detector(Arch::CifarResNet20, 4);
    let config = Arch::CifarResNet20.config();
    let stages = config.stages.iter().cloned();
    let stages = stages.map(|mut stage| {
        stage.width *= 3;
        stage
    });
    let config = ResNetConfig {
        stages: stages.collect(),
        ..config
    };
    wide.backbone = config.with_num_classes(5).init(&Default::default());
    let error = load.apply(wide, &checkpoint).unwrap_err().to_string();
    assert!(
        error.contains("mismatched `backbone.layer1.0.conv1.weight`"),
        "{error}"
    );
}

#[test]
fn a_fused_backbone_is_not_saved() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = detector(Arch::CifarResNet20, 4);
    model.backbone = model.backbone.fuse();
    let error = save(&model, folder.path().join("fused.safetensors")).unwrap_err();
    assert!(error.to_string().contains("fuse"), "{error}");
}

#[test]
fn norms_of_burn_have_the_keys_of_pytorch() {
    #[derive(Module, Debug)]
    struct Decoder<B: Backend> {
        norm: burn::nn::BatchNorm<B>,
    }
    impl<B: Backend> Network<B> for Decoder<B> {
        fn each_norm(&mut self, _: &mut dyn FnMut(&mut Norm<B>)) {}
    }
    let norm = burn::nn::BatchNormConfig::new(4).init::<Flex>(&Default::default());
    let keys: Vec<String> = Decoder { norm }
        .state_shapes()
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(
        keys,
        [
            "norm.weight",
            "norm.bias",
            "norm.running_mean",
            "norm.running_var"
        ]
    );
    assert_eq!(LayerGroup::of_key(&keys[0]), LayerGroup::Head);
}
