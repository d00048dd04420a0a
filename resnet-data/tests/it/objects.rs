//! Images with annotated objects.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::RgbImage;
use resnet_core::Arch;
use resnet_data::class_maps::{ClassMapDataset, read_indices};
use resnet_data::coco::{CocoResult, CocoTask, CocoTruth};
use resnet_data::objects::{
    ObjectAugment, ObjectDataset, ObjectLoader, ObjectMask, ObjectOptions, ScaleJitter, TargetParts,
};
use resnet_data::{BadImage, SplitOptions};
use resnet_dense::ops::masks::SoftMask;
use resnet_dense::ops::rle::Rle;
use resnet_dense::{DetectorConfig, RcnnConfig};
use resnet_testing::pairs;
use serde_json::json;

fn save_image(path: &Path, width: u32, height: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::new(width, height).save(path).unwrap();
}

/// Writes two images of 20 x 10 pixels and their annotations.
fn coco(folder: &Path) -> std::path::PathBuf {
    save_image(&folder.join("images/a.png"), 20, 10);
    save_image(&folder.join("images/b.png"), 20, 10);
    let annotation = |id: u64, image: u64, category: u64, bbox: [f64; 4]| json!({"id": id, "image_id": image, "category_id": category, "bbox": bbox, "iscrowd": 0});
    let mut annotations = vec![
        annotation(1, 1, 9, [2.0, 3.0, 4.0, 5.0]),
        annotation(2, 1, 4, [15.0, 5.0, 8.0, 8.0]),
        annotation(3, 2, 9, [0.0, 0.0, 0.0, 4.0]),
        annotation(4, 2, 9, [30.0, 0.0, 5.0, 4.0]),
        annotation(5, 2, 7, [1.0, 1.0, 5.0, 4.0]),
        annotation(6, 8, 9, [1.0, 1.0, 5.0, 4.0]),
        annotation(7, 2, 9, [1.0, 1.0, 5.0, -4.0]),
        annotation(8, 3, 9, [1.0, 1.0, 5.0, 4.0]),
        annotation(9, 2, 9, [1.0, 1.0, 5.0, 4.0]),
        annotation(10, 2, 9, [1.0, 1.0, 5.0, 4.0]),
    ];
    annotations[0]["segmentation"] = json!([[2.0, 3.0, 6.0, 3.0, 6.0, 8.0, 2.0, 8.0]]);
    annotations[8]["segmentation"] = json!({"size": [10, 20], "counts": [11, 3, 186]});
    annotations[9]["segmentation"] = json!([[1.0, 2.0]]);
    let data = json!({
        "images": [
            {"id": 1, "file_name": "a.png", "width": 20, "height": 10},
            {"id": 2, "file_name": "b.png", "width": 20, "height": 10},
            {"id": 3, "file_name": "missing.png", "width": 20, "height": 10},
        ],
        "categories": [{"id": 9, "name": "dog"}, {"id": 4, "name": "cat"}],
        "annotations": annotations,
    });
    let file = folder.join("labels.json");
    fs::write(&file, data.to_string()).unwrap();
    file
}

