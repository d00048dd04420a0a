//! PNG files against Pillow's pixels.

use std::collections::BTreeMap;

use resnet_image::decode;

use crate::fixtures;

/// Wrong checksums, missing ends and odd chunks: the same files are read as by Pillow, and have the same pixels.
#[test]
fn damaged_files_are_read_or_refused_as_by_pillow() {
    let folder = fixtures("png");
    let json = std::fs::read_to_string(folder.join("seen.json")).unwrap();
    let seen: BTreeMap<String, Option<[f64; 3]>> = serde_json::from_str(&json).unwrap();
    assert_eq!(seen.len(), 78);
    for (name, expected) in seen {
        let result = decode(&std::fs::read(folder.join(format!("{name}.png"))).unwrap());
        // Pillow leaves the last row black, if the data stops short of it by whole rows.
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
fn refusals_say_why_on_one_line() {
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
         does not fit its data"
    );
    assert!(chain("cut_24.png").starts_with("the PNG data is cut short"));
    assert!(chain("no_data.png").ends_with("there is no image data"));
    assert_eq!(chain("wrong_adler.png").lines().count(), 1);
}
