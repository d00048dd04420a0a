//! Batches of images with annotated objects.

use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use image::RgbImage;
use rand::RngExt;
use rand::seq::{SliceRandom, index};
use resnet_dense::{DetectorConfig, ImageTensor, Target};

use super::{ObjectAugment, ObjectDataset, TargetParts};
use crate::data_loader::with_causes;
use crate::random::{For, random};
use crate::{AugmentError, BadImage, LoaderError, Prefetch};

/// A data loader for detectors.
#[derive(Clone, Debug)]
pub struct ObjectLoader {
    plan: Arc<Plan>,
    workers: usize,
}

#[derive(Clone, Debug)]
struct Plan {
    dataset: ObjectDataset,
    augment: ObjectAugment,
    batch_size: usize,
    seed: u64,
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
    /// Returns the sampler of anchors and proposals for this batch: it draws `count` of `of`
    /// candidates. The same seed, epoch and batch give the same candidates.
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
    /// Creates a loader for training: each image once per epoch, in random order. The last batch is
    /// dropped if it is incomplete, unless it is the only one.
    ///
    /// The config tells what the network learns, and the lengths of the shorter side to draw from.
    ///
    /// # Errors
    ///
    /// Returns an error if a number of the augmentation is out of its range.
    pub fn training(
        dataset: ObjectDataset,
        augment: ObjectAugment,
        config: &DetectorConfig,
    ) -> Result<Self, AugmentError> {
        augment.validate()?;
        let plan = Plan {
            dataset,
            augment,
            batch_size: 2,
            seed: 1,
            parts: TargetParts::of(config),
            min_sizes: config.transform().min_size.clone(),
        };
        Ok(Self {
            plan: Arc::new(plan),
            workers: thread::available_parallelism().map_or(1, NonZero::get),
        })
    }

    /// Sets the number of images per batch, at least 1 [default: 2].
    pub fn with_batch_size(mut self, batch_size: usize) -> Self {
        Arc::make_mut(&mut self.plan).batch_size = batch_size.max(1);
        self
    }

    /// Sets the random seed [default: 1].
    pub fn with_seed(mut self, seed: u64) -> Self {
        Arc::make_mut(&mut self.plan).seed = seed;
        self
    }

    /// Returns the dataset.
    pub fn dataset(&self) -> &ObjectDataset {
        &self.plan.dataset
    }

    /// Returns the number of batches per epoch.
    pub fn len(&self) -> usize {
        let (images, size) = (self.plan.dataset.len(), self.plan.batch_size);
        match images / size {
            0 => images.min(1),
            whole => whole,
        }
    }

    /// Returns whether an epoch has no batches.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the batches of an epoch after the first `first` batches.
    ///
    /// # Errors
    ///
    /// Returns an error if the operating system cannot start a thread for each worker.
    pub fn epoch_from(
        &self,
        epoch: u64,
        first: usize,
    ) -> Result<Prefetch<ObjectBatch>, LoaderError> {
        let plan = Arc::clone(&self.plan);
        let mut order: Vec<usize> = (0..plan.dataset.len()).collect();
        order.shuffle(&mut random(plan.seed, For::Order, [epoch, 0]));
        Prefetch::start(self.workers, first..self.len(), move |place| {
            plan.batch(&order, epoch, place)
        })
    }
}

impl Plan {
    fn batch(&self, order: &[usize], epoch: u64, place: usize) -> ObjectBatch {
        let mut batch = ObjectBatch {
            seed: [self.seed, epoch, place as u64],
            ..ObjectBatch::default()
        };
        let images = order
            .iter()
            .skip(place * self.batch_size)
            .take(self.batch_size);
        for &number in images {
            match self.image(number, epoch) {
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

    fn image(&self, number: usize, epoch: u64) -> Result<(ImageTensor, Target, usize), String> {
        let image = &self.dataset.images()[number];
        let mut random = random(self.seed, For::Object, [epoch, number as u64]);
        let (image, objects) = image.load().map_err(|error| with_causes(&error))?;
        let size = [image.height() as usize, image.width() as usize];
        let target = self.parts.target(&objects, size);
        let keypoints = self.dataset.keypoints();
        let (image, target) = self
            .augment
            .apply(image, target, keypoints, &mut random)
            .map_err(|error| with_causes(&error))?;
        let min_size = match self.min_sizes.len() {
            0 => 800,
            count => self.min_sizes[random.random_range(0..count)],
        };
        Ok((to_tensor(&image), target, min_size))
    }
}

fn to_tensor(image: &RgbImage) -> ImageTensor {
    let size = [image.height() as usize, image.width() as usize];
    ImageTensor::from_bytes(size, image.as_raw().clone())
}
