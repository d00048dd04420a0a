//! Comparison of resizing with Pillow's pixels.

use proptest::prelude::*;
use resnet_image::{
    Filter, MAX_PIXELS, Preprocessing, RgbImage, TransformError, center_crop, resize,
    resize_shorter_side,
};

/// Runs one pass along x as Pillow's documentation describes it, with 64-bit sums. Visits every
/// source pixel for every output.
fn slow_pass(image: &RgbImage, width: u32, filter: Filter) -> RgbImage {
    if width == image.width() {
        return image.clone();
    }
    let scale = f64::from(image.width()) / f64::from(width);
    let stretch = scale.max(1.0);
    let radius = stretch * if filter == Filter::Bicubic { 2.0 } else { 1.0 };
    let kernel = |x: f64| -> f64 {
        let x = x.abs();
        match filter {
            Filter::Bilinear => (1.0 - x).max(0.0),
            Filter::Bicubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Filter::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5,
            Filter::Bicubic => 0.0,
        }
    };
    RgbImage::from_fn(width, image.height(), |x, y| {
        let center = (f64::from(x) + 0.5) * scale;
        let inside = |i: &u32| {
            let i = i64::from(*i);
            i >= (center - radius + 0.5) as i64 && i < (center + radius + 0.5) as i64
        };
        let taps: Vec<u32> = (0..image.width()).filter(inside).collect();
        let weight = |i: u32| kernel((f64::from(i) - center + 0.5) * (1.0 / stretch));
        let total: f64 = taps.iter().fold(0.0, |sum, &i| sum + weight(i));
        image::Rgb(std::array::from_fn(|channel| {
            let sum: i64 = taps
                .iter()
                .map(|&i| {
                    let fixed = weight(i) / total * f64::from(1 << 22);
                    let fixed = (fixed + 0.5f64.copysign(fixed)).trunc() as i64;
                    fixed * i64::from(image.get_pixel(i, y).0[channel])
                })
                .sum();
            ((sum + (1 << 21)) >> 22).clamp(0, 255) as u8
        }))
    })
}

fn transpose(image: &RgbImage) -> RgbImage {
    RgbImage::from_fn(image.height(), image.width(), |x, y| *image.get_pixel(y, x))
}

fn slow_resize(image: &RgbImage, width: u32, height: u32, filter: Filter) -> RgbImage {
    transpose(&slow_pass(
        &transpose(&slow_pass(image, width, filter)),
        height,
        filter,
    ))
}

fn images() -> impl Strategy<Value = RgbImage> {
    (1u32..40, 1u32..40).prop_flat_map(|(width, height)| {
        let bytes = proptest::collection::vec(any::<u8>(), (width * height * 3) as usize);
        bytes.prop_map(move |bytes| RgbImage::from_raw(width, height, bytes).unwrap())
    })
}

fn filters() -> impl Strategy<Value = Filter> {
    prop_oneof![Just(Filter::Bilinear), Just(Filter::Bicubic)]
}

proptest! {
    #[test]
    fn resize_equals_the_slow_resize(
        image in images(), width in 1u32..60, height in 1u32..60, filter in filters(),
    ) {
        let expected = slow_resize(&image, width, height, filter);
        prop_assert_eq!(resize(&image, width, height, filter).unwrap(), expected);
    }

    #[test]
    fn kept_size_is_the_identity(image in images(), filter in filters()) {
        let (width, height) = image.dimensions();
        prop_assert_eq!(&resize(&image, width, height, filter).unwrap(), &image);
        let shorter = width.min(height);
        prop_assert_eq!(&resize_shorter_side(&image, shorter, filter).unwrap(), &image);
    }

    #[test]
    fn apply_equals_resize_then_crop(
        image in images(), size in 1u32..50, crop in 1u32..70, filter in filters(),
    ) {
        let resized = resize_shorter_side(&image, size, filter).unwrap();
        let preprocessing = Preprocessing { resize: Some(size), crop: Some(crop), filter, ..Preprocessing::imagenet() };
        prop_assert_eq!(preprocessing.apply(image).unwrap(), center_crop(&resized, crop).unwrap());
    }
}

#[test]
fn long_strips_neither_overflow_nor_exhaust_the_memory() {
    let strip = |width, height| RgbImage::from_pixel(width, height, image::Rgb([9, 8, 7]));
    let expected = strip(224, 224);
    for image in [strip(1, 4_000_000), strip(4_000_000, 1)] {
        assert_eq!(
            Preprocessing::imagenet().apply(image.clone()),
            Ok(expected.clone())
        );
        let error = resize_shorter_side(&image, 256, Filter::Bicubic).unwrap_err();
        assert!(matches!(error, TransformError::TooLarge { .. }), "{error}");
        let preprocessing = Preprocessing {
            resize: Some(u32::MAX),
            ..Preprocessing::imagenet()
        };
        assert_eq!(preprocessing.apply(image), Ok(expected.clone()));
    }
    // The result is small, but the image between the passes would have 500000 x 4000000 pixels.
    let error = resize(&strip(1, 4_000_000), 500_000, 1, Filter::Bilinear).unwrap_err();
    assert_eq!(
        error,
        TransformError::TooLarge {
            width: 500_000,
            height: 4_000_000
        }
    );
    assert!(
        error.to_string().contains(&MAX_PIXELS.to_string()),
        "{error}"
    );
}
