//! `detect` and `segment`, with small networks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use burn::backend::Flex;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, backend::Backend};
use image::{GenericImageView, RgbImage};
use resnet_core::Arch;
use resnet_data::objects::{ImageObject, ObjectDataset};
use resnet_dense::ops::boxes::iou;
use resnet_dense::{
    DenseConfig, DetectorConfig, RcnnConfig, RetinaNetConfig, Segmentation, SegmentationConfig,
    SegmentationHead,
};
use resnet_image::Preprocessing;
use resnet_infer::{
    DetectedObject, Detector, ImageDetections, ImageFailure, ImageSegmentation, ModelSource,
    Segmenter,
};
use resnet_testing::keyed;
use resnet_weights::{Labels, Overrides, Save};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

use crate::{fixture, image, run, stderr, stdout};

/// A small Mask R-CNN with three classes.
pub(crate) fn mask_rcnn() -> RcnnConfig {
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

pub(crate) const SET: [&str; 4] = ["--set", "min_size=96", "--set", "max_size=128"];

/// Opens a network with the options of [`SET`] and a minimum score of 0.1.
pub(crate) fn open_detector(weights: &str) -> Detector<Flex> {
    let overrides = Overrides::default()
        .set("min_size=96")
        .unwrap()
        .set("max_size=128")
        .unwrap();
    let source = ModelSource::file(weights).with_overrides(overrides);
    let detector = Detector::from_source(source, &Default::default());
    detector.unwrap().with_score(0.1)
}

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
    let detector = open_detector(&weights);
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

/// Returns the sample scene, the first one of this seed with four kinds of shapes. UPDATE_EXPECT
/// writes its image.
fn sample_scene() -> (String, Vec<ImageObject>) {
    let scenes = ObjectDataset::scenes(100, 7);
    let (drawn, objects) = scenes
        .images()
        .iter()
        .map(|scene| scene.load().unwrap())
        .find(|(_, objects)| {
            let classes: BTreeSet<usize> = objects.iter().map(|object| object.class).collect();
            classes.len() == 4
        })
        .unwrap();
    let path = fixture("resnet-infer/sample/scene.png");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        drawn.save(&path).unwrap();
    }
    assert_eq!(image::open(&path).unwrap().into_rgb8(), drawn);
    (path.to_str().unwrap().into(), objects)
}

