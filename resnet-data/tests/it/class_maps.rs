//! Class maps in PNG files.

use std::fs::{self, File};
use std::path::Path;

use png::{BitDepth, ColorType};
use resnet_data::class_maps::{ClassMapDataset, read_indices};
use resnet_data::objects::ObjectOptions;

/// Writes a PNG of 5 x 2 pixels.
fn save(path: &Path, color: ColorType, depth: BitDepth, rows: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut encoder = png::Encoder::new(File::create(path).unwrap(), 5, 2);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == ColorType::Indexed {
        encoder.set_palette(vec![0_u8; 3 << depth as usize]);
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(rows).unwrap();
    writer.finish().unwrap();
}

/// Pillow writes palettes of at most 16 colors with 1, 2 or 4 bits per pixel.
#[test]
fn palette_indices_have_1_2_4_or_8_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.png");
    let cases: [(BitDepth, &[u8], [u8; 10]); 4] = [
        (
            BitDepth::One,
            &[0b1011_0000, 0b0111_1000],
            [1, 0, 1, 1, 0, 0, 1, 1, 1, 1],
        ),
        (
            BitDepth::Two,
            &[0b0001_1011, 0b0100_0000, 0b1100_0010, 0b0100_0000],
            [0, 1, 2, 3, 1, 3, 0, 0, 2, 1],
        ),
        (
            BitDepth::Four,
            &[0x12, 0x34, 0x50, 0xf0, 0x78, 0x90],
            [1, 2, 3, 4, 5, 15, 0, 7, 8, 9],
        ),
        (
            BitDepth::Eight,
            &[1, 2, 3, 4, 5, 255, 0, 7, 8, 9],
            [1, 2, 3, 4, 5, 255, 0, 7, 8, 9],
        ),
    ];
    for (depth, rows, expected) in cases {
        save(&path, ColorType::Indexed, depth, rows);
        let (size, indices) = read_indices(&path).unwrap();
        assert_eq!((size, indices), ([5, 2], expected.to_vec()), "{depth:?}");
    }
}

/// Programs scale gray values when they change the number of bits, so that 1 of 1 bit may be 255.
#[test]
fn gray_values_have_8_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mask.png");
    let rows = [7; 10];
    save(&path, ColorType::Grayscale, BitDepth::Eight, &rows);
    assert_eq!(read_indices(&path).unwrap(), ([5, 2], rows.to_vec()));
    save(&path, ColorType::Grayscale, BitDepth::Four, &rows[..6]);
    let error = read_indices(&path).unwrap_err().to_string();
    assert!(error.contains("gray values of 8 bits"), "{error}");
    assert!(error.contains("found Grayscale of 4 bits"), "{error}");
}

#[test]
fn unreadable_class_maps_do_not_count_classes() {
    let folder = tempfile::tempdir().unwrap();
    let mask = |name: &str| folder.path().join(format!("masks/{name}.png"));
    for name in ["a", "b"] {
        let image = folder.path().join(format!("images/{name}.png"));
        save(&image, ColorType::Rgb, BitDepth::Eight, &[0; 30]);
        save(&mask(name), ColorType::Rgb, BitDepth::Eight, &[0; 30]);
    }
    let open = || ClassMapDataset::open(folder.path(), &ObjectOptions::default());
    let error = open().unwrap_err().to_string();
    assert!(error.contains("only unreadable class maps"), "{error}");
    assert!(error.contains("found Rgb of 8 bits"), "{error}");
    // One readable map gives the classes.
    save(&mask("b"), ColorType::Indexed, BitDepth::Eight, &[3; 10]);
    let [train, _] = open().unwrap();
    assert_eq!(
        train.classes(),
        ["class 0", "class 1", "class 2", "class 3"]
    );
    // With the class names, loading the image reports its class map.
    save(&mask("b"), ColorType::Rgb, BitDepth::Eight, &[0; 30]);
    fs::write(folder.path().join("classes.txt"), "none\ndog\n").unwrap();
    let [train, valid] = open().unwrap();
    for image in train.images().iter().chain(valid.images()) {
        let error = image.load().unwrap_err().to_string();
        assert!(error.contains("found Rgb of 8 bits"), "{error}");
    }
}