#[test]
fn coco_files_are_read_and_invalid_annotations_listed() {
    let folder = tempfile::tempdir().unwrap();
    let file = coco(folder.path());
    let data = ObjectDataset::coco(&file, folder.path().join("images")).unwrap();
    assert_eq!(data.classes(), ["cat", "dog"]);
    assert_eq!(data.len(), 2);
    let (image, objects) = data.images()[0].load().unwrap();
    assert_eq!(image.dimensions(), (20, 10));
    assert_eq!(objects.len(), 2);
    assert_eq!(
        (objects[0].class, objects[0].corners),
        (1, [2.0, 3.0, 6.0, 8.0])
    );
    // The box exceeded the image.
    assert_eq!(
        (objects[1].class, objects[1].corners),
        (0, [15.0, 5.0, 20.0, 10.0])
    );
    let pixels = objects[0].mask.as_ref().unwrap().pixels([10, 20]);
    assert_eq!(pixels.iter().filter(|inside| **inside).count(), 20);
    assert!(pixels[3 * 20 + 2] && !pixels[2 * 20 + 2]);
    let objects = data.images()[1].objects();
    assert_eq!(objects.len(), 1);
    let pixels = objects[0].mask.as_ref().unwrap().pixels([10, 20]);
    let inside: Vec<usize> = (0..200).filter(|at| pixels[*at]).collect();
    assert_eq!(inside, [21, 41, 61]);
    let invalid: Vec<String> = data
        .invalid()
        .iter()
        .map(|bad| format!("{}: {}", bad.name, bad.reason))
        .collect();
    let expected = [
        "image 3: there is no file",
        "annotation 3 of image 2: expected a box with an area, found 0 x 4 pixels",
        "annotation 4 of image 2: its box [30.0, 0.0, 35.0, 4.0] lies outside of the image",
        "annotation 5 of image 2: there is no category 7",
        "annotation 6 of image 8: there is no image 8",
        "annotation 7 of image 2: expected a box with an area, found 5 x -4 pixels",
        "annotation 10 of image 2: expected polygons of at least three corners",
    ];
    assert_eq!(invalid.len(), expected.len(), "{invalid:#?}");
    for (found, expected) in invalid.iter().zip(expected) {
        assert!(
            found.contains(expected) && found.contains("labels.json"),
            "{found}"
        );
    }
}

#[test]
fn unusual_coco_files_are_read_or_explained() {
    let folder = tempfile::tempdir().unwrap();
    let file = coco(folder.path());
    let text = fs::read_to_string(&file).unwrap();
    let mut data: serde_json::Value = serde_json::from_str(&text).unwrap();
    data["images"] = json!([
        {"id": 1, "file_name": "a.png"},
        {"id": 2, "file_name": "b.png", "width": 20, "height": 10},
        {"id": 2, "file_name": "a.png", "width": 20, "height": 10},
        {"id": 4, "file_name": "b.png", "width": 4_000_000_000_u32, "height": 4_000_000_000_u32},
    ]);
    // Runs that end before the image does: the rest is outside.
    data["annotations"][8]["segmentation"]["counts"] = json!([11, 3]);
    data["annotations"][1]["keypoints"] = json!([]);
    data["categories"][1]["keypoints"] = json!(["left_eye", "right_eye"]);
    fs::write(&file, data.to_string()).unwrap();
    let data = ObjectDataset::coco(&file, folder.path().join("images")).unwrap();
    assert_eq!(data.len(), 2);
    assert_eq!(data.images()[0].objects()[0].corners, [2.0, 3.0, 6.0, 8.0]);
    assert_eq!(data.images()[0].objects()[1].keypoints, [[0.0; 3]; 2]);
    let mask = data.images()[1].objects()[0].mask.clone().unwrap();
    let inside = mask
        .pixels([10, 20])
        .into_iter()
        .filter(|inside| *inside)
        .count();
    assert_eq!(inside, 3);
    let reasons: Vec<&str> = data
        .invalid()
        .iter()
        .map(|bad| bad.reason.as_str())
        .collect();
    assert_eq!(reasons[0], "another image has the same id");
    assert!(
        reasons[1].contains("per side, found 4000000000"),
        "{reasons:#?}"
    );
}

