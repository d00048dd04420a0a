//! Random augmentation of training images, as torchvision defines it.

mod color;
mod crop;
mod geometry;
mod mix;
mod policy;
mod transform;

use image::RgbImage;
use image::imageops::flip_horizontal_in_place;
use rand::RngExt;
use rand::seq::SliceRandom;
use resnet_image::{Filter, Preprocessing, TransformError};
use serde::{Deserialize, Serialize};

pub use crop::Crop;
pub use mix::Mix;
pub use transform::Transform;
pub(crate) use transform::Transforms;

use crate::random::Random;

/// A rectangle to erase: left, top, width, height.
pub(crate) type Erase = Option<[u32; 4]>;

/// Augmentation of training images, applied in the order of the fields.
///
/// Your own [`Transform`]s run after the color jitter and before random erasing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Augment {
    /// The crop.
    pub crop: Crop,
    /// The probability of a horizontal flip.
    #[serde(default)]
    pub flip: f64,
    /// The augmentation policy: random changes of color and geometry.
    #[serde(default)]
    pub policy: Policy,
    /// The color jitter.
    #[serde(default)]
    pub jitter: Jitter,
    /// The probability of random erasing. As in torchvision's `RandomErasing`, the rectangle covers
    /// 2% to 33% of the area.
    #[serde(default)]
    pub erase: f64,
}

/// An augmentation policy, which applies random changes of color and geometry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Policy {
    /// No policy.
    #[default]
    None,
    /// RandAugment (Cubuk et al. 2019).
    Rand {
        /// The number of operations per image.
        ops: u32,
        /// The magnitude of each operation, 0 to 30.
        magnitude: u32,
    },
    /// TrivialAugment with the wide search space (Müller & Hutter 2021).
    Trivial,
}

/// torchvision's `ColorJitter`, which applies the four changes in random order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Jitter {
    /// The maximum change `b` of the brightness: a factor between `1 - b` and `1 + b`.
    pub brightness: f64,
    /// The maximum change `c` of the contrast: a factor between `1 - c` and `1 + c`.
    pub contrast: f64,
    /// The maximum change `s` of the saturation: a factor between `1 - s` and `1 + s`.
    pub saturation: f64,
    /// The maximum rotation `h` of the hue, at most 0.5: a fraction of the color circle between
    /// `-h` and `h`.
    pub hue: f64,
}

impl Augment {
    /// Creates the augmentation of the CIFAR papers: a 32x32 random crop with 4 black pixels of
    /// padding, and a flip with probability 0.5.
    pub fn cifar() -> Self {
        let crop = Crop::Padded {
            size: 32,
            padding: 4,
        };
        Self::new(crop)
    }

    /// Creates the augmentation of torchvision's first ImageNet weights: a random crop of 8% to
    /// 100% of the area, resized to `size` pixels, and a flip with probability 0.5.
    pub fn imagenet(size: u32) -> Self {
        let crop = Crop::RandomResized {
            size,
            scale: [0.08, 1.0],
            filter: Filter::Bilinear,
        };
        Self::new(crop)
    }

    fn new(crop: Crop) -> Self {
        Self {
            crop,
            flip: 0.5,
            policy: Policy::None,
            jitter: Jitter::default(),
            erase: 0.0,
        }
    }

    /// Checks that every number is in its range.
    ///
    /// # Errors
    ///
    /// Returns an error if a number is out of its range.
    ///
    /// ```
    /// use resnet_data::Augment;
    ///
    /// let error = Augment { flip: 1.5, ..Augment::cifar() }.validate().unwrap_err();
    /// assert_eq!(error.to_string(), "`flip` of the augmentation: expected a number from 0 to 1, found 1.5");
    /// ```
    pub fn validate(&self) -> Result<(), AugmentError> {
        for (field, value) in [("flip", self.flip), ("erase", self.erase)] {
            check(field, value, 0.0, 1.0)?;
        }
        self.jitter.validate()?;
        if let Policy::Rand { ops, magnitude } = self.policy {
            check("ops", ops.into(), 0.0, 100.0)?;
            check("magnitude", magnitude.into(), 0.0, 30.0)?;
        }
        let most = resnet_image::MAX_SIDE as f64;
        match self.crop {
            Crop::RandomResized { size, scale, .. } => {
                check("size", size.into(), 1.0, most)?;
                check("scale", scale[1], 0.0, 1.0)?;
                check("scale", scale[0], 0.0, scale[1])
            }
            Crop::Padded { size, padding } => {
                check("padding", padding.into(), 0.0, most)?;
                check("size", size.into(), 1.0, MAX_PADDED)
            }
            Crop::Preprocessing => Ok(()),
        }
    }

