//! `detect` and `segment`, with small networks.

use std::path::{Path, PathBuf};

use burn::backend::Flex;
use image::GenericImageView;
use resnet_core::Arch;
use resnet_dense::{DenseConfig, RcnnConfig, Segmentation, SegmentationConfig, SegmentationHead};
use resnet_image::Preprocessing;
use resnet_infer::{Detector, ImageDetections, ImageSegmentation, ModelSource, Segmenter};
use resnet_testing::keyed;
use resnet_weights::{Overrides, Save};
use serde_json::Value;

use crate::{image, run, stderr, stdout};

/// A small Mask R-CNN with three classes.
fn mask_rcnn() -> RcnnConfig {
    let mut config = RcnnConfig::faster_rcnn(Arch::TestResNet.config(), 3).with_masks();
    config.backbone.fpn.channels = 16;
    config
}

fn save_network(folder: &Path, name: &str, config: impl Into<DenseConfig>) -> String {
    let path = folder.join(name);
    let device = Default::default();
    match config.into() {
        DenseConfig::Detection(config) => {
            let network = keyed::fill(config.init::<Flex>(&device), 7);
            Save::default().safetensors(&network, &path).unwrap();
        }
        DenseConfig::Segmentation(config) => {
            let network = keyed::fill(config.init::<Flex>(&device), 7);
            Save::default().safetensors(&network, &path).unwrap();
        }
    }
    path.to_str().unwrap().to_string()
}

const SET: [&str; 4] = ["--set", "min_size=96", "--set", "max_size=128"];

fn json_lines(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn detect_prints_what_the_library_finds() {
    let folder = tempfile::tempdir().unwrap();
    let weights = save_network(folder.path(), "small.safetensors", mask_rcnn());
    let photo = image("tiny_33x20.png");
    let overrides = Overrides::default()
        .set("min_size=96")
        .unwrap()
        .set("max_size=128")
        .unwrap();
    let source = ModelSource::file(&weights).with_overrides(overrides);
    let device = Default::default();
    let detector: Detector<Flex> = Detector::from_source(source, &device)
        .unwrap()
        .with_score(0.1);
    let expected = detector.detect_one(&*photo).unwrap();
    assert!(!expected.objects.is_empty());
    assert!(expected.objects.iter().all(|object| object.mask.is_some()));

    let drawings = folder.path().join("drawings");
    let command = |format: &[&str]| {
        let args = ["detect", &photo, "--weights", &weights, "--score", "0.1"];
        let draw = ["--backend", "flex", "--draw", drawings.to_str().unwrap()];
        run(args.iter().chain(&SET).chain(&draw).chain(format)).success()
    };
    let line = json_lines(&stdout(&command(&["--json"]))).remove(0);
    assert_eq!(line["path"], photo.as_str());
    let found: ImageDetections = serde_json::from_value(line).unwrap();
    assert_eq!(found, expected);

    let coco: Vec<Value> = serde_json::from_str(&stdout(&command(&["--coco"]))).unwrap();
    assert_eq!(coco.len(), expected.objects.len());
    assert_eq!(coco[0]["category_id"], expected.objects[0].class);
    assert_eq!(coco[0]["segmentation"]["size"], serde_json::json!([20, 33]));
    let csv = stdout(&command(&["--csv"]));
    assert_eq!(csv.lines().count(), 1 + expected.objects.len());
    let table = stdout(&command(&[]));
    assert_eq!(table.lines().count(), expected.objects.len());

    let drawing = image::open(drawings.join("tiny_33x20.png")).unwrap();
    assert_eq!(drawing.dimensions(), (33 * 16, 20 * 16));
}

#[test]
fn segment_prints_and_saves_the_class_of_each_pixel() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = SegmentationConfig::new(SegmentationHead::Fcn, Arch::TestResNet.config());
    config.num_classes = 4;
    let weights = save_network(folder.path(), "small.safetensors", config);
    let photo = image("tiny_33x20.png");
    let device = Default::default();
    let segmenter: Segmenter<Flex> = Segmenter::open(&weights, &device).unwrap();
    let preprocessing = resnet_image::Preprocessing {
        resize: Some(64),
        ..*segmenter.preprocessing()
    };
    let expected = segmenter
        .with_preprocessing(preprocessing)
        .segment_one(&*photo)
        .unwrap();
    assert_eq!(expected.pixels.len(), 33 * 20);

    let [masks, drawings] = ["masks", "drawings"].map(|name| folder.path().join(name));
    let args = [
        "segment",
        &photo,
        "--weights",
        &weights,
        "--resize",
        "64",
        "--json",
    ];
    let out = [
        "--masks",
        masks.to_str().unwrap(),
        "--draw",
        drawings.to_str().unwrap(),
    ];
    let output = stdout(&run(args.iter().chain(&out).chain(&["--backend", "flex"])).success());
    let found: ImageSegmentation = serde_json::from_str(&output).unwrap();
    assert_eq!(found.classes, expected.classes);
    assert_eq!(
        found
            .classes
            .iter()
            .map(|class| class.pixels)
            .sum::<usize>(),
        33 * 20
    );

    let decoder = png::Decoder::new(std::io::BufReader::new(
        std::fs::File::open(masks.join("tiny_33x20.png")).unwrap(),
    ));
    let mut reader = decoder.read_info().unwrap();
    assert_eq!(reader.info().color_type, png::ColorType::Indexed);
    let palette = reader.info().palette.as_ref().unwrap();
    assert_eq!(palette[..12], [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]);
    let mut indices = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut indices).unwrap();
    let classes: Vec<u16> = indices.iter().map(|index| u16::from(*index)).collect();
    assert_eq!(classes, expected.pixels);
    assert!(
        image::open(drawings.join("tiny_33x20.png"))
            .unwrap()
            .height()
            > 20 * 16
    );
}