#[test]
fn malformed_annotations_are_listed_and_the_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = coco(folder.path());
    let text = fs::read_to_string(&file).unwrap();
    let mut data: serde_json::Value = serde_json::from_str(&text).unwrap();
    data["annotations"] = json!([
        {"id": 1, "image_id": 1, "category_id": 9, "bbox": []},
        {"id": 2, "image_id": 1, "category_id": 9, "bbox": [1, 2, 3]},
        {"id": 3, "image_id": 1, "category_id": 9, "bbox": [1, null, 3, 4]},
        {"id": "four", "image_id": 1, "category_id": 9, "bbox": [1, 2, 3, 4]},
        {"image_id": 2, "category_id": 9, "bbox": "wide"},
        {"id": 6, "category_id": 9, "bbox": [1, 2, 3, 4]},
        null,
        {"image_id": 1, "category_id": 9, "bbox": [1, 2, 0, 4]},
        {"id": 9, "image_id": 1, "category_id": 9, "bbox": [1, 2, 3, 4]},
    ]);
    fs::write(&file, data.to_string()).unwrap();
    let data = ObjectDataset::coco(&file, folder.path().join("images")).unwrap();
    let objects = data.images()[0].objects();
    assert_eq!(objects.len(), 1);
    assert_eq!(objects[0].corners, [1.0, 2.0, 4.0, 6.0]);
    let expected = [
        "image 3: there is no file",
        "annotation 1 of image 1: `bbox`: invalid length 0, expected an array of length 4",
        "annotation 2 of image 1: `bbox`: invalid length 3, expected an array of length 4",
        "annotation 3 of image 1: `bbox`: invalid type: null, expected f64",
        "annotation \"four\" of image 1: `id`: invalid type: string",
        "annotations[4] of image 2: `bbox`: invalid type: string",
        "annotation 6: missing field `image_id`",
        "annotations[6]: invalid type: null",
        "annotations[7] of image 1: expected a box with an area, found 0 x 4 pixels",
    ];
    assert_eq!(data.invalid().len(), expected.len());
    for (bad, expected) in data.invalid().iter().zip(expected) {
        let found = format!("{}: {}", bad.name, bad.reason);
        let expected = format!("labels.json, {expected}");
        assert!(found.contains(&expected), "{found}");
    }
    fs::write(&file, r#"{"images": [], "annotations": [{"id": 1,}]}"#).unwrap();
    let error = ObjectDataset::coco(&file, folder.path()).unwrap_err();
    assert!(error.to_string().contains("invalid JSON"), "{error}");
}

/// Loads an image of this width and height with many objects, and an image of 20 x 10 pixels with
/// one. Returns the only unreadable one.
fn bad_image(objects: usize, [width, height]: [u32; 2], augment: ObjectAugment) -> BadImage {
    let folder = tempfile::tempdir().unwrap();
    save_image(&folder.path().join("many.png"), width, height);
    save_image(&folder.path().join("one.png"), 20, 10);
    let annotation =
        |image: u32| json!({"image_id": image, "category_id": 1, "bbox": [1, 1, 9, 9]});
    let mut annotations = vec![annotation(1); objects];
    annotations.push(annotation(2));
    let data = json!({
        "images": [
            {"id": 1, "file_name": "many.png", "width": width, "height": height},
            {"id": 2, "file_name": "one.png", "width": 20, "height": 10},
        ],
        "categories": [{"id": 1, "name": "dog"}],
        "annotations": annotations,
    });
    let file = folder.path().join("labels.json");
    fs::write(&file, data.to_string()).unwrap();
    let data = ObjectDataset::coco(&file, folder.path()).unwrap();
    let parts = TargetParts {
        first_class: 1,
        masks: true,
        keypoints: 0,
    };
    let loader = ObjectLoader::of_parts(data, augment, parts).unwrap();
    let mut batches: Vec<_> = loader.epoch_from(0, 0).unwrap().collect();
    let mut batch = batches.remove(0);
    assert_eq!((batches.len(), batch.targets.len()), (0, 1));
    assert_eq!(batch.bad.len(), 1);
    batch.bad.remove(0)
}

#[test]
fn masks_of_more_than_a_gibibyte_are_reported() {
    // 1074 x 1000 x 1000 bytes exceed 1024 x 1024 x 1024 bytes.
    let bad = bad_image(1074, [1000, 1000], ObjectAugment::default());
    assert!(bad.name.ends_with("many.png"), "{bad:?}");
    assert_eq!(
        bad.reason,
        "expected masks of at most 1073741824 bytes, found 1074 objects x 1000 x 1000 pixels; \
         resize the image"
    );
}

