//! `train` and `finetune` for detectors and segmentation networks.

use std::fs;
use std::path::Path;

use resnet_data::objects::ObjectDataset;
use serde_json::{Value, json};

use super::{expect, outputs};

/// Writes scenes and their annotations in COCO's format.
fn write_scenes(folder: &Path, count: usize) {
    let scenes = ObjectDataset::scenes(count, 4);
    fs::create_dir_all(folder.join("images")).unwrap();
    let (mut images, mut annotations) = (Vec::new(), Vec::<Value>::new());
    for (number, scene) in scenes.images().iter().enumerate() {
        let (image, objects) = scene.load().unwrap();
        let name = format!("{number}.png");
        image.save(folder.join("images").join(&name)).unwrap();
        images.push(json!({"id": number, "file_name": name, "width": 96, "height": 96}));
        for object in objects {
            let [x1, y1, x2, y2] = object.corners;
            annotations.push(json!({
                "id": annotations.len() + 1,
                "image_id": number,
                "category_id": object.class + 10,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "segmentation": [[x1, y1, x2, y1, x2, y2, x1, y2]],
            }));
        }
    }
    let categories = scenes.classes().iter().enumerate();
    let categories: Vec<Value> = categories
        .map(|(class, name)| json!({"id": class + 10, "name": name}))
        .collect();
    let data = json!({"images": images, "annotations": annotations, "categories": categories});
    fs::write(folder.join("scenes.json"), data.to_string()).unwrap();
}

/// Writes a recipe like `name` with one epoch of two images per step.
fn write_recipe(folder: &Path, name: &str) {
    let (_, text) = resnet_train::Config::recipes()
        .find(|(recipe, _)| *recipe == name)
        .unwrap();
    let mut recipe: toml::Table = text.parse().unwrap();
    recipe.insert("epochs".into(), 1.into());
    recipe.insert("batch-size".into(), 2.into());
    fs::write(folder.join("recipe.toml"), recipe.to_string()).unwrap();
}

const TRAIN: [&str; 8] = [
    "train",
    "scenes.json",
    "--recipe",
    "recipe.toml",
    "--backend",
    "cpu",
    "--output",
    "run",
];

#[test]
fn a_detector_trains_resumes_and_reports() {
    let folder = tempfile::tempdir().unwrap();
    write_scenes(folder.path(), 8);
    write_recipe(folder.path(), "scenes");
    let found = expect(folder.path(), &TRAIN, 0);
    assert!(found.starts_with("best: box AP 0."), "{found}");
    for file in [
        "best.safetensors",
        "curves.svg",
        "metrics.csv",
        "mistakes.png",
        "README.md",
        "scores.json",
    ] {
        assert!(folder.path().join("run").join(file).exists(), "{file}");
    }
    let checkpoint = resnet_weights::Checkpoint::open(folder.path().join("run/best.safetensors"));
    let checkpoint = checkpoint.unwrap();
    assert_eq!(checkpoint.infer_dense().unwrap().config.num_classes(), 7);
    // Without the background, the classes are the six categories from 10 on.
    let ids = checkpoint.category_ids().unwrap().pairs();
    let expected: Vec<(usize, u64)> = (1..).zip(10..16).collect();
    assert_eq!(ids.collect::<Vec<_>>(), expected);
    let longer: Vec<&str> = TRAIN
        .into_iter()
        .chain(["--resume", "--epochs", "2"])
        .collect();
    expect(folder.path(), &longer, 0);
    let metrics = fs::read_to_string(folder.path().join("run/metrics.jsonl")).unwrap();
    assert_eq!(metrics.lines().count(), 2);
}

#[test]
fn a_segmentation_network_trains_on_class_maps() {
    let folder = tempfile::tempdir().unwrap();
    write_scenes(folder.path(), 6);
    write_recipe(folder.path(), "scenes-segment");
    fs::create_dir_all(folder.path().join("masks")).unwrap();
    for number in 0..6 {
        let map = image::GrayImage::from_fn(96, 96, |x, y| {
            image::Luma([match (x, y) {
                (0..10, _) => 255,
                (10..50, 20..60) => 2,
                _ => 0,
            }])
        });
        map.save(folder.path().join(format!("masks/{number}.png")))
            .unwrap();
    }
    fs::write(folder.path().join("classes.txt"), "nothing\ncat\ndog\n").unwrap();
    let args: Vec<&str> = TRAIN
        .iter()
        .map(|arg| match *arg {
            "scenes.json" => ".",
            arg => arg,
        })
        .collect();
    let found = expect(folder.path(), &args, 0);
    assert!(found.starts_with("best: mean IoU 0."), "{found}");
    let card = fs::read_to_string(folder.path().join("run/README.md")).unwrap();
    assert!(
        card.contains("| dog |") && card.contains("resnet-infer segment"),
        "{card}"
    );
}

#[test]
fn preview_draws_annotations() {
    let folder = tempfile::tempdir().unwrap();
    write_scenes(folder.path(), 6);
    let args = [
        "preview",
        "scenes.json",
        "--output",
        "sheet.png",
        "--columns",
        "2",
    ];
    let sheets = ["detect", "segment"].map(|task| {
        let args = [&args[..], &["--count", "4", "--task", task]].concat();
        assert_eq!(expect(folder.path(), &args, 0), "");
        image::open(folder.path().join("sheet.png"))
            .unwrap()
            .into_rgb8()
    });
    for sheet in &sheets {
        assert_eq!(sheet.dimensions(), (8 + 2 * 328, 8 + 2 * 346));
    }
    assert_ne!(sheets[0], sheets[1]);
    // Unreadable images are left out.
    fs::write(folder.path().join("images/0.png"), "no image").unwrap();
    let args = [&args[..], &["--count", "6", "--task", "detect"]].concat();
    let [_, message] = outputs(folder.path(), &args, 1);
    assert!(message.contains("0.png"), "{message}");
}