#[test]
fn each_task_names_the_command_for_another_task() {
    let folder = tempfile::tempdir().unwrap();
    let detector = save_network(folder.path(), "detector.safetensors", mask_rcnn());
    let config = SegmentationConfig::new(SegmentationHead::DeepLabV3, Arch::TestResNet.config());
    let segmenter = save_network(folder.path(), "segmenter.safetensors", config);
    let photo = image("tiny_33x20.png");
    let message = |command: &str, weights: &str| {
        let assert = run([command, &photo, "--weights", weights]).code(2);
        assert_eq!(stdout(&assert), "");
        stderr(&assert)
    };
    assert!(message("classify", &detector).contains("a detector; run `resnet-infer detect`"));
    let text = message("classify", &segmenter);
    assert!(
        text.contains("a segmentation network; run `resnet-infer segment`"),
        "{text}"
    );
    assert!(message("segment", &detector).contains("expected a segmentation network"));
    assert!(message("detect", &segmenter).contains("expected a detection network"));
    let classifier = crate::checkpoint("good/legacy.pth");
    let text = message("detect", &classifier);
    assert!(
        text.contains("no detector or segmentation network has these keys"),
        "{text}"
    );
    let assert = run(["classify", &photo, "--model", "fasterrcnn_resnet50_fpn"]).code(2);
    assert!(stderr(&assert).contains("run `resnet-infer detect`"));
    let assert = run(["detect", &photo, "--model", "resnet50"]).code(2);
    assert!(stderr(&assert).contains("unknown weights `resnet50`"));
}

#[test]
fn bad_images_and_options_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let weights = save_network(folder.path(), "small.safetensors", mask_rcnn());
    let text = folder.path().join("text.png");
    std::fs::write(&text, "no image").unwrap();
    let line = folder.path().join("line.png");
    image::RgbImage::new(1, 500).save(&line).unwrap();
    let paths: [&PathBuf; 2] = [&text, &line];
    let [text, line] = paths.map(|path| path.to_str().unwrap());
    let args = ["detect", text, line, "--weights", &weights, "--json"];
    let assert = run(args.iter().chain(&SET)).code(1);
    let lines = json_lines(&stdout(&assert));
    assert!(lines[0]["error"].is_string());
    assert_eq!(lines[1]["height"], 500);
    for (option, message) in [
        ("box_score_tresh=0.1", "expected an option"),
        ("box_score_thresh=high", "`box_score_thresh`: expected"),
        ("min_size=0", "expected 1 or more"),
        ("image_std=1,0,1", "above 0 for `image_std`"),
        ("image_mean=1,0", "expected 3 values"),
    ] {
        let args = ["detect", line, "--weights", &weights, "--set", option];
        let assert = run(args).code(2);
        assert!(
            stderr(&assert).contains(message),
            "{option}: {}",
            stderr(&assert)
        );
    }
    let args = ["detect", line, "--weights", &weights, "--dtype", "f16"];
    assert!(stderr(&run(args).code(2)).contains("expected f32"));
}

#[test]
fn a_saved_segmentation_network_keeps_its_preprocessing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.safetensors");
    let device = Default::default();
    let config = SegmentationConfig::new(SegmentationHead::Fcn, Arch::TestResNet.config());
    let network: Segmentation<Flex> = config.init(&device);
    let preprocessing = Preprocessing {
        resize: Some(96),
        crop: None,
        ..Preprocessing::imagenet()
    };
    let save = Save::default().with_preprocessing(preprocessing);
    save.safetensors(&network, &path).unwrap();
    let segmenter: Segmenter<Flex> = Segmenter::open(&path, &device).unwrap();
    assert_eq!(*segmenter.preprocessing(), preprocessing);
}
