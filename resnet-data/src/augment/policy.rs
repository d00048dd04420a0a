//! RandAugment and TrivialAugment.

use image::RgbImage;
use rand::RngExt;

use super::{color, geometry};
use crate::random::Random;

/// The number of magnitude bins; 0 is the weakest.
const BINS: u32 = 31;

/// An operation on an image. torchvision's `AutoAugment` documents the operations with a magnitude.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
}

const OPS: [Op; 14] = [
    Op::Identity,
    Op::ShearX,
    Op::ShearY,
    Op::TranslateX,
    Op::TranslateY,
    Op::Rotate,
    Op::Brightness,
    Op::Color,
    Op::Contrast,
    Op::Sharpness,
    Op::Posterize,
    Op::Solarize,
    Op::AutoContrast,
    Op::Equalize,
];

/// The maximum magnitude of each operation of a policy.
#[derive(Clone, Copy)]
struct Space {
    shear: f64,
    /// The maximum translation, in pixels or as a share of the side.
    translate: Translate,
    rotate: f64,
    enhance: f64,
    /// The number of bits that posterize removes.
    posterize: f64,
}

#[derive(Clone, Copy)]
enum Translate {
    Share(f64),
    Pixels(f64),
}

const RAND_AUGMENT: Space = Space {
    shear: 0.3,
    translate: Translate::Share(150.0 / 331.0),
    rotate: 30.0,
    enhance: 0.9,
    posterize: 4.0,
};

const TRIVIAL_AUGMENT: Space = Space {
    shear: 0.99,
    translate: Translate::Pixels(32.0),
    rotate: 135.0,
    enhance: 0.99,
    posterize: 6.0,
};

/// Applies `ops` random operations, drawn with replacement, with `magnitude` of 30 (Cubuk et al.
/// 2019), as torchvision's `RandAugment` does.
pub(super) fn rand_augment(image: &mut RgbImage, ops: u32, magnitude: u32, random: &mut Random) {
    for _ in 0..ops {
        draw(image, RAND_AUGMENT, Some(magnitude), random);
    }
}

/// Applies one operation with a random magnitude (Müller & Hutter 2021), as torchvision's
/// `TrivialAugmentWide` does.
pub(super) fn trivial_augment(image: &mut RgbImage, random: &mut Random) {
    draw(image, TRIVIAL_AUGMENT, None, random);
}

fn draw(image: &mut RgbImage, space: Space, magnitude: Option<u32>, random: &mut Random) {
    let op = OPS[random.random_range(0..OPS.len())];
    let bin = magnitude.unwrap_or_else(|| random.random_range(0..BINS));
    let sides = [image.width(), image.height()];
    let negative = op.is_signed() && random.random_bool(0.5);
    let strength = space.strength(op, bin, sides);
    op.apply(image, if negative { -strength } else { strength });
}

impl Space {
    /// Returns the magnitude in torchvision's `_augmentation_space` for a bin.
    fn strength(&self, op: Op, bin: u32, [width, height]: [u32; 2]) -> f64 {
        let share = f64::from(bin.min(BINS - 1)) / f64::from(BINS - 1);
        let pixels = |side: u32| match self.translate {
            Translate::Share(most) => most * f64::from(side) * share,
            Translate::Pixels(most) => most * share,
        };
        match op {
            Op::Identity | Op::AutoContrast | Op::Equalize => 0.0,
            Op::ShearX | Op::ShearY => self.shear * share,
            Op::TranslateX => pixels(width),
            Op::TranslateY => pixels(height),
            Op::Rotate => self.rotate * share,
            Op::Brightness | Op::Color | Op::Contrast | Op::Sharpness => self.enhance * share,
            Op::Posterize => 8.0 - (self.posterize * share).round_ties_even(),
            Op::Solarize => 255.0 * (1.0 - share),
        }
    }
}

impl Op {
    fn is_signed(self) -> bool {
        !matches!(
            self,
            Self::Identity | Self::Posterize | Self::Solarize | Self::AutoContrast | Self::Equalize
        )
    }

    /// Applies the operation as torchvision's `_apply_op` does to a Pillow image.
    pub(super) fn apply(self, image: &mut RgbImage, strength: f64) {
        let factor = (1.0 + strength) as f32;
        match self {
            Self::Identity => {}
            Self::ShearX => geometry::shear_x(image, strength),
            Self::ShearY => geometry::shear_y(image, strength),
            Self::TranslateX => geometry::translate(image, [strength as i32, 0]),
            Self::TranslateY => geometry::translate(image, [0, strength as i32]),
            Self::Rotate => geometry::rotate(image, strength),
            Self::Brightness => color::brightness(image, factor),
            Self::Color => color::saturation(image, factor),
            Self::Contrast => color::contrast(image, factor),
            Self::Sharpness => color::sharpness(image, factor),
            Self::Posterize => color::posterize(image, strength as u32),
            Self::Solarize => color::solarize(image, strength as f32),
            Self::AutoContrast => color::auto_contrast(image),
            Self::Equalize => color::equalize(image),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::imageops::crop_imm;
    use serde_json::Value;

    fn fixture(name: &str) -> String {
        let folder = env!("CARGO_MANIFEST_DIR");
        format!("{folder}/tests/fixtures/augment/{name}")
    }

    fn cases() -> Value {
        serde_json::from_str(&std::fs::read_to_string(fixture("cases.json")).unwrap()).unwrap()
    }

    fn op(name: &str) -> Option<Op> {
        OPS.into_iter().find(|op| format!("{op:?}") == name)
    }

    #[test]
    fn every_operation_matches_torchvision_byte_for_byte() {
        let input = resnet_image::open(fixture("input.png")).unwrap();
        let sheet = resnet_image::open(fixture("expected.png")).unwrap();
        let (width, height) = input.dimensions();
        let mut wrong = Vec::new();
        for (i, case) in cases()["cases"].as_array().unwrap().iter().enumerate() {
            let (name, strength) = (case[0].as_str().unwrap(), case[1].as_f64().unwrap());
            let mut found = input.clone();
            match op(name) {
                Some(op) => op.apply(&mut found, strength),
                None => color::hue(&mut found, strength as f32),
            }
            let expected = crop_imm(&sheet, 0, i as u32 * height, width, height).to_image();
            let pairs = found.as_raw().iter().zip(expected.as_raw());
            let differing = pairs.filter(|(a, b)| a != b).count();
            if differing > 0 {
                wrong.push(format!("{name} {strength}: {differing} bytes"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn magnitudes_match_torchvision() {
        let cases = cases();
        for (name, space) in [("rand", RAND_AUGMENT), ("trivial", TRIVIAL_AUGMENT)] {
            let table = cases["strengths"][name].as_object().unwrap();
            assert_eq!(table.len(), OPS.len());
            for (name, strengths) in table {
                let op = op(name).unwrap();
                for (bin, expected) in strengths.as_array().unwrap().iter().enumerate() {
                    let found = space.strength(op, bin as u32, [45, 33]);
                    let expected = expected.as_f64().unwrap();
                    assert!(
                        (found - expected).abs() < 1e-4,
                        "{name} {bin}: {found} {expected}"
                    );
                }
            }
        }
    }
}