#[test]
fn the_embedded_networks_find_the_shapes_of_a_scene() {
    let (scene, objects) = sample_scene();
    let names = ObjectDataset::scenes(1, 1).classes().to_vec();
    let classes: BTreeSet<&str> = objects
        .iter()
        .map(|object| names[object.class].as_str())
        .collect();
    let args = ["--json", "--offline", "--backend", "cpu"];
    let detect = [
        "detect",
        &scene,
        "--model",
        "maskrcnn_scenes",
        "--score",
        "0.8",
    ];
    let line = json_lines(&stdout(&run(detect.iter().chain(&args)).success())).remove(0);
    let found: ImageDetections = serde_json::from_value(line).unwrap();
    let labels: BTreeSet<&str> = found.objects.iter().map(|object| &*object.label).collect();
    assert_eq!(labels, classes);
    assert_eq!(found.objects.len(), objects.len());
    for object in &objects {
        let same = |found: &&DetectedObject| names[object.class] == found.label;
        let found = found.objects.iter().find(same).unwrap();
        assert!(iou(object.corners, found.bounds) > 0.7, "{found:?}");
    }
    let segment = ["segment", &scene, "--model", "deeplabv3_plus_scenes"];
    let line = json_lines(&stdout(&run(segment.iter().chain(&args)).success())).remove(0);
    let found: Vec<&str> = line["classes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|class| class["share"].as_f64() > Some(0.01))
        .map(|class| class["label"].as_str().unwrap())
        .collect();
    assert_eq!(found[0], "background");
    assert_eq!(BTreeSet::from_iter(found[1..].iter().copied()), classes);
}

#[test]
fn inspect_describes_detectors_and_segmentation_networks() {
    let folder = tempfile::tempdir().unwrap();
    let body = Arch::TestResNet.config();
    let networks: [(DenseConfig, &str); 2] = [
        (mask_rcnn().into(), "detector (no name)\nclasses       3\n"),
        (
            SegmentationConfig::new(SegmentationHead::DeepLabV3Plus, body).into(),
            "segmentation network (no name)\nclasses       21\n",
        ),
    ];
    for (config, expected) in networks {
        let weights = save_network(folder.path(), "network.safetensors", config);
        let bytes = std::fs::read(&weights).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let floats = tensors.tensors().into_iter();
        let floats = floats.filter(|(_, tensor)| tensor.dtype() == Dtype::F32);
        let sizes: Vec<usize> = floats.map(|(_, tensor)| tensor.data().len() / 4).collect();
        let found = stdout(&run(["inspect", &weights]).success());
        let line = format!(
            "{} tensors, {} elements\n",
            sizes.len(),
            sizes.iter().sum::<usize>()
        );
        assert!(found.contains(&line), "{found}");
        let end = format!("architecture  a custom {expected}in channels   3\n");
        assert!(found.ends_with(&end), "{found}");
        assert!(!found.contains("ignores"), "{found}");
    }
}

#[test]
fn detectors_are_converted_with_their_options() {
    let folder = tempfile::tempdir().unwrap();
    let weights = save_network(folder.path(), "small.safetensors", mask_rcnn());
    let half = folder.path().join("half.safetensors");
    let half = half.to_str().unwrap();
    let set = ["--set", "box_nms_thresh=0.3", "--dtype", "f16"];
    run(["weights", "convert", &weights, half].iter().chain(&set)).success();
    let open = |file: &str| ModelSource::file(file).resolve_dense().unwrap();
    let (before, after) = (open(&weights), open(half));
    let DenseConfig::Detection(DetectorConfig::Rcnn(config)) = &after.config else {
        panic!("{:?}", after.config);
    };
    assert_eq!(config.box_nms_thresh, 0.3);
    let sizes = [before, after].map(|of| std::fs::metadata(of.file.unwrap()).unwrap().len());
    assert!(sizes[1] < sizes[0] * 6 / 10, "{sizes:?}");
}

/// Multiplies every parameter.
struct Scale;

impl<B: Backend> ModuleMapper<B> for Scale {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        parameter.map(|values| values * 1e20)
    }
}

#[test]
fn a_network_that_overflows_is_an_error_not_an_empty_result() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge.safetensors");
    let network = mask_rcnn().init::<Flex>(&Default::default());
    let network = keyed::fill(network, 7).map(&mut Scale);
    Save::default().safetensors(&network, &path).unwrap();
    let photo = image("tiny_33x20.png");
    let args = ["detect", &photo, "--weights", path.to_str().unwrap()];
    let output = run(args.iter().chain(&SET).chain(&["--backend", "cpu"])).code(1);
    let message = stdout(&output);
    assert!(message.contains("infinities or NaN"), "{message}");
}

/// Replaces the parameters of one shape with NaN.
struct Damage(&'static [usize]);

impl<B: Backend> ModuleMapper<B> for Damage {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        match parameter.dims() == self.0 {
            true => parameter.map(|values| values * f32::NAN),
            false => parameter,
        }
    }
}

