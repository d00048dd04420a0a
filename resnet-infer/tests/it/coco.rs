//! Ids, keypoints and masks in COCO's format, with small networks.

use std::fs;
use std::path::Path;

use burn::backend::Flex;
use image::RgbImage;
use resnet_core::Arch;
use resnet_dense::ops::rle::Rle;
use resnet_dense::{DetectorConfig, RcnnConfig, SegmentationConfig, SegmentationHead};
use resnet_image::Preprocessing;
use resnet_infer::{
    CategoryIds, DetectedKeypoint, DetectedObject, Detector, ImageDetections, KeypointNames,
    Labels, Segmenter,
};
use resnet_testing::keyed;
use resnet_weights::{Checkpoint, Save};
use serde_json::{Value, json};

use crate::dense::{SET, mask_rcnn, open_detector};
use crate::{image, run, stderr, stdout};

/// Saves a Mask R-CNN whose classes 1 and 2 have the category ids 30 and 7. Returns the path.
fn save_detector(folder: &Path) -> String {
    let path = folder.join("small.safetensors");
    let network = keyed::fill(mask_rcnn().init::<Flex>(&Default::default()), 7);
    let ids: CategoryIds = [None, Some(30), Some(7)].into_iter().collect();
    let save = Save::default().with_category_ids(ids);
    save.safetensors(&network, &path).unwrap();
    path.to_str().unwrap().into()
}

/// Returns the results of `detect --coco`, and the messages.
fn detect(weights: &str, images: &[&str]) -> (Vec<Value>, String) {
    let args = ["detect", "--weights", weights, "--score", "0.1", "--coco"];
    let args = args.iter().chain(&["--backend", "flex"]).chain(&SET);
    let assert = run(args.chain(images)).success();
    let results = serde_json::from_str(&stdout(&assert)).unwrap();
    (results, stderr(&assert))
}

#[test]
fn results_have_the_category_ids_of_the_weights() {
    let folder = tempfile::tempdir().unwrap();
    let weights = save_detector(folder.path());
    let photo = image("tiny_33x20.png");
    let detector = open_detector(&weights);
    assert_eq!(detector.category_ids().unwrap().get(1), Some(30));
    let found = detector.detect_one(&*photo).unwrap();
    let expected: Vec<u64> = found
        .objects
        .iter()
        .map(|object| [0, 30, 7][object.class])
        .collect();
    let (results, _) = detect(&weights, &[&photo]);
    let ids: Vec<u64> = results
        .iter()
        .map(|result| result["category_id"].as_u64().unwrap())
        .collect();
    assert!(!ids.is_empty());
    assert_eq!(ids, expected);

    // The detections become the ground truth. The names of its categories are no labels.
    let annotation = |(number, result): (usize, &Value)| {
        let side = |i: usize| result["bbox"][i].as_f64().unwrap();
        json!({
            "id": number + 1,
            "image_id": 1,
            "category_id": result["category_id"],
            "bbox": result["bbox"],
            "area": side(2) * side(3),
            "iscrowd": 0,
            "segmentation": result["segmentation"],
        })
    };
    let annotations: Vec<Value> = results.iter().enumerate().map(annotation).collect();
    let truth = json!({
        "images": [{"id": 1, "file_name": "tiny_33x20.png", "width": 33, "height": 20}],
        "categories": [{"id": 7, "name": "car"}, {"id": 30, "name": "bus"}],
        "annotations": annotations,
    });
    let file = folder.path().join("truth.json");
    fs::write(&file, truth.to_string()).unwrap();
    let images = Path::new(&photo).parent().unwrap().to_str().unwrap();
    let args = ["evaluate", images, "--annotations", file.to_str().unwrap()];
    let network = ["--weights", &weights, "--json", "--backend", "flex"];
    let assert = run(args.iter().chain(&network).chain(&SET)).success();
    let report: Value = serde_json::from_str(&stdout(&assert)).unwrap();
    let ap = &report["metrics"][0]["numbers"][0];
    assert_eq!(ap["name"], "AP");
    assert!(ap["value"].as_f64().unwrap() > 0.99, "{report}");
    let message = stderr(&assert);
    assert!(message.contains("the ids of categories"), "{message}");
}

