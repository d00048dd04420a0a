//! Images with one and four channels: Pillow's modes `L` and `RGBA`.

use burn::backend::{Flex, flex::FlexDevice};
use resnet_image::{
    BatchError, Channels, Filter, PerChannel, Pixels, Preprocessing, RgbImage, open_as, to_tensor,
};
use serde::Deserialize;

use crate::{files, fixtures};

fn same(label: &str, found: &Pixels, expected: &Pixels) {
    assert_eq!(found.dimensions(), expected.dimensions(), "{label}");
    let count = found.channels().count();
    let pairs = found
        .as_raw()
        .chunks(count)
        .zip(expected.as_raw().chunks(count));
    let width = found.dimensions().0 as usize;
    if let Some((at, (found, expected))) = pairs.enumerate().find(|(_, (a, b))| a != b) {
        let place = (at % width, at / width);
        panic!("{label}: pixel {place:?}: expected {expected:?}, found {found:?}");
    }
}

#[test]
fn every_format_depth_and_layout_converts_as_in_pillow() {
    for (folder, channels) in [("L", Channels::Gray), ("RGBA", Channels::Rgba)] {
        let keyed = files(&fixtures("channels").join("keyed"));
        for path in files(&fixtures("formats").join("images"))
            .into_iter()
            .chain(keyed)
        {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let label = format!("{name} to {folder}");
            let found =
                open_as(&path, channels).unwrap_or_else(|error| panic!("{label}: {error:?}"));
            let expected = fixtures("channels")
                .join(folder)
                .join(format!("{name}.png"));
            let expected = open_as(expected, channels).unwrap();
            let is_jpeg = [".jpg", ".jpe", ".jpeg", ".jfif"]
                .iter()
                .any(|end| name.ends_with(end));
            if name == "lossy.webp" || is_jpeg && name != "rgb_named_jpeg.jpg" {
                assert_eq!(found.dimensions(), expected.dimensions(), "{label}");
                let pairs = found.as_raw().iter().zip(expected.as_raw());
                let sum: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
                let mean = sum as f64 / found.as_raw().len() as f64;
                assert!(mean <= 0.8, "{label}: mean difference {mean}");
            } else {
                same(&label, &found, &expected);
            }
        }
    }
}

#[derive(Deserialize)]
struct Case {
    channels: usize,
    image: String,
    resize: Option<u32>,
    crop: Option<u32>,
    filter: Filter,
}

#[test]
fn preprocessing_with_one_and_four_channels_matches_torchvision_byte_for_byte() {
    let folder = fixtures("channels");
    let json = std::fs::read_to_string(folder.join("recipes.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&json).unwrap();
    assert_eq!(cases.len(), 60);
    for (number, case) in cases.into_iter().enumerate() {
        let numbers = PerChannel::try_from(&[0.5; 4][..case.channels]).unwrap();
        let preprocessing = Preprocessing {
            resize: case.resize,
            crop: case.crop,
            filter: case.filter,
            mean: numbers,
            std: numbers,
        };
        let image = open_as(
            folder.join("images").join(&case.image),
            preprocessing.channels(),
        )
        .unwrap();
        let found = preprocessing.apply_to(image).unwrap();
        let expected = folder.join("recipes").join(format!("{number}.png"));
        let expected = open_as(expected, preprocessing.channels()).unwrap();
        same(
            &format!("{number}: {} by {preprocessing:?}", case.image),
            &found,
            &expected,
        );
    }
}

#[test]
fn batches_have_one_plane_per_mean() {
    let gray = Pixels::Gray(image::GrayImage::from_fn(3, 2, |x, y| {
        image::Luma([(x + 3 * y) as u8])
    }));
    let batch =
        to_tensor::<Flex>(&[gray.clone(), gray.clone()], [0.5], [0.25], &FlexDevice).unwrap();
    assert_eq!(batch.dims(), [2, 1, 2, 3]);
    let values: Vec<f32> = batch.into_data().to_vec().unwrap();
    let expected = |x: u8| (f32::from(x) / 255.0 - 0.5) / 0.25;
    assert_eq!(
        values,
        (0..12).map(|i| expected(i % 6)).collect::<Vec<f32>>()
    );

    let rgba = image::RgbaImage::from_pixel(2, 1, image::Rgba([10, 20, 30, 40]));
    let batch = to_tensor::<Flex>(&[rgba], [0.0; 4], [1.0, 1.0, 1.0, 0.5], &FlexDevice).unwrap();
    assert_eq!(batch.dims(), [1, 4, 1, 2]);
    let values: Vec<f32> = batch.into_data().to_vec().unwrap();
    assert_eq!(values[..2], [10.0 / 255.0; 2]);
    assert_eq!(values[6..], [40.0 / 255.0 / 0.5; 2]);

    let rgb = Pixels::Rgb(RgbImage::new(3, 2));
    let error = to_tensor::<Flex>(&[gray, rgb], [0.5], [0.5], &FlexDevice).unwrap_err();
    let expected = BatchError::ChannelMismatch {
        index: 1,
        expected: 1,
        found: 3,
    };
    assert_eq!(error, expected);
}
