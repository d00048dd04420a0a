//! Computes embeddings of images and finds the nearest neighbor of each by cosine similarity.
//!
//! `cargo run --release -p resnet-infer --example embeddings [IMAGE]...`

#![expect(clippy::print_stdout, reason = "an example shows its results")]

use image::imageops::{brighten, crop_imm, flip_horizontal};
use image::{Rgb, RgbImage};
use resnet_infer::{Classifier, ImageInput};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let (names, images) = match paths.len() {
        0 => samples()?,
        _ => (paths.clone(), paths.into_iter().map(Into::into).collect()),
    };
    let name = "cifar_resnet20.resnet_zoo_c10";
    let classifier = Classifier::pretrained(name)?;
    let embeddings = classifier.embed(images)?;
    println!("{} numbers per image", embeddings[0].len());
    for (i, name) in names.iter().enumerate() {
        let similarity = |j: &usize| cosine(&embeddings[i], &embeddings[*j]);
        let others = (0..names.len()).filter(|j| *j != i);
        let nearest = others.max_by(|a, b| similarity(a).total_cmp(&similarity(b)));
        if let Some(j) = nearest {
            println!("{name}: {} (cosine {:.3})", names[j], similarity(&j));
        }
    }
    Ok(())
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Returns variants of a cat photo and of a checkerboard, with their names.
fn samples() -> Result<(Vec<String>, Vec<ImageInput>), resnet_image::OpenError> {
    let cat = resnet_image::open(concat!(env!("CARGO_MANIFEST_DIR"), "/sample/chelsea.png"))?;
    let (width, height) = cat.dimensions();
    let drawing = RgbImage::from_fn(64, 64, |x, y| match (x / 8 + y / 8) % 2 {
        0 => Rgb([200, 40, 40]),
        _ => Rgb([240, 240, 60]),
    });
    let images = [
        ("cat, mirrored", flip_horizontal(&cat)),
        ("cat, brighter", brighten(&cat, 40)),
        (
            "cat, cropped",
            crop_imm(&cat, 20, 20, width - 40, height - 40).to_image(),
        ),
        ("cat", cat),
        ("checkers, darker", brighten(&drawing, -40)),
        ("checkers", drawing),
    ];
    let pair = |(name, image): (&str, RgbImage)| (name.to_string(), image.into());
    Ok(images.into_iter().map(pair).unzip())
}
