//! Comparison of the preprocessing with torchvision's pixels.

use std::collections::BTreeMap;
use std::path::Path;

use resnet_image::{Filter, Preprocessing, RgbImage, open};
use serde::Deserialize;

use crate::{assert_same, difference, files, fixtures};

#[derive(Deserialize)]
struct Geometry {
    resize: u32,
    crop: u32,
    filter: Filter,
}

/// Calls `visit` for each preprocessing and each image with this extension: preprocessing, file,
/// found image, expected image.
fn every_preprocessing(extension: &str, mut visit: impl FnMut(&str, &Path, RgbImage, RgbImage)) {
    let root = fixtures("preprocess");
    let json = std::fs::read_to_string(root.join("recipes.json")).unwrap();
    let recipes: BTreeMap<String, Geometry> = serde_json::from_str(&json).unwrap();
    assert_eq!(recipes.len(), 6);
    let mut images = files(&root.join("images"));
    images.retain(|path| path.extension().is_some_and(|found| found == extension));
    for (
        name,
        Geometry {
            resize,
            crop,
            filter,
        },
    ) in recipes
    {
        let preprocessing = Preprocessing {
            resize: Some(resize),
            crop: Some(crop),
            filter,
            ..Preprocessing::imagenet()
        };
        for path in &images {
            let found = preprocessing.apply(open(path).unwrap()).unwrap();
            let file = Path::new(path.file_stem().unwrap()).with_extension("png");
            let expected = open(root.join("expected").join(&name).join(file)).unwrap();
            visit(&name, path, found, expected);
        }
    }
}

#[test]
fn png_sources_match_torchvision_byte_for_byte() {
    let mut compared = 0;
    every_preprocessing("png", |preprocessing, path, found, expected| {
        assert_same(
            &format!("{preprocessing} {}", path.display()),
            &found,
            &expected,
        );
        compared += 1;
    });
    assert_eq!(compared, 6 * 9);
}

#[test]
fn jpeg_sources_differ_only_slightly() {
    let mut compared = 0;
    every_preprocessing("jpg", |preprocessing, path, found, expected| {
        let name = path.file_name().unwrap().display();
        let (mean, max) = difference(&found, &expected);
        println!("{preprocessing:15} {name:25} mean {mean:.4} max {max}");
        assert!(
            mean <= 0.8,
            "{preprocessing} {name}: mean difference {mean}"
        );
        compared += 1;
    });
    assert_eq!(compared, 6 * 3);
}