#[test]
fn image_ids_are_positions_unless_every_name_is_a_number() {
    let folder = tempfile::tempdir().unwrap();
    let weights = save_detector(folder.path());
    let copy = |name: &str| {
        let path = folder.path().join(name);
        fs::copy(image("tiny_33x20.png"), &path).unwrap();
        path.to_str().unwrap().to_string()
    };
    let [two, five, cat] = ["2.png", "5.png", "cat.png"].map(copy);
    let ids = |results: &[Value]| {
        let ids = results.iter().map(|result| {
            let name = result["file_name"].as_str().unwrap();
            (result["image_id"].as_u64().unwrap(), name.to_string())
        });
        let mut ids: Vec<(u64, String)> = ids.collect();
        ids.dedup();
        ids
    };
    let (results, message) = detect(&weights, &[&five, &two]);
    let expected = [(5, "5.png".into()), (2, "2.png".into())];
    assert_eq!(ids(&results), expected);
    assert!(!message.contains("image ids"), "{message}");
    let (results, message) = detect(&weights, &[&two, &cat]);
    let expected = [(1, "2.png".into()), (2, "cat.png".into())];
    assert_eq!(ids(&results), expected);
    assert!(message.contains("image ids are the positions"), "{message}");
}

/// Returns a small Keypoint R-CNN. Its boxes are the boxes of [`mask_rcnn`].
fn keypoint_rcnn(keypoints: usize) -> RcnnConfig {
    let config = RcnnConfig::faster_rcnn(Arch::TestResNet.config(), 3);
    let mut config = config.with_keypoints(keypoints);
    config.backbone.fpn.channels = 16;
    config.keypoint_channels = 8;
    config.transform.min_size = vec![96];
    config.transform.max_size = 128;
    config
}

#[test]
fn keypoints_have_the_names_and_the_skeleton_of_the_weights() {
    let device = Default::default();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keypoints.safetensors");
    let network = keyed::fill(keypoint_rcnn(3).init::<Flex>(&device), 7);
    let keypoints = KeypointNames {
        names: ["tip", "hinge", "foot"].map(String::from).into(),
        skeleton: vec![[0, 2], [2, 1]],
    };
    let save = Save::default()
        .with_dense_config(keypoint_rcnn(3))
        .with_keypoints(keypoints.clone());
    save.safetensors(&network, &path).unwrap();
    let detector: Detector<Flex> = Detector::open(&path, &device).unwrap().with_score(0.1);
    assert_eq!(detector.keypoints(), &keypoints);

    let photo = image("tiny_33x20.png");
    let weights = path.to_str().unwrap();
    let args = ["detect", &photo, "--weights", weights, "--score", "0.1"];
    let format = ["--json", "--backend", "flex"];
    let output = stdout(&run(args.iter().chain(&format)).success());
    let found: ImageDetections = serde_json::from_str(&output).unwrap();
    assert_eq!(found, detector.detect_one(&*photo).unwrap());
    assert_eq!(found.skeleton, keypoints.skeleton);
    assert!(!found.objects.is_empty());
    for object in &found.objects {
        let points = object.keypoints.iter().flatten();
        let names: Vec<&str> = points.map(|point| &*point.name).collect();
        assert_eq!(names, ["tip", "hinge", "foot"]);
    }

    let half = folder.path().join("half.safetensors");
    let convert = ["weights", "convert", weights, half.to_str().unwrap()];
    run(convert.iter().chain(&["--dtype", "f16"])).success();
    let checkpoint = Checkpoint::open(&half).unwrap();
    assert_eq!(checkpoint.keypoints(), Some(&keypoints));
}

