//! Batches of images with annotated objects.

use image::RgbImage;
use rand::RngExt;
use rand::seq::index;
use resnet_dense::{DetectorConfig, ImageTensor, Target};

use super::{ObjectAugment, ObjectDataset, TargetParts};
use crate::data_loader::with_causes;
use crate::epoch_loader::{EpochLoader, TrainingSamples};
use crate::random::{For, random};
use crate::{AugmentError, BadImage};

/// A data loader for detectors.
pub type ObjectLoader = EpochLoader<ObjectSamples>;

/// Images with objects, and their augmentation.
#[derive(Clone, Debug)]
pub struct ObjectSamples {
    dataset: ObjectDataset,
    augment: ObjectAugment,
    parts: TargetParts,
    /// Lengths of the shorter side to draw from.
    min_sizes: Vec<usize>,
}

/// Images with the targets of a training step.
#[derive(Clone, Debug, Default)]
pub struct ObjectBatch {
    /// The images.
    pub images: Vec<ImageTensor>,
    /// The target of each image.
    pub targets: Vec<Target>,
    /// Length of each image's shorter side after the network's resizing.
    pub min_sizes: Vec<usize>,
    /// The unreadable images.
    pub bad: Vec<BadImage>,
    /// The random seed of the sampler.
    seed: [u64; 3],
}

impl ObjectBatch {
    /// Returns the sampler of anchors and proposals for this batch. `sampler(n, k)` returns `k`
    /// distinct indices below `n`. The same seed, epoch and batch give the same indices.
    pub fn sampler(&self) -> impl FnMut(usize, usize) -> Vec<usize> {
        let [seed, epoch, batch] = self.seed;
        let mut random = random(seed, For::Object, [epoch, batch | 1 << 63]);
        move |of, count| {
            let mut drawn = index::sample(&mut random, of, count.min(of)).into_vec();
            drawn.sort_unstable();
            drawn
        }
    }
}

impl ObjectLoader {
    /// Creates a loader for the training of a network. The config tells what the network learns, and
    /// the lengths of the shorter side to draw from. The images of a batch have similar aspect
    /// ratios.
    ///
    /// # Errors
    ///
    /// Returns an error if a number of the augmentation is out of its range.
    pub fn training(
        dataset: ObjectDataset,
        augment: ObjectAugment,
        config: &DetectorConfig,
    ) -> Result<Self, AugmentError> {
        let parts = TargetParts::of(config);
        Self::with_sizes(dataset, augment, parts, &config.transform().min_size)
    }

    /// Creates a loader with these parts of targets. The network resizes the shorter side of each
    /// image to 800 pixels.
    ///
    /// # Errors
    ///
    /// Returns an error if a number of the augmentation is out of its range.
    pub fn of_parts(
        dataset: ObjectDataset,
        augment: ObjectAugment,
        parts: TargetParts,
    ) -> Result<Self, AugmentError> {
        Self::with_sizes(dataset, augment, parts, &[])
    }

    fn with_sizes(
        dataset: ObjectDataset,
        augment: ObjectAugment,
        parts: TargetParts,
        min_sizes: &[usize],
    ) -> Result<Self, AugmentError> {
        augment.validate()?;
        let samples = ObjectSamples {
            dataset,
            augment,
            parts,
            min_sizes: min_sizes.to_vec(),
        };
        Ok(Self::new(samples, 2))
    }

    /// Returns the dataset.
    pub fn dataset(&self) -> &ObjectDataset {
        &self.samples.dataset
    }
}

impl TrainingSamples for ObjectSamples {
    type Batch = ObjectBatch;

    fn len(&self) -> usize {
        self.dataset.len()
    }

    /// Groups images by their aspect ratio, so that batches need little padding. As in torchvision's
    /// reference, the limits are `2^(k / 3)` from 1/2 to 2.
    fn group(&self, number: usize) -> usize {
        let size = self.dataset.images()[number].size();
        let [height, width] = size.unwrap_or([1, 1]).map(|side| side as f64);
        let thirds = (3.0 * (width / height).log2()).floor();
        (thirds.clamp(-4.0, 3.0) + 4.0) as usize
    }

    fn batch(&self, numbers: &[usize], seed: [u64; 3]) -> ObjectBatch {
        let mut batch = ObjectBatch {
            seed,
            ..ObjectBatch::default()
        };
        for &number in numbers {
            match self.image(number, seed) {
                Ok((image, target, min_size)) => {
                    batch.images.push(image);
                    batch.targets.push(target);
                    batch.min_sizes.push(min_size);
                }
                Err(reason) => batch.bad.push(BadImage {
                    name: self.dataset.images()[number].name(),
                    reason,
                }),
            }
        }
        batch
    }
}

impl ObjectSamples {
    fn image(
        &self,
        number: usize,
        [seed, epoch, _]: [u64; 3],
    ) -> Result<(ImageTensor, Target, usize), String> {
        let image = &self.dataset.images()[number];
        let mut random = random(seed, For::Object, [epoch, number as u64]);
        let (image, objects) = image.load().map_err(|error| with_causes(&error))?;
        let size = [image.height() as usize, image.width() as usize];
        let target = self.parts.target(&objects, size);
        let target = target.map_err(|error| with_causes(&error))?;
        let keypoints = self.dataset.keypoints();
        let (image, target) = self.augment.apply(image, target, keypoints, &mut random)?;
        let min_size = match (self.augment.scale_jitter, self.min_sizes.len()) {
            // As in torchvision, the network does not resize jittered images again.
            (Some(jitter), _) => jitter.size[0].min(jitter.size[1]) as usize,
            (None, 0) => 800,
            (None, count) => self.min_sizes[random.random_range(0..count)],
        };
        Ok((to_tensor(&image), target, min_size))
    }
}

fn to_tensor(image: &RgbImage) -> ImageTensor {
    let size = [image.height() as usize, image.width() as usize];
    ImageTensor::from_bytes(size, image.as_raw().clone())
}
