//! Training of detectors and segmentation networks.

use std::convert::Infallible;
use std::fs;
use std::path::Path;

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use resnet_core::{Arch, Network, NormKind, NormMode};
use resnet_cpu::Cpu;
use resnet_data::class_maps::{ClassMapAugment, ClassMapDataset, ClassMapLoader};
use resnet_data::objects::{ObjectAugment, ObjectDataset, ObjectLoader};
use resnet_dense::ops::anchors::AnchorSpec;
use resnet_dense::{
    DetectorConfig, DetectorNetwork, RcnnConfig, Segmentation, SegmentationConfig, SegmentationHead,
};
use resnet_image::Preprocessing;
use resnet_testing::keyed;
use resnet_train::dense::{
    DenseEpoch, DenseFit, DenseObserver, DenseScores, DetectionTask, SegmentationTask,
};
use resnet_train::{
    Config, Decay, Ending, OptimizerConfig, Position, Schedule, Settings, StepReport, Trainer,
};

type B = Autodiff<Cpu>;

fn config() -> DetectorConfig {
    let mut config = RcnnConfig::faster_rcnn(Arch::TestResNet.config(), 7).with_masks();
    config.backbone.fpn.channels = 16;
    (config.representation_size, config.mask_channels) = (32, 8);
    config.transform.min_size = vec![96];
    for (anchors, size) in config.anchors.iter_mut().zip([16, 24, 32, 48, 64]) {
        *anchors = AnchorSpec {
            sizes: vec![size],
            ..anchors.clone()
        };
    }
    DetectorConfig::Rcnn(config)
}

fn fit<T>(task: T, batches: u64, epochs: u64) -> DenseFit<T> {
    DenseFit {
        task,
        schedule: Schedule {
            decay: Decay::Constant,
            warmup: 2,
            warmup_start: 0.1,
            end: 0.0,
            epoch: batches,
            total: batches * epochs,
        },
        learning_rate: 0.01,
        epochs,
        state: None,
        save_every: None,
        seed: 1,
    }
}

fn detection(images: usize) -> DetectionTask {
    let augment = ObjectAugment {
        flip: 0.5,
        ..ObjectAugment::default()
    };
    let train = ObjectLoader::training(ObjectDataset::scenes(images, 1), augment, &config());
    DetectionTask {
        train: train.unwrap().with_batch_size(2),
        valid: Some(ObjectDataset::scenes(2, 99)),
    }
}

/// Returns the trainer of a network with the same values in every call.
fn trainer() -> Trainer<B, DetectorNetwork<B>> {
    let network: DetectorNetwork<B> = config().init(&Default::default());
    let network = network.load_state(|key, shape| -> Result<_, Infallible> {
        Ok(Some(keyed::parameter(5, key, shape)))
    });
    let mut settings = Settings::new(OptimizerConfig::sgd(1e-4));
    settings.norms = NormMode::Frozen;
    Trainer::new(network.unwrap_or_else(|never| match never {}), settings)
}

fn state<N: Network<Cpu>>(network: &N) -> Vec<f32> {
    let mut values = Vec::new();
    let visited: Result<(), ()> = network.visit_state(|_, data| {
        values.extend(data.iter::<f32>());
        Ok(())
    });
    visited.unwrap();
    values
}

/// Stops after a number of steps, and keeps the losses.
#[derive(Default)]
struct Watch {
    losses: Vec<f64>,
    scores: Vec<DenseScores>,
    stop_after: Option<u64>,
    step: u64,
}

impl<N> DenseObserver<Cpu, N> for Watch {
    fn steps(&mut self, report: &StepReport) {
        self.losses.push(report.loss);
        self.step = report.step;
    }

    fn epoch(&mut self, report: &DenseEpoch, _network: &N) -> Result<(), String> {
        self.scores.extend(report.valid.clone());
        Ok(())
    }

    fn stop(&mut self) -> bool {
        self.step += 1;
        self.stop_after == Some(self.step)
    }
}

/// Trains until the run ends or `watch` stops it, and returns the values of the network.
fn run(
    fit: &DenseFit<DetectionTask>,
    (mut trainer, mut position): (Trainer<B, DetectorNetwork<B>>, Position),
    watch: &mut Watch,
) -> (Ending, Vec<f32>) {
    let ending = fit.run(&mut trainer, &mut position, &Default::default(), watch);
    (ending.unwrap(), state(&trainer.model().valid()))
}

#[test]
fn a_resumed_detector_ends_with_the_same_bits() {
    let whole = fit(detection(8), 4, 2);
    let mut watch = Watch::default();
    let trained = run(&whole, (trainer(), Position::default()), &mut watch);
    assert_eq!(watch.scores.len(), 2);
    assert!(watch.losses.iter().all(|loss| loss.is_finite()));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.checkpoint");
    let mut parts = fit(detection(8), 4, 2);
    parts.state = Some(path.clone());
    let mut watch = Watch {
        stop_after: Some(3),
        ..Watch::default()
    };
    let (ending, _) = run(&parts, (trainer(), Position::default()), &mut watch);
    assert_eq!(ending, Ending::Stopped);
    let resumed = parts.resume(trainer(), &path).unwrap();
    let resumed = run(&parts, resumed, &mut Watch::default());
    assert!(trained == resumed, "the values differ");
    assert_eq!(resumed.0, Ending::Done);
    let other = fit(detection(6), 3, 2);
    assert!(other.resume(trainer(), &path).is_err());
}

