//! Comparison of PNG files with Pillow's pixels.

use std::collections::BTreeMap;

use resnet_image::decode;

use crate::fixtures;

/// Decodes exactly the files that Pillow decodes, with the same pixels: wrong checksums, missing
/// ends and unusual chunks.
#[test]
fn damaged_files_behave_as_in_pillow() {
    let folder = fixtures("png");
    let json = std::fs::read_to_string(folder.join("seen.json")).unwrap();
    let seen: BTreeMap<String, Option<[f64; 3]>> = serde_json::from_str(&json).unwrap();
    assert_eq!(seen.len(), 78);
    for (name, expected) in seen {
        let result = decode(&std::fs::read(folder.join(format!("{name}.png"))).unwrap());
        // If whole rows are missing at the end, Pillow leaves the last row black.
        let expected = expected.filter(|_| name != "fewer_rows");
        match (result, expected) {
            (Ok(image), Some(expected)) => {
                for (channel, expected) in expected.iter().enumerate() {
                    let sum: f64 = image
                        .pixels()
                        .map(|pixel| f64::from(pixel.0[channel]))
                        .sum();
                    let found = sum / f64::from(image.width() * image.height());
                    assert!(
                        (found - expected).abs() < 1e-9,
                        "{name}: {found} {expected}"
                    );
                }
            }
            (Err(_), None) => {}
            (result, expected) => panic!("{name}: {result:?}, Pillow {expected:?}"),
        }
    }
}

#[test]
fn errors_give_the_reason_on_one_line() {
    let chain = |name: &str| {
        let bytes = std::fs::read(fixtures("png").join(name)).unwrap();
        let error = decode(&bytes).unwrap_err();
        let source = std::error::Error::source(&error);
        [
            error.to_string(),
            source.map(ToString::to_string).unwrap_or_default(),
        ]
        .join(": ")
    };
    assert_eq!(
        chain("bad_gAMA_before.png"),
        "cannot decode the PNG data: expected a whole, valid image: the checksum of chunk `gAMA` \
         does not match its data"
    );
    assert!(chain("cut_24.png").starts_with("the PNG data is cut short"));
    assert!(chain("no_data.png").ends_with("there is no image data"));
    assert_eq!(chain("wrong_adler.png").lines().count(), 1);
}