#[test]
fn a_damaged_head_is_an_error_not_an_empty_result() {
    let device = Default::default();
    let photo = RgbImage::new(40, 40);
    // The predictor of masks, and the convolution that predicts boxes.
    let mut masks = mask_rcnn();
    masks.box_score_thresh = 0.0;
    let mut retinanet = RetinaNetConfig::new(Arch::TestResNet.config(), 3);
    retinanet.backbone.fpn.channels = 16;
    let cases: [(DetectorConfig, &[usize]); 2] = [
        (DetectorConfig::Rcnn(masks), &[3, 256, 1, 1]),
        (DetectorConfig::RetinaNet(retinanet), &[36, 16, 3, 3]),
    ];
    for (mut config, shape) in cases {
        config.transform_mut().min_size = vec![96];
        let network = keyed::fill(config.init::<Flex>(&device), 7).map(&mut Damage(shape));
        let detector = Detector::new(network, config, Labels::numbered(3), &device).unwrap();
        let detector = detector.with_score(0.0);
        let error = detector.detect_one(photo.clone()).unwrap_err();
        assert!(matches!(error.source, ImageFailure::NonFinite), "{error}");
    }
}

#[test]
fn a_segmenter_with_other_channels_than_its_preprocessing_is_an_error() {
    let device = Default::default();
    let body = Arch::TestResNet.config().with_in_channels(1);
    let network = SegmentationConfig::new(SegmentationHead::Fcn, body).init::<Flex>(&device);
    let segmenter = Segmenter::new(network, Labels::numbered(21), &device);
    let error = segmenter.segment_one(RgbImage::new(20, 20)).unwrap_err();
    assert!(matches!(error.source, ImageFailure::Mismatch(_)), "{error}");
}

#[test]
fn forward_writes_every_output_of_an_image_without_detections() {
    let folder = tempfile::tempdir().unwrap();
    let weights = save_network(folder.path(), "small.safetensors", mask_rcnn());
    let [input, output] =
        ["in.safetensors", "out.safetensors"].map(|name| folder.path().join(name));
    let values = vec![0_u8; 4 * 3 * 20 * 30];
    let image = TensorView::new(Dtype::F32, vec![3, 20, 30], &values).unwrap();
    safetensors::serialize_to_file([("input_0", image)], None, &input).unwrap();
    let paths = [&input, &output].map(|path| path.to_str().unwrap());
    let args = [
        "forward",
        "--weights",
        &weights,
        "--input",
        paths[0],
        "--output",
        paths[1],
    ];
    let set = ["--set", "box_score_thresh=1", "--backend", "cpu"];
    run(args.iter().chain(&SET).chain(&set)).success();
    let file = std::fs::read(&output).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let shape = |key: &str| tensors.tensor(key).unwrap().shape().to_vec();
    assert_eq!(shape("boxes_0"), [0, 4]);
    assert_eq!(shape("masks_0"), [0, 1, 20, 30]);

    let huge = ["--set", "min_size=20000", "--set", "max_size=30000"];
    let failed = run(args.iter().chain(&huge).chain(&["--backend", "cpu"])).code(2);
    let message = stderr(&failed);
    assert!(message.contains("--memory-limit"), "{message}");
}

#[test]
fn outputs_replace_neither_images_nor_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = SegmentationConfig::new(SegmentationHead::Fcn, Arch::TestResNet.config());
    config.num_classes = 4;
    let weights = save_network(folder.path(), "small.safetensors", config);
    // The drawing of `a/photo.jpg` would be `b/photo.png`.
    let [first, second] = ["a/photo.jpg", "b/photo.png"].map(|name| folder.path().join(name));
    for path in [&first, &second] {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::RgbImage::new(20, 20).save(path).unwrap();
    }
    let refused = |args: &[&str], expected: &str| {
        let first = first.to_str().unwrap();
        let second = second.to_str().unwrap();
        let inputs = ["segment", first, second, "--weights", &weights];
        let output = run(inputs.iter().chain(args).chain(&["--backend", "cpu"])).code(2);
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    };
    let out = folder.path().join("b");
    let out = out.to_str().unwrap();
    refused(&["--draw", out], "would replace an image");
    let new = folder.path().join("new");
    let new = new.to_str().unwrap();
    refused(
        &["--draw", new, "--masks", new],
        "two folders for --draw and --masks",
    );
    assert!(!Path::new(new).exists());
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
