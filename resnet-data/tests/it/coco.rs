//! COCO's metrics, compared with pycocotools.

use resnet_data::coco::{CocoTask, CocoTruth};
use serde_json::Value;

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
