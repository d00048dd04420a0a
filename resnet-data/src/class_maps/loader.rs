//! Batches of images with class maps.

use burn::tensor::{Tensor, backend::Backend};
use image::imageops::{self, flip_horizontal_in_place};
use image::{GrayImage, Luma, Rgb, RgbImage};
use rand::RngExt;
use resnet_image::{BatchError, Filter, PerChannel, to_tensor};
use serde::{Deserialize, Serialize};

use super::{ClassMapDataset, IGNORE};
use crate::augment::check;
use crate::data_loader::with_causes;
use crate::epoch_loader::{EpochLoader, TrainingSamples};
use crate::random::{For, Random, random};
use crate::{AugmentError, BadImage, Jitter};

/// The color of pixels beyond the image: ImageNet's mean color.
const FILL: Rgb<u8> = Rgb([124, 116, 104]);

/// Augmentation of images with class maps, as in torchvision's reference: random resizing, flip and
/// crop.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ClassMapAugment {
    /// The color jitter.
    pub jitter: Jitter,
    /// The shorter side before random resizing, in pixels [default: 520].
    pub size: u32,
    /// The smallest and the largest factor of random resizing [default: 0.5 and 2].
    pub scale: [f64; 2],
    /// The probability of a horizontal flip [default: 0.5].
    pub flip: f64,
    /// The side of the random square crop in pixels [default: 480]. Pixels beyond the image have no
    /// class.
    pub crop: u32,
}

impl Default for ClassMapAugment {
    fn default() -> Self {
        Self {
            jitter: Jitter::default(),
            size: 520,
            scale: [0.5, 2.0],
            flip: 0.5,
            crop: 480,
        }
    }
}

impl ClassMapAugment {
    /// Checks that every number is in its range.
    ///
    /// # Errors
    ///
    /// Returns an error if a number is out of its range.
    pub fn validate(&self) -> Result<(), AugmentError> {
        self.jitter.validate()?;
        check("size", self.size.into(), 1.0, 8192.0)?;
        check("scale", self.scale[1], 0.01, 10.0)?;
        check("scale", self.scale[0], 0.01, self.scale[1])?;
        check("flip", self.flip, 0.0, 1.0)?;
        check("crop", self.crop.into(), 1.0, 8192.0)
    }

    fn apply(
        &self,
        mut image: RgbImage,
        map: Vec<u8>,
        random: &mut Random,
    ) -> Result<(RgbImage, Vec<u8>), String> {
        self.jitter.apply(&mut image, random);
        let (width, height) = image.dimensions();
        let map = GrayImage::from_raw(width, height, map).ok_or("no class for each pixel")?;
        let factor = random.random_range(self.scale[0]..=self.scale[1]);
        let factor = f64::from(self.size) * factor / f64::from(width.min(height));
        let [w, h] = [width, height].map(|side| ((f64::from(side) * factor) as u32).max(1));
        let mut image = resnet_image::resize(&image, w, h, Filter::Bilinear)
            .map_err(|error| with_causes(&error))?;
        let mut map = imageops::resize(&map, w, h, imageops::FilterType::Nearest);
        if random.random_bool(self.flip) {
            flip_horizontal_in_place(&mut image);
            flip_horizontal_in_place(&mut map);
        }
        let at = |side: u32, random: &mut Random| {
            i64::from(random.random_range(0..=side.saturating_sub(self.crop)))
        };
        let [x, y] = [at(w, random), at(h, random)];
        let mut square = RgbImage::from_pixel(self.crop, self.crop, FILL);
        imageops::replace(&mut square, &image, -x, -y);
        let mut classes = GrayImage::from_pixel(self.crop, self.crop, Luma([IGNORE]));
        imageops::replace(&mut classes, &map, -x, -y);
        Ok((square, classes.into_raw()))
    }
}

/// A data loader for segmentation networks.
pub type ClassMapLoader = EpochLoader<ClassMapSamples>;

/// Images with class maps, and their augmentation.
#[derive(Clone, Debug)]
pub struct ClassMapSamples {
    dataset: ClassMapDataset,
    augment: ClassMapAugment,
}

/// Images of one size with the class of each pixel.
#[derive(Clone, Debug, Default)]
pub struct ClassMapBatch {
    /// The images.
    pub images: Vec<RgbImage>,
    /// The class of each pixel, image by image and row by row.
    pub classes: Vec<usize>,
    /// The unreadable images.
    pub bad: Vec<BadImage>,
}

impl ClassMapBatch {
    /// Returns the normalized images.
    ///
    /// # Shapes
    /// - output: `[batch, 3, height, width]`
    ///
    /// # Errors
    ///
    /// Returns an error if there is no image, or mean and deviation are not for three channels.
    pub fn to_tensor<B: Backend>(
        &self,
        [mean, std]: [PerChannel; 2],
        device: &B::Device,
    ) -> Result<Tensor<B, 4>, BatchError> {
        to_tensor(&self.images, mean, std, device)
    }
}

impl ClassMapLoader {
    /// Creates a loader for training.
    ///
    /// # Errors
    ///
    /// Returns an error if a number of the augmentation is out of its range.
    pub fn training(
        dataset: ClassMapDataset,
        augment: ClassMapAugment,
    ) -> Result<Self, AugmentError> {
        augment.validate()?;
        Ok(Self::new(ClassMapSamples { dataset, augment }, 8))
    }

    /// Returns the side of the images in pixels.
    pub fn crop(&self) -> u32 {
        self.samples.augment.crop
    }

    /// Returns the dataset.
    pub fn dataset(&self) -> &ClassMapDataset {
        &self.samples.dataset
    }
}

impl TrainingSamples for ClassMapSamples {
    type Batch = ClassMapBatch;

    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn batch(&self, numbers: &[usize], [seed, epoch, _]: [u64; 3]) -> ClassMapBatch {
        let mut batch = ClassMapBatch::default();
        for &number in numbers {
            let image = &self.dataset.images()[number];
            let mut random = random(seed, For::Object, [epoch, number as u64]);
            let loaded = image.load().map_err(|error| with_causes(&error));
            match loaded.and_then(|(image, map)| self.augment.apply(image, map, &mut random)) {
                Ok((image, map)) => {
                    batch.images.push(image);
                    batch.classes.extend(map.into_iter().map(usize::from));
                }
                Err(reason) => batch.bad.push(BadImage {
                    name: image.name(),
                    reason,
                }),
            }
        }
        batch
    }
}