#[test]
fn scale_jitter_to_masks_of_more_than_a_gibibyte_is_reported() {
    let jitter = ScaleJitter {
        size: [1024, 1024],
        scale: [0.5, 1.0],
    };
    let augment = ObjectAugment {
        scale_jitter: Some(jitter),
        ..ObjectAugment::default()
    };
    let bad = bad_image(1025, [20, 10], augment);
    assert!(bad.name.ends_with("many.png"), "{bad:?}");
    assert_eq!(
        bad.reason,
        "expected masks of at most 1073741824 bytes, found 1025 objects x 1024 x 1024 pixels; \
         use a smaller `objects.scale-jitter`"
    );
}

#[test]
fn jittered_images_are_not_resized_again() {
    let augment = ObjectAugment {
        scale_jitter: Some(ScaleJitter {
            size: [128, 192],
            scale: [0.5, 1.0],
        }),
        ..ObjectAugment::default()
    };
    let config = RcnnConfig::faster_rcnn(Arch::TestResNet.config(), 7);
    let scenes = ObjectDataset::scenes(2, 1);
    let loader = ObjectLoader::training(scenes, augment, &DetectorConfig::Rcnn(config.clone()));
    for batch in loader.unwrap().epoch_from(0, 0).unwrap() {
        for (image, min_size) in pairs(&batch.images, &batch.min_sizes) {
            assert_eq!(image.size(), [128, 192]);
            assert_eq!(
                config.transform.resized(image.size(), *min_size),
                [128, 192]
            );
        }
    }
}

#[test]
fn two_categories_with_one_id_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = coco(folder.path());
    let text = fs::read_to_string(&file).unwrap();
    let mut data: serde_json::Value = serde_json::from_str(&text).unwrap();
    data["categories"][1]["id"] = data["categories"][0]["id"].clone();
    fs::write(&file, data.to_string()).unwrap();
    let error = ObjectDataset::coco(&file, folder.path())
        .unwrap_err()
        .to_string();
    assert!(error.contains("two categories with the id"), "{error}");
}

#[test]
fn class_maps_have_at_most_255_classes() {
    let folder = tempfile::tempdir().unwrap();
    save_image(&folder.path().join("images/a.png"), 20, 10);
    let file = folder.path().join("labels.json");
    let open = |classes: usize| {
        let categories: Vec<serde_json::Value> = (0..classes)
            .map(|id| json!({"id": id, "name": format!("class {id}")}))
            .collect();
        let data = json!({
            "images": [{"id": 1, "file_name": "a.png", "width": 20, "height": 10}],
            "categories": categories,
            "annotations": [{"id": 1, "image_id": 1, "category_id": classes - 1, "bbox": [0, 0, 9, 9]}],
        });
        fs::write(&file, data.to_string()).unwrap();
        let objects = ObjectDataset::coco(&file, folder.path().join("images")).unwrap();
        ClassMapDataset::of_objects(&objects)
    };
    let (_, map) = open(254).unwrap().images()[0].load().unwrap();
    assert_eq!(map[0], 254);
    let error = open(255).unwrap_err().to_string();
    assert!(error.contains("at most 254 classes"), "{error}");
}

#[test]
fn a_class_map_of_billions_of_pixels_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.png");
    let mut header = Vec::new();
    image::GrayImage::new(1, 1)
        .write_to(&mut Cursor::new(&mut header), image::ImageFormat::Png)
        .unwrap();
    // Width and height follow 8 bytes of signature, 4 of length and 4 of type.
    header[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    let sum = crc(&header[12..29]).to_be_bytes();
    header[29..33].copy_from_slice(&sum);
    fs::write(&path, header).unwrap();
    let error = read_indices(&path).unwrap_err().to_string();
    assert!(error.contains("65536 x 65536 pixels"), "{error}");
}

/// Returns the checksum of a PNG chunk.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg())
        })
    })
}

#[test]
fn images_of_another_size_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let file = coco(folder.path());
    save_image(&folder.path().join("images/a.png"), 21, 10);
    let data = ObjectDataset::coco(&file, folder.path().join("images")).unwrap();
    let error = data.images()[0].load().unwrap_err().to_string();
    assert_eq!(
        error,
        "its annotations are for 20 x 10 pixels, found 21 x 10"
    );
}

