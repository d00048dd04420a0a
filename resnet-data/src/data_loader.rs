//! Batches that worker threads prepare ahead of time, in an order that depends only on the seed.

mod plan;
mod prefetch;

use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use resnet_image::Preprocessing;

use plan::Plan;
#[cfg(feature = "annotations")]
pub(crate) use plan::with_causes;
pub use prefetch::Prefetch;

use crate::augment::{Transforms, check};
use crate::{Augment, AugmentError, Batch, Dataset, Mix, Sampling, Transform};

/// The error of a data loader that cannot start its worker threads.
#[derive(Debug, thiserror::Error)]
#[error(
    "expected {expected} threads to prepare images, found {found}; use fewer threads (`DataLoader::with_workers`), or raise the limit on threads"
)]
#[non_exhaustive]
pub struct LoaderError {
    /// The number of threads requested.
    pub expected: usize,
    /// The number of threads that started.
    pub found: usize,
    /// The error of the operating system.
    pub source: io::Error,
}

/// A data loader, which prepares batches of a dataset.
///
/// ```
/// use resnet_data::{Augment, DataLoader, Dataset};
/// use resnet_image::Preprocessing;
///
/// let loader = DataLoader::new(Dataset::shapes(60), Preprocessing::cifar())
///     .with_batch_size(16)
///     .training(Augment::cifar())?
///     .with_seed(7);
/// assert_eq!(loader.epoch(0)?.map(|batch| batch.images.len()).sum::<usize>(), 48);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct DataLoader {
    plan: Arc<Plan>,
    workers: usize,
}

impl DataLoader {
    /// Creates a data loader for evaluation: each image once, in order, without augmentation, 32
    /// per batch.
    pub fn new(dataset: Dataset, preprocessing: Preprocessing) -> Self {
        let plan = Plan {
            dataset,
            preprocessing,
            augment: None,
            transforms: Transforms::default(),
            mix: Mix::default(),
            sampling: Sampling::Sequential,
            batch_size: 32,
            seed: 0,
            share: [0, 1],
        };
        Self {
            plan: Arc::new(plan),
            workers: thread::available_parallelism().map_or(1, NonZero::get),
        }
    }

    /// Switches to training: shuffles and augments the images at random, as the
    /// [seed](Self::with_seed) determines. Drops the last batch of an epoch if it is incomplete,
    /// unless it is the only one.
    ///
    /// # Errors
    ///
    /// Returns an error if a number of the augmentation is out of its range, or if the
    /// preprocessing is for RGBA images.
    pub fn training(self, augment: Augment) -> Result<Self, AugmentError> {
        augment.validate()?;
        check(
            "channels",
            self.preprocessing().channels().count() as f64,
            1.0,
            3.0,
        )?;
        Ok(self.with(|plan| {
            plan.augment = Some(augment);
            plan.sampling = Sampling::Shuffled;
        }))
    }

    /// Sets the number of images per batch, at least 1 [default: 32].
    pub fn with_batch_size(self, batch_size: usize) -> Self {
        self.with(|plan| plan.batch_size = batch_size.max(1))
    }

    /// Sets the random seed [default: 0].
    pub fn with_seed(self, seed: u64) -> Self {
        self.with(|plan| plan.seed = seed)
    }

    /// Adds your own [`Transform`]. It runs after [`Augment`] and earlier transforms, and before
    /// random erasing and mixing. Without [`training`](Self::training) it runs after the
    /// preprocessing.
    pub fn with_transform(self, transform: impl Transform + 'static) -> Self {
        self.with(|plan| plan.transforms.push(transform))
    }

    /// Sets how the images of a batch are mixed.
    ///
    /// # Errors
    ///
    /// Returns an error if a number of the mix is out of its range.
    pub fn with_mix(self, mix: Mix) -> Result<Self, AugmentError> {
        mix.validate()?;
        Ok(self.with(|plan| plan.mix = mix))
    }

    /// Sets the sampling, which decides the images of an epoch and their order.
    pub fn with_sampling(self, sampling: Sampling) -> Self {
        self.with(|plan| plan.sampling = sampling)
    }

    /// Restricts the loader to one of `count` shares of every batch, for data-parallel training
    /// with `count` processes. The sizes of the shares differ by at most one image.
    ///
    /// An image is the same as in the full batch, but mixing stays within the share.
    ///
    /// # Panics
    ///
    /// Panics if `place` is not below `count`.
    pub fn with_share(self, place: usize, count: usize) -> Self {
        assert!(place < count, "share {place} of {count}");
        self.with(|plan| plan.share = [place, count])
    }

    /// Sets the number of worker threads, at least 1 [default: one per core]. It affects only the
    /// speed.
    pub fn with_workers(self, workers: usize) -> Self {
        Self {
            workers: workers.max(1),
            ..self
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Plan)) -> Self {
        change(Arc::make_mut(&mut self.plan));
        self
    }

    /// Returns the dataset.
    pub fn dataset(&self) -> &Dataset {
        &self.plan.dataset
    }

    /// Returns the preprocessing.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.plan.preprocessing
    }

    /// Returns the mix.
    pub fn mix(&self) -> &Mix {
        &self.plan.mix
    }

    /// Returns the number of batches per epoch.
    pub fn len(&self) -> usize {
        self.plan.len()
    }

    /// Returns the number of images in the smallest batch of an epoch, or in its smallest share.
    /// Assumes that all images are readable.
    pub fn smallest_batch(&self) -> usize {
        self.plan.smallest_batch()
    }

    /// Returns whether an epoch has no batches.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the batches of an epoch. Each epoch has its own random order. The first batch lists
    /// the dataset's [unreadable](Dataset::unreadable) files among its bad images.
    ///
    /// # Errors
    ///
    /// Returns an error if the operating system cannot start a thread for each worker.
    pub fn epoch(&self, epoch: u64) -> Result<Prefetch<Batch>, LoaderError> {
        self.epoch_from(epoch, 0)
    }

    /// Returns the batches of an epoch after the first `first` batches, to resume a run within an
    /// epoch.
    ///
    /// # Errors
    ///
    /// Returns an error if the operating system cannot start a thread for each worker.
    pub fn epoch_from(&self, epoch: u64, first: usize) -> Result<Prefetch<Batch>, LoaderError> {
        let plan = Arc::clone(&self.plan);
        let order = plan.sampling.order(&plan.dataset, plan.seed, epoch);
        let ahead = self.workers.saturating_mul(2);
        Prefetch::start(self.workers, ahead, first..plan.len(), move |place| {
            let mut batch = plan.batch(&order, epoch, place);
            if place == first && plan.share[0] == 0 {
                let known = plan.dataset.unreadable().iter().cloned();
                batch.bad.splice(..0, known);
            }
            batch
        })
    }
}