#[test]
fn keypoints_without_names_are_persons_if_there_are_17() {
    let device = Default::default();
    let assumed = |count: usize| {
        let config = DetectorConfig::Rcnn(keypoint_rcnn(count));
        let network = config.init::<Flex>(&device);
        let detector = Detector::new(network, config, Labels::numbered(3), &device).unwrap();
        detector.keypoints().clone()
    };
    let person = assumed(17);
    assert_eq!((person.names.len(), person.skeleton.len()), (17, 16));
    assert_eq!(person.names[0], "nose");
    let other = assumed(2);
    assert_eq!(other.names, ["0", "1"]);
    assert!(other.skeleton.is_empty());
}

#[test]
fn drawings_connect_keypoints_by_the_skeleton() {
    let point = |x: f32| DetectedKeypoint {
        name: "tip".into(),
        x,
        y: 30.0,
        score: 1.0,
    };
    let object = DetectedObject {
        class: 0,
        label: "bird".into(),
        score: 1.0,
        bounds: [5.0, 5.0, 55.0, 55.0],
        mask: None,
        keypoints: Some(vec![point(10.0), point(50.0)]),
    };
    let mut found = ImageDetections {
        width: 60,
        height: 60,
        objects: vec![object],
        skeleton: vec![[0, 1]],
    };
    let image = RgbImage::new(60, 60);
    let connected = found.draw(&image);
    found.skeleton.clear();
    assert!(connected != found.draw(&image), "no line is drawn");
}

#[test]
fn segment_prints_the_pixels_of_each_class_but_the_background() {
    let device = Default::default();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.safetensors");
    let mut config = SegmentationConfig::new(SegmentationHead::Fcn, Arch::TestResNet.config());
    config.num_classes = 4;
    let network = keyed::fill(config.init::<Flex>(&device), 7);
    let ids: CategoryIds = (10..14).map(Some).collect();
    let save = Save::default().with_category_ids(ids);
    save.safetensors(&network, &path).unwrap();
    let photo = image("tiny_33x20.png");
    let segmenter: Segmenter<Flex> = Segmenter::open(&path, &device).unwrap();
    let preprocessing = Preprocessing {
        resize: Some(64),
        ..*segmenter.preprocessing()
    };
    let segmenter = segmenter.with_preprocessing(preprocessing);
    let expected = segmenter.segment_one(&*photo).unwrap();

    let weights = path.to_str().unwrap();
    let args = ["segment", &photo, "--weights", weights, "--resize", "64"];
    let format = ["--coco", "--backend", "flex"];
    let results = |more: &[&str]| -> Vec<Value> {
        let assert = run(args.iter().chain(&format).chain(more)).success();
        serde_json::from_str(&stdout(&assert)).unwrap()
    };
    // No label is `background`.
    let all = results(&[]);
    assert_eq!(all.len(), expected.classes.len());
    for (result, share) in all.iter().zip(&expected.classes) {
        assert_eq!(result["image_id"], 1);
        assert_eq!(result["category_id"], share.class + 10);
        let mask: Rle = serde_json::from_value(result["segmentation"].clone()).unwrap();
        assert_eq!(mask.size, [20, 33]);
        let pixels = expected.pixels.iter();
        let pixels: Vec<bool> = pixels
            .map(|pixel| usize::from(*pixel) == share.class)
            .collect();
        assert_eq!(mask.pixels().unwrap(), pixels);
    }

    let mut names = ["thing"; 4];
    names[expected.classes[0].class] = "background";
    let labels = folder.path().join("labels.txt");
    fs::write(&labels, names.join("\n")).unwrap();
    let things = results(&["--labels", labels.to_str().unwrap()]);
    assert_eq!(things, all[1..]);

    let both = args.iter().chain(&format).chain(&["--json"]);
    let message = stderr(&run(both).code(2));
    assert!(message.contains("cannot be used with"), "{message}");
}