#[test]
fn a_segmentation_network_learns() {
    let device = Default::default();
    let mut config = SegmentationConfig::new(SegmentationHead::Fcn, Arch::TestResNet.config());
    config.num_classes = 7;
    let network: Segmentation<B> = config.init(&device);
    let augment = ClassMapAugment {
        size: 96,
        scale: [0.8, 1.2],
        crop: 64,
        ..ClassMapAugment::default()
    };
    let maps =
        |count, seed| ClassMapDataset::of_objects(&ObjectDataset::scenes(count, seed)).unwrap();
    let train = ClassMapLoader::training(maps(24, 1), augment).unwrap();
    let task = SegmentationTask {
        train: train.with_batch_size(4),
        valid: Some(maps(3, 99)),
        preprocessing: Preprocessing {
            resize: Some(96),
            crop: None,
            ..Preprocessing::imagenet()
        },
    };
    let mut trainer = Trainer::new(network, Settings::new(OptimizerConfig::sgd(1e-4)));
    let mut watch = Watch::default();
    let fit = DenseFit {
        learning_rate: 0.05,
        ..fit(task, 6, 4)
    };
    fit.run(&mut trainer, &mut Position::default(), &device, &mut watch)
        .unwrap();
    let [first, .., last] = watch.losses[..] else {
        panic!("{:?}", watch.losses);
    };
    assert!(last < 0.8 * first, "{:?}", watch.losses);
    assert_eq!(watch.scores.len(), 4);
}

#[test]
fn pyramid_pooling_needs_two_images() {
    let mut config =
        SegmentationConfig::new(SegmentationHead::DeepLabV3, Arch::TestResNet.config());
    config.num_classes = 7;
    for (head, norms, least) in [
        (SegmentationHead::DeepLabV3, NormMode::Train, 2),
        (SegmentationHead::DeepLabV3Plus, NormMode::Train, 2),
        (SegmentationHead::DeepLabV3, NormMode::Eval, 1),
        (SegmentationHead::Fcn, NormMode::Train, 1),
    ] {
        config.head = head;
        assert_eq!(SegmentationTask::least_images(&config, norms, 64), least);
    }
    config.head = SegmentationHead::DeepLabV3;
    let maps = ClassMapDataset::of_objects(&ObjectDataset::scenes(1, 1)).unwrap();
    let augment = ClassMapAugment {
        crop: 64,
        ..ClassMapAugment::default()
    };
    let task = SegmentationTask {
        train: ClassMapLoader::training(maps, augment).unwrap(),
        valid: None,
        preprocessing: Preprocessing::imagenet(),
    };
    let device = Default::default();
    let network: Segmentation<B> = config.init(&device);
    let mut trainer = Trainer::new(network, Settings::new(OptimizerConfig::sgd(1e-4)));
    let before = state(&trainer.model().valid());
    let ended = fit(task, 1, 1).run(&mut trainer, &mut Position::default(), &device, &mut ());
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("2 readable images or more"), "{error}");
    assert!(state(&trainer.model().valid()) == before);
}

/// A step on images without objects moves every parameter's momentum, so the state can be resumed.
#[test]
fn images_without_objects_train_and_resume() {
    let device = Default::default();
    let folder = tempfile::tempdir().unwrap();
    save_image(&folder.path().join("images/a.png"));
    let file = folder.path().join("labels.json");
    let data = serde_json::json!({
        "images": [{"id": 1, "file_name": "a.png", "width": 96, "height": 96}],
        "categories": (1..=7).map(|id| serde_json::json!({"id": id, "name": format!("class {id}")}))
            .collect::<Vec<_>>(),
        "annotations": [],
    });
    fs::write(&file, data.to_string()).unwrap();
    let empty = ObjectDataset::coco(&file, folder.path().join("images")).unwrap();
    let loader = || {
        let loader = ObjectLoader::training(empty.clone(), ObjectAugment::default(), &config());
        loader.unwrap().with_batch_size(1)
    };
    let mut run = fit(
        DetectionTask {
            train: loader(),
            valid: None,
        },
        1,
        2,
    );
    run.state = Some(folder.path().join("last.checkpoint"));
    let mut trained = trainer();
    let mut watch = Watch {
        stop_after: Some(2),
        ..Watch::default()
    };
    let mut position = Position::default();
    run.run(&mut trained, &mut position, &device, &mut watch)
        .unwrap();
    let path = folder.path().join("last.checkpoint");
    let (mut resumed, mut position) = run.resume(trainer(), &path).unwrap();
    run.run(&mut resumed, &mut position, &device, &mut ())
        .unwrap();
    assert_eq!(position.epoch, 2);
}

#[test]
fn only_pretrained_norms_of_the_first_versions_are_frozen() {
    let norm = |arch: &str, body: Option<&str>, backbone: Option<&str>| {
        let config = Config {
            arch: Some(arch.into()),
            body: body.map(String::from),
            backbone: backbone.map(String::from),
            ..Config::default()
        };
        config.dense_network().unwrap().body().norm
    };
    let weights = Some("resnet18.a1_in1k");
    for (version, pretrained) in [("", NormKind::Frozen), ("_v2", NormKind::Batch)] {
        for arch in ["fasterrcnn_resnet50_fpn", "retinanet_resnet50_fpn"] {
            let arch = format!("{arch}{version}");
            assert_eq!(norm(&arch, None, None), NormKind::Batch);
            assert_eq!(norm(&arch, None, Some("resnet50.a1_in1k")), pretrained);
            assert_eq!(norm(&arch, Some("resnet18"), None), NormKind::Batch);
            assert_eq!(norm(&arch, Some("resnet18"), weights), pretrained);
        }
    }
}

fn save_image(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::RgbImage::new(96, 96).save(path).unwrap();
}