    /// Augments an image, without random erasing, which follows normalization.
    pub(crate) fn apply(
        &self,
        image: RgbImage,
        preprocessing: &Preprocessing,
        random: &mut Random,
    ) -> Result<RgbImage, TransformError> {
        let mut image = match self.crop {
            Crop::RandomResized {
                size,
                scale,
                filter,
            } => crop::random_resized(&image, size, scale, filter, random)?,
            Crop::Padded { size, padding } => crop::padded(&image, size, padding, random),
            Crop::Preprocessing => preprocessing.apply(image)?,
        };
        if random.random_bool(self.flip) {
            flip_horizontal_in_place(&mut image);
        }
        match self.policy {
            Policy::None => {}
            Policy::Rand { ops, magnitude } => {
                policy::rand_augment(&mut image, ops, magnitude, random);
            }
            Policy::Trivial => policy::trivial_augment(&mut image, random),
        }
        self.jitter.apply(&mut image, random);
        Ok(image)
    }

    /// Draws the rectangle to erase in an image with these sides. Call it after
    /// [`apply`](Self::apply).
    pub(crate) fn erased(&self, sides: (u32, u32), random: &mut Random) -> Erase {
        match random.random_bool(self.erase) {
            true => erased(sides, random),
            false => None,
        }
    }
}

/// The maximum side of a padded crop: a square of 16,777,216 pixels.
const MAX_PADDED: f64 = 4096.0;

/// A number of an augmentation or a mix that is out of its range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("`{field}` of the augmentation: expected a number from {least} to {most}, found {found}")]
#[non_exhaustive]
pub struct AugmentError {
    /// The name of the number.
    pub field: &'static str,
    /// The minimum.
    pub least: f64,
    /// The maximum.
    pub most: f64,
    /// The number found.
    pub found: f64,
}

pub(crate) fn check(
    field: &'static str,
    found: f64,
    least: f64,
    most: f64,
) -> Result<(), AugmentError> {
    match (least..=most).contains(&found) {
        true => Ok(()),
        false => Err(AugmentError {
            field,
            least,
            most,
            found,
        }),
    }
}

impl Jitter {
    /// Checks that every number is in its range.
    pub(crate) fn validate(&self) -> Result<(), AugmentError> {
        for (field, value) in self.changes() {
            check(field, value, 0.0, 1.0)?;
        }
        check("hue", self.hue, 0.0, 0.5)
    }

    fn changes(&self) -> [(&'static str, f64); 3] {
        [
            ("brightness", self.brightness),
            ("contrast", self.contrast),
            ("saturation", self.saturation),
        ]
    }

    pub(crate) fn apply(&self, image: &mut RgbImage, random: &mut Random) {
        let mut order = [0, 1, 2, 3];
        order.shuffle(random);
        let mut factor = |most: f64| random.random_range((1.0 - most).max(0.0)..=1.0 + most) as f32;
        let [brightness, contrast, saturation] =
            [self.brightness, self.contrast, self.saturation].map(&mut factor);
        let hue = random.random_range(-self.hue..=self.hue) as f32;
        for change in order {
            match change {
                0 if self.brightness > 0.0 => color::brightness(image, brightness),
                1 if self.contrast > 0.0 => color::contrast(image, contrast),
                2 if self.saturation > 0.0 => color::saturation(image, saturation),
                3 if self.hue > 0.0 => color::hue(image, hue),
                _ => {}
            }
        }
    }
}

/// Draws the rectangle of torchvision's `RandomErasing`, which gives up after ten tries.
fn erased((width, height): (u32, u32), random: &mut Random) -> Erase {
    for _ in 0..10 {
        // torchvision defines the ratio as height to width.
        let [h, w] = crop::random_sides(width, height, [0.02, 0.33], [0.3, 3.3], random);
        if h < height && w < width {
            let [x, y] = [
                random.random_range(0..=width - w),
                random.random_range(0..=height - h),
            ];
            return Some([x, y, w, h]);
        }
    }
    None
}
