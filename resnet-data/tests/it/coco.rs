//! COCO's metrics, compared with pycocotools.

use resnet_data::coco::{CocoResult, CocoTask, CocoTruth};
use resnet_data::objects::ObjectDataset;
use serde_json::{Value, json};

fn fixture(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/coco")
        .join(name)
}

#[test]
fn the_metrics_are_those_of_pycocotools() {
    let text = std::fs::read_to_string(fixture("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&text).unwrap();
    for (name, task, truth, results) in [
        ("bbox", CocoTask::Boxes, "gt.json", "bbox.json"),
        ("segm", CocoTask::Masks, "gt.json", "segm.json"),
        (
            "keypoints",
            CocoTask::Keypoints,
            "keypoints_gt.json",
            "keypoints.json",
        ),
    ] {
        let truth = CocoTruth::open(fixture(truth)).unwrap();
        let found = truth.evaluate_file(fixture(results), task).unwrap();
        let stats = expected[name]["stats"].as_array().unwrap();
        assert_eq!(found.numbers.len(), stats.len());
        for (metric, expected) in found.numbers.iter().zip(stats) {
            let error = (metric.value - expected.as_f64().unwrap()).abs();
            assert!(
                error < 1e-9,
                "{name} {}: {} {expected}",
                metric.name,
                metric.value
            );
        }
        let categories = expected[name]["ap_per_category"].as_object().unwrap();
        assert_eq!(found.categories.len(), categories.len());
        for category in &found.categories {
            let expected = categories[&category.id.to_string()].as_f64().unwrap();
            assert!(
                (category.ap - expected).abs() < 1e-9,
                "{name} {}",
                category.name
            );
        }
    }
}

#[test]
fn wrong_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.json");
    std::fs::write(&file, "[1, 2").unwrap();
    let error = CocoTruth::open(&file).err().unwrap().to_string();
    assert!(error.contains("broken.json"), "{error}");
    let truth = CocoTruth::open(fixture("gt.json")).unwrap();
    let error = truth
        .evaluate_file(&file, CocoTask::Boxes)
        .unwrap_err()
        .to_string();
    assert!(error.contains("a JSON array of results"), "{error}");
    for (result, expected) in [
        (
            r#"{"image_id": 999, "category_id": 1, "bbox": [0, 0, 5, 5], "score": 0.5}"#,
            "result 0: the ground truth has no image 999",
        ),
        (
            r#"{"image_id": 1, "category_id": 77, "bbox": [0, 0, 5, 5], "score": 0.5}"#,
            "result 0: the ground truth has no category 77",
        ),
    ] {
        std::fs::write(&file, format!("[{result}]")).unwrap();
        let error = truth.evaluate_file(&file, CocoTask::Boxes).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

/// Objects whose area is in the annotation, in the mask or in the box, and a box that exceeds the
/// image.
#[test]
fn a_dataset_and_its_annotation_file_give_the_same_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let image = image::RgbImage::new(200, 200);
    image.save(folder.path().join("a.png")).unwrap();
    let points = json!([20, 20, 2, 60, 60, 1]);
    let polygon = json!([[0, 0, 20, 0, 20, 20, 0, 20]]);
    let data = json!({
        "images": [{"id": 5, "file_name": "a.png", "width": 200, "height": 200}],
        "categories": [
            {"id": 4, "name": "cat", "keypoints": ["left", "right"]},
            {"id": 9, "name": "dog"},
        ],
        "annotations": [
            {"id": 1, "image_id": 5, "category_id": 4, "bbox": [10, 10, 100, 100], "area": 500.5,
             "keypoints": points},
            {"id": 2, "image_id": 5, "category_id": 9, "bbox": [0, 0, 100, 100],
             "segmentation": polygon, "keypoints": points},
            {"id": 3, "image_id": 5, "category_id": 9, "bbox": [150, 150, 60, 60],
             "keypoints": points},
        ],
    });
    let file = folder.path().join("labels.json");
    std::fs::write(&file, data.to_string()).unwrap();
    let dataset = ObjectDataset::coco(&file, folder.path()).unwrap();
    let result = |category: u64, score: f64, bounds: [f64; 4], x: f64| CocoResult {
        image: 5,
        category,
        score,
        bounds,
        mask: None,
        keypoints: Some(vec![x, 20.0, 1.0, 60.0, 60.0, 1.0]),
    };
    let results = |[cat, dog]: [u64; 2]| {
        [
            result(cat, 0.9, [10.0, 10.0, 100.0, 90.0], 22.0),
            result(dog, 0.8, [0.0, 0.0, 100.0, 95.0], 24.0),
            // The IoU is 0.69 with the annotated box, and 1 with the part inside of the image.
            result(dog, 0.7, [150.0, 150.0, 50.0, 50.0], 28.0),
        ]
    };
    for task in [CocoTask::Boxes, CocoTask::Keypoints] {
        let truth = CocoTruth::open(&file).unwrap();
        let expected = truth.evaluate(&results([4, 9]), task).unwrap();
        let truth = CocoTruth::of_dataset(&dataset);
        let found = truth.evaluate(&results([1, 2]), task).unwrap();
        assert_eq!(found.numbers, expected.numbers, "{task:?}");
        if task == CocoTask::Boxes {
            let value = |name: &str| {
                let mut metrics = found.numbers.iter();
                metrics.find(|metric| metric.name == name).unwrap().value
            };
            assert!(value("AP_small") > 0.0 && value("AP_medium") > 0.0);
            // -1 means that there is no large object.
            assert_eq!(value("AP_large"), -1.0);
        }
    }
}
