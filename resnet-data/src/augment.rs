//! Images changed at random, so that a network sees no image twice. Each change is torchvision's.

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

/// A rectangle to be blanked: left, top, width, height.
pub(crate) type Erase = Option<[u32; 4]>;

/// What is done to an image in training, in this order. Your own [`Transform`]s come after the changes of color, and before
/// a rectangle is blanked.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Augment {
    /// Which part of it is seen.
    pub crop: Crop,
    /// How likely left and right are exchanged.
    #[serde(default)]
    pub flip: f64,
    /// Changes of color and form.
    #[serde(default)]
    pub policy: Policy,
    /// Changes of color.
    #[serde(default)]
    pub jitter: Jitter,
    /// How likely a rectangle is blanked: torchvision's `RandomErasing`, 2 % to 33 % of the area.
    #[serde(default)]
    pub erase: f64,
}

/// Changes of color and form, a few of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Policy {
    /// None.
    #[default]
    None,
    /// RandAugment (Cubuk et al. 2019).
    Rand {
        /// Changes an image.
        ops: u32,
        /// How strong, 0 to 30.
        magnitude: u32,
    },
    /// TrivialAugment, wide (Müller & Hutter 2021).
    Trivial,
}

/// torchvision's `ColorJitter`: the largest change of each kind, in an order of its own every time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Jitter {
    /// Of the brightness: a factor of `1 - b` to `1 + b`.
    pub brightness: f64,
    /// Of the contrast, likewise.
    pub contrast: f64,
    /// Of the saturation, likewise.
    pub saturation: f64,
    /// Of the hue: a turn of `-h` to `h` of the circle, 0.5 at most.
    pub hue: f64,
}

impl Augment {
    /// A random crop of the image with 4 black pixels around it, flipped by half: the CIFAR papers'.
    pub fn cifar() -> Self {
        let crop = Crop::Padded {
            size: 32,
            padding: 4,
        };
        Self::new(crop)
    }

    /// A random rectangle of 8 % to all of the area at `size` pixels, flipped by half: that of torchvision's first
    /// ImageNet weights.
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

    /// Checks what the types cannot.
    ///
    /// # Errors
    ///
    /// If a number is out of its range.
    ///
    /// ```
    /// use resnet_data::Augment;
    ///
    /// let error = Augment { flip: 1.5, ..Augment::cifar() }.validate().unwrap_err();
    /// assert_eq!(error.to_string(), "`flip` of the augmentation: expected a number from 0 to 1, found 1.5");
    /// ```
    pub fn validate(&self) -> Result<(), AugmentError> {
        let shares = [("flip", self.flip), ("erase", self.erase)];
        for (field, value) in shares.into_iter().chain(self.jitter.changes()) {
            check(field, value, 0.0, 1.0)?;
        }
        check("hue", self.jitter.hue, 0.0, 0.5)?;
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

    /// The image as the network sees it once, but for what is blanked after normalization.
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

    /// The rectangle to be blanked in an image of these sides, drawn after [`apply`](Self::apply).
    pub(crate) fn erased(&self, sides: (u32, u32), random: &mut Random) -> Erase {
        match random.random_bool(self.erase) {
            true => erased(sides, random),
            false => None,
        }
    }
}

/// The largest side of a padded crop: a square of 16,777,216 pixels.
const MAX_PADDED: f64 = 4096.0;

/// A number of an augmentation, or of a mix, is out of its range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("`{field}` of the augmentation: expected a number from {least} to {most}, found {found}")]
#[non_exhaustive]
pub struct AugmentError {
    /// Its name.
    pub field: &'static str,
    /// The least it may be.
    pub least: f64,
    /// The most it may be.
    pub most: f64,
    /// What it is.
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
    fn changes(&self) -> [(&'static str, f64); 3] {
        [
            ("brightness", self.brightness),
            ("contrast", self.contrast),
            ("saturation", self.saturation),
        ]
    }

    fn apply(&self, image: &mut RgbImage, random: &mut Random) {
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

/// torchvision's `RandomErasing`: ten tries, then none.
fn erased((width, height): (u32, u32), random: &mut Random) -> Erase {
    for _ in 0..10 {
        // Its ratio is of height to width.
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