#[test]
fn voc_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join("Annotations")).unwrap();
    fs::create_dir_all(root.join("ImageSets/Main")).unwrap();
    let object = |name: &str, corners: [i32; 4], difficult: u8| {
        let [x1, y1, x2, y2] = corners;
        format!(
            "<object><name>{name}</name><pose>Left</pose><difficult>{difficult}</difficult>\
             <bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox>\
             <part><name>head</name></part></object>"
        )
    };
    let write = |name: &str, objects: &str| {
        let text = format!(
            "<annotation><folder>VOC</folder><filename>{name}.png</filename><size><width>20</width>\
             <height>10</height><depth>3</depth></size><segmented>0</segmented>{objects}</annotation>"
        );
        fs::write(root.join(format!("Annotations/{name}.xml")), text).unwrap();
        save_image(&root.join(format!("JPEGImages/{name}.png")), 20, 10);
    };
    write(
        "a",
        &(object("dog", [1, 1, 20, 10], 0) + &object("cat", [3, 2, 5, 4], 1)),
    );
    write("b", &object("bird", [9, 9, 4, 10], 0));
    write("c", "");
    fs::write(root.join("ImageSets/Main/train.txt"), "a\nc\n").unwrap();
    fs::write(root.join("ImageSets/Main/val.txt"), "b  1\n").unwrap();
    let [train, valid] = ObjectDataset::open(root, &ObjectOptions::default()).unwrap();
    assert_eq!(train.classes(), ["bird", "cat", "dog"]);
    assert_eq!(valid.classes(), train.classes());
    assert_eq!((train.len(), valid.len()), (2, 1));
    let objects = train.images()[0].objects();
    assert_eq!(
        (objects[0].class, objects[0].corners),
        (2, [0.0, 0.0, 20.0, 10.0])
    );
    assert_eq!(objects[1].corners, [2.0, 1.0, 5.0, 4.0]);
    assert!(objects[1].crowd && !objects[0].crowd);
    assert!(valid.invalid()[0].name.ends_with("b.xml, object 1"));
    fs::write(root.join("Annotations/a.xml"), "<annotation><object>").unwrap();
    let [train, _] = ObjectDataset::open(root, &ObjectOptions::default()).unwrap();
    assert!(
        train.invalid()[0]
            .reason
            .contains("expected an XML file of Pascal VOC")
    );
}

#[test]
fn layouts_are_recognized() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let file = coco(root);
    let options = ObjectOptions {
        split: SplitOptions {
            share: 0.5,
            seed: 1,
        },
        ..ObjectOptions::default()
    };
    let [train, valid] = ObjectDataset::open(&file, &options).unwrap();
    assert_eq!((train.len(), valid.len()), (1, 1));
    assert!(!train.invalid().is_empty() && valid.invalid().is_empty());
    let text = fs::read_to_string(&file).unwrap();
    // COCO's own layout, and Roboflow's.
    let other = tempfile::tempdir().unwrap();
    for split in ["train", "val"] {
        let name = format!("annotations/instances_{split}2017.json");
        fs::create_dir_all(other.path().join("annotations")).unwrap();
        fs::write(other.path().join(name), &text).unwrap();
        save_image(&other.path().join(format!("{split}2017/a.png")), 20, 10);
    }
    let [train, valid] = ObjectDataset::open(other.path(), &options).unwrap();
    assert_eq!((train.len(), valid.len()), (1, 1));
    let third = tempfile::tempdir().unwrap();
    for split in ["train", "valid"] {
        save_image(&third.path().join(split).join("a.png"), 20, 10);
        let name = third.path().join(split).join("_annotations.coco.json");
        fs::write(name, &text).unwrap();
    }
    let [train, valid] = ObjectDataset::open(third.path(), &options).unwrap();
    assert_eq!((train.len(), valid.len()), (1, 1));
    let empty = tempfile::tempdir().unwrap();
    let error = ObjectDataset::open(empty.path(), &options).unwrap_err();
    assert!(
        error.to_string().contains("a folder without them"),
        "{error}"
    );
}

