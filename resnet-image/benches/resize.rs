//! Benchmarks decoding of a 2000x1500 JPEG, resizing to 256, and both together as preprocessing.

use std::hint::black_box;
use std::io::Cursor;

use criterion::{Criterion, criterion_group, criterion_main};
use image::ImageFormat;
use resnet_image::{Filter, Preprocessing, RgbImage, decode, resize_shorter_side};

/// Creates waves of many lengths with a little noise, so that the JPEG is about as complex as a
/// photo.
fn photo() -> RgbImage {
    let mut noise = 1u32;
    RgbImage::from_fn(2000, 1500, |x, y| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let grain = (noise >> 28) as f32;
        let wave = |length: f32| ((x as f32 + 0.7 * y as f32) / length).sin() * 40.0;
        let values = [
            wave(310.0) + wave(23.0),
            wave(140.0) + wave(11.0),
            wave(71.0) + wave(47.0),
        ];
        image::Rgb(values.map(|value| (value + 120.0 + grain) as u8))
    })
}

fn benches(criterion: &mut Criterion) {
    let image = photo();
    let mut jpeg = Vec::new();
    image
        .write_to(&mut Cursor::new(&mut jpeg), ImageFormat::Jpeg)
        .expect("encodes");

    criterion.bench_function("decode", |bencher| {
        bencher.iter(|| decode(black_box(&jpeg)))
    });
    for filter in [Filter::Bilinear, Filter::Bicubic] {
        criterion.bench_function(&format!("resize/{filter}"), |bencher| {
            bencher.iter(|| resize_shorter_side(black_box(&image), 256, filter));
        });
        let preprocessing = Preprocessing {
            filter,
            ..Preprocessing::imagenet()
        };
        criterion.bench_function(&format!("decode_and_apply/{filter}"), |bencher| {
            bencher.iter(|| preprocessing.apply(decode(black_box(&jpeg)).expect("decodes")));
        });
    }
}

criterion_group!(resize, benches);
criterion_main!(resize);
