use resnet_image::open;

use crate::{assert_same, difference, files, fixtures};

/// Lossless sources are exact; the lossy ones pass through other decoders than Pillow's.
#[test]
fn every_format_depth_and_layout_decodes_as_in_pillow() {
    let root = fixtures("formats");
    for path in files(&root.join("images")) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let found = open(&path).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let expected = open(root.join("expected").join(format!("{name}.png"))).unwrap();
        let lossy = name == "lossy.webp" || name.ends_with(".jpg") && name != "rgb_named_jpeg.jpg";
        if lossy {
            let (mean, max) = difference(&found, &expected);
            println!("{name:25} mean {mean:.4} max {max}");
            assert!(mean <= 0.8, "{name}: mean difference {mean}");
        } else {
            assert_same(&name, &found, &expected);
        }
    }
}