/// Returns COCO's encoding of a mask of 96 x 96 pixels.
fn encoded(pixels: &[bool]) -> String {
    let mask = SoftMask {
        size: [96, 96],
        start: [0, 0],
        extent: [96, 96],
        values: pixels.iter().map(|inside| f32::from(*inside)).collect(),
    };
    Rle::of_mask(&mask, 0.5).counts
}

#[test]
fn scenes_as_their_own_ground_truth_score_1() {
    let scenes = ObjectDataset::scenes(6, 3);
    let truth = CocoTruth::of_dataset(&scenes);
    let results: Vec<CocoResult> = scenes
        .images()
        .iter()
        .flat_map(|image| {
            let objects = image.objects().into_iter();
            objects.map(|object| {
                let [x1, y1, x2, y2] = object.corners.map(f64::from);
                let pixels = object.mask.as_ref().unwrap().pixels([96, 96]);
                let points = object
                    .keypoints
                    .iter()
                    .flatten()
                    .map(|value| f64::from(*value));
                CocoResult {
                    image: image.id(),
                    category: object.class as u64 + 1,
                    score: 0.9,
                    bounds: [x1, y1, x2 - x1, y2 - y1],
                    mask: Some(([96, 96], encoded(&pixels))),
                    keypoints: Some(points.collect()),
                }
            })
        })
        .collect();
    for task in [CocoTask::Boxes, CocoTask::Masks, CocoTask::Keypoints] {
        let metrics = truth.evaluate(&results, task).unwrap();
        assert!(
            (metrics.numbers[0].value - 1.0).abs() < 1e-9,
            "{task:?}: {metrics:?}"
        );
    }
}

#[test]
fn a_loader_depends_only_on_its_seed() {
    let augment = ObjectAugment {
        flip: 0.5,
        crop: Some(0.6),
        ..ObjectAugment::default()
    };
    let loader = |seed: u64| {
        let scenes = ObjectDataset::scenes(9, 1);
        let mut config = RcnnConfig::faster_rcnn(Arch::TestResNet.config(), 7).with_masks();
        config.transform.min_size = vec![96, 128];
        ObjectLoader::training(scenes, augment, &DetectorConfig::Rcnn(config))
            .unwrap()
            .with_batch_size(4)
            .with_seed(seed)
    };
    let batches = |seed: u64, epoch: u64, first: usize| {
        let batches = loader(seed).epoch_from(epoch, first).unwrap();
        batches
            .map(|batch| {
                (
                    batch.images.clone(),
                    batch.targets.clone(),
                    batch.sampler()(50, 5),
                )
            })
            .collect::<Vec<_>>()
    };
    let all = batches(1, 0, 0);
    assert_eq!(all.len(), 2);
    assert_eq!(all, batches(1, 0, 0));
    assert_eq!(all[1..], batches(1, 0, 1));
    assert_ne!(all, batches(2, 0, 0));
    assert_ne!(all, batches(1, 1, 0));
    for (images, targets, drawn) in all {
        assert!(drawn.is_sorted() && drawn.len() == 5);
        for (image, target) in images.iter().zip(targets) {
            assert_eq!(image.channels(), 3);
            assert_eq!(target.masks.len(), target.boxes.len());
            assert!(target.labels.iter().all(|label| (1..=6).contains(label)));
        }
    }
}

#[test]
fn crowds_are_no_targets() {
    let mut objects = ObjectDataset::scenes(1, 1).images()[0].objects();
    let count = objects.len();
    objects[0].crowd = true;
    objects[0].mask = Some(ObjectMask::of_pixels(&[true; 96 * 96], [96, 96]));
    objects.last_mut().unwrap().mask = None;
    let parts = TargetParts {
        first_class: 1,
        masks: true,
        keypoints: 5,
    };
    let target = parts.target(&objects, [96, 96]).unwrap();
    assert_eq!(target.boxes.len(), count - 1);
    assert_eq!(target.masks.len(), count - 1);
    assert!(target.keypoints.iter().all(|points| points.len() == 5));
}
