//! Files with problems that users of other programs have reported.

use std::collections::BTreeMap;

use resnet_image::{DecodeError, RgbImage, decode, open};
use serde::Deserialize;

use crate::{assert_same, fixtures};

#[derive(Deserialize)]
struct Expected {
    #[serde(rename = "pixels by row and column")]
    pixels: BTreeMap<String, [u8; 3]>,
    #[serde(rename = "mean of red, green, blue")]
    mean: [f64; 3],
}

fn check(name: &str, image: &RgbImage, tolerance: u8) {
    let json = std::fs::read_to_string(fixtures("cases").join(name)).unwrap();
    let expected: Expected = serde_json::from_str(&json).unwrap();
    assert!(!expected.pixels.is_empty(), "{name}");
    for (place, expected) in expected.pixels {
        let (row, column) = place.split_once(',').unwrap();
        let found = image.get_pixel(column.parse().unwrap(), row.parse().unwrap());
        for (found, expected) in found.0.iter().zip(expected) {
            assert!(
                found.abs_diff(expected) <= tolerance,
                "{name} {place}: {found} {expected}"
            );
        }
    }
    for (channel, expected) in expected.mean.iter().enumerate() {
        let sum: f64 = image
            .pixels()
            .map(|pixel| f64::from(pixel.0[channel]))
            .sum();
        let found = sum / f64::from(image.width() * image.height());
        assert!(
            (found - expected).abs() < 0.3,
            "{name}: mean {found} {expected}"
        );
    }
}

#[test]
fn jpeg_with_two_color_markers_keeps_its_colors() {
    let folder = fixtures("cases");
    let found = open(folder.join("jfif_and_adobe_0.jpg")).unwrap();
    check("expected_03.json", &found, 4);
    assert_same("jfif.jpg", &found, &open(folder.join("jfif.jpg")).unwrap());
}

#[test]
fn jpeg_with_an_early_end_marker_is_an_error() {
    for name in ["baseline.jpg", "progressive.jpg"] {
        let bytes = std::fs::read(fixtures("cases").join(name)).unwrap();
        let error = decode(&bytes).unwrap_err();
        assert!(
            matches!(error, DecodeError::Truncated { format: "JPEG" }),
            "{name}: {error:?}"
        );
        assert!(
            error.to_string().contains("fetch the file again"),
            "{name}: {error}"
        );
    }
}

#[test]
fn png_with_a_wrong_checksum_of_its_image_data_is_decoded() {
    check(
        "expected_19.json",
        &open(fixtures("cases").join("wrong_checksum.png")).unwrap(),
        0,
    );
}
