//! Comparison of all formats with Pillow's pixels.

use resnet_image::{IMAGE_ENDINGS, has_image_ending, open};

use crate::{assert_same, difference, files, fixtures};

/// Lossless images match exactly. Lossy images differ slightly, as Pillow uses other decoders.
#[test]
fn every_format_depth_and_layout_decodes_as_in_pillow() {
    let root = fixtures("formats");
    for path in files(&root.join("images")) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let found = open(&path).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let expected = open(root.join("expected").join(format!("{name}.png"))).unwrap();
        let is_jpeg = [".jpg", ".jpe", ".jpeg", ".jfif"]
            .iter()
            .any(|ending| name.ends_with(ending));
        let lossy = name == "lossy.webp" || is_jpeg && name != "rgb_named_jpeg.jpg";
        if lossy {
            let (mean, max) = difference(&found, &expected);
            println!("{name:25} mean {mean:.4} max {max}");
            assert!(mean <= 0.8, "{name}: mean difference {mean}");
        } else {
            assert_same(&name, &found, &expected);
        }
    }
}

/// Checks that every image file extension belongs to a format that the tests decode.
#[test]
fn image_extensions_are_those_of_decoded_formats() {
    let names = files(&fixtures("formats").join("images"));
    assert!(names.iter().all(has_image_ending));
    for ending in IMAGE_ENDINGS {
        let mut endings = names.iter().filter_map(|path| path.extension());
        assert!(
            endings.any(|found| found == ending),
            "no image ends with .{ending}"
        );
    }
}