#[test]
fn training_from_scratch_without_a_recipe_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_scenes(folder.path(), 4);
    let args = [
        "train",
        "scenes.json",
        "--task",
        "detect",
        "--arch",
        "fasterrcnn_resnet50_fpn",
    ];
    let [_, message] = outputs(folder.path(), &args, 2);
    assert!(message.contains("expected --recipe"), "{message}");
}

#[test]
fn pyramid_pooling_with_one_image_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_scenes(folder.path(), 4);
    write_recipe(folder.path(), "scenes-segment");
    let args: Vec<&str> = TRAIN.into_iter().chain(["--batch-size", "1"]).collect();
    let [_, message] = outputs(folder.path(), &args, 2);
    assert!(
        message.contains("expected 2 training images or more in a batch, found 1"),
        "{message}"
    );
    assert!(!folder.path().join("run").exists());
}

#[test]
fn mistakes_of_users_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    write_scenes(folder.path(), 4);
    write_recipe(folder.path(), "scenes");
    let refused = |more: &[&str], expected: &str| {
        let args: Vec<&str> = TRAIN.iter().chain(more).copied().collect();
        let [_, message] = outputs(folder.path(), &args, 2);
        assert!(message.contains(expected), "{more:?}: {message}");
        assert!(!folder.path().join("run").exists());
    };
    refused(
        &["--task", "keypoints"],
        "--task: use `keypoints` for a network that predicts keypoints",
    );
    refused(&["--task", "segment"], "found another kind");
    refused(
        &["--arch", "maskrcnn_resnet51_fpn"],
        "`maskrcnn_resnet51_fpn`",
    );
    refused(&["--head-epochs", "1"], "groups.freeze-to");
    refused(&["--accumulate", "2"], "`accumulate`: has no effect");
    refused(&["--class-weights"], "`class-weights`: has no effect");
    refused(&["--images-per-class", "2"], "--images-per-class: has no");
    refused(&["--size", "64"], "--set min_size=N");
    refused(
        &["--model", "maskrcnn_resnet50_fpn.coco_v1"],
        "`body`: has no effect",
    );
    let gray = ["in_channels=1", "image_mean=0.5", "image_std=0.2"];
    let gray: Vec<&str> = gray.into_iter().flat_map(|set| ["--set", set]).collect();
    refused(&gray, "expected 3 input channels, found 1");
    let path = folder.path().join("recipe.toml");
    let mut recipe: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
    let objects = "scale-jitter = { size = [256, 2048], scale = [0.5, 1.0] }";
    let objects: toml::Table = objects.parse().unwrap();
    recipe.insert("objects".into(), objects.into());
    fs::write(&path, recipe.to_string()).unwrap();
    refused(&[], "raise it with --set max_size=2048");
    write_recipe(folder.path(), "scenes");
    let path = folder.path().join("scenes.json");
    let mut data: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    data["annotations"][0]["bbox"] = json!([5, 5, -3, 4]);
    fs::write(&path, data.to_string()).unwrap();
    refused(
        &["--bad", "fail"],
        "annotation 1 of image 0`: expected a box with an area",
    );
    for annotation in data["annotations"].as_array_mut().unwrap() {
        annotation.as_object_mut().unwrap().remove("segmentation");
    }
    fs::write(&path, data.to_string()).unwrap();
    refused(&[], "expected annotations with masks, found none");
}

#[test]
fn a_keypoint_network_saves_the_names_and_the_skeleton() {
    let folder = tempfile::tempdir().unwrap();
    write_scenes(folder.path(), 6);
    let path = folder.path().join("scenes.json");
    let mut data: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    for category in data["categories"].as_array_mut().unwrap() {
        category["keypoints"] = json!(["center", "left", "right"]);
        // COCO counts from 1.
        category["skeleton"] = json!([[2, 1], [1, 3]]);
    }
    for annotation in data["annotations"].as_array_mut().unwrap() {
        let [x, y, w, h] = [0, 1, 2, 3].map(|i: usize| annotation["bbox"][i].as_f64().unwrap());
        let points = [x + w / 2.0, x + 1.0, x + w - 1.0].map(|x| [x, y + h / 2.0, 2.0]);
        annotation["keypoints"] = json!(points.concat());
    }
    fs::write(&path, data.to_string()).unwrap();

    write_recipe(folder.path(), "scenes");
    let path = folder.path().join("recipe.toml");
    let mut recipe: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
    recipe.insert("task".into(), "keypoints".into());
    recipe.insert("arch".into(), "keypointrcnn_resnet50_fpn".into());
    let options = recipe.get_mut("set").and_then(toml::Value::as_array_mut);
    options.unwrap().push("keypoint_channels=8".into());
    fs::write(&path, recipe.to_string()).unwrap();
    expect(folder.path(), &TRAIN, 0);
    let path = folder.path().join("run/last.safetensors");
    let checkpoint = resnet_weights::Checkpoint::open(path).unwrap();
    let keypoints = checkpoint.keypoints().unwrap();
    assert_eq!(keypoints.names, ["center", "left", "right"]);
    assert_eq!(keypoints.skeleton, [[1, 0], [0, 2]]);
}
