//! Batches, prepared ahead by threads, in an order that depends on the seed alone.

mod batches;
mod plan;

use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use resnet_image::Preprocessing;

pub use batches::Batches;
use plan::Plan;

use crate::augment::{Transforms, check};
use crate::{Augment, AugmentError, Dataset, Mix, Sampling, Transform};

/// Why no batches can be prepared.
#[derive(Debug, thiserror::Error)]
#[error(
    "expected {expected} threads to prepare images, found {found}; use fewer threads (`DataLoader::with_workers`), or raise the limit on threads"
)]
#[non_exhaustive]
pub struct LoaderError {
    /// The threads asked for.
    pub expected: usize,
    /// Those that could be started.
    pub found: usize,
    /// The error of the operating system.
    pub source: io::Error,
}

/// Makes batches of a dataset.
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
    /// Makes batches as evaluation sees them: each image once and in order, 32 in a batch.
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

    /// Makes batches to train from: shuffled and changed at random, all of it by the [seed](Self::with_seed). An epoch
    /// leaves out the images that do not fill a batch, if that leaves a batch.
    ///
    /// # Errors
    ///
    /// Returns an error if a number of the augmentation is out of its range, or the preprocessing is for RGBA.
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

    /// Sets the images of a batch, at least one [default: 32].
    pub fn with_batch_size(self, batch_size: usize) -> Self {
        self.with(|plan| plan.batch_size = batch_size.max(1))
    }

    /// Sets the seed of everything that is drawn [default: 0].
    pub fn with_seed(self, seed: u64) -> Self {
        self.with(|plan| plan.seed = seed)
    }

    /// Adds a [`Transform`] of your own. It runs after [`Augment`] and earlier transforms, and before random erasing and
    /// mixing. Without [`training`](Self::training) it runs after the preprocessing.
    pub fn with_transform(self, transform: impl Transform + 'static) -> Self {
        self.with(|plan| plan.transforms.push(transform))
    }

    /// Mixes the images of a batch.
    ///
    /// # Errors
    ///
    /// If a number of the mix is out of its range.
    pub fn with_mix(self, mix: Mix) -> Result<Self, AugmentError> {
        mix.validate()?;
        Ok(self.with(|plan| plan.mix = mix))
    }

    /// Sets the order of the images.
    pub fn with_sampling(self, sampling: Sampling) -> Self {
        self.with(|plan| plan.sampling = sampling)
    }

    /// Every batch's share of one of `count` processes that train together: the whole batch in as many pieces, alike but for
    /// one image. Images are what they are in the whole batch; they are mixed within their share.
    ///
    /// # Panics
    ///
    /// If `place` is not below `count`.
    pub fn with_share(self, place: usize, count: usize) -> Self {
        assert!(place < count, "share {place} of {count}");
        self.with(|plan| plan.share = [place, count])
    }

    /// Sets the number of threads, at least one [default: one a core]. It changes nothing but the time.
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

    /// Returns the images.
    pub fn dataset(&self) -> &Dataset {
        &self.plan.dataset
    }

    /// Returns how images are normalized.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.plan.preprocessing
    }

    /// Returns how images are mixed.
    pub fn mix(&self) -> &Mix {
        &self.plan.mix
    }

    /// Returns the number of batches of an epoch.
    pub fn len(&self) -> usize {
        self.plan.len()
    }

    /// Returns the images of the smallest batch of an epoch, or of its smallest share, where all can be read.
    pub fn smallest_batch(&self) -> usize {
        self.plan.smallest_batch()
    }

    /// Returns whether an epoch has no batch.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the batches of an epoch; each epoch has an order of its own. The first batch has what the dataset knows as
    /// [unreadable](Dataset::unreadable) among its bad images.
    ///
    /// # Errors
    ///
    /// Returns an error if the operating system has not a thread for each worker.
    pub fn epoch(&self, epoch: u64) -> Result<Batches, LoaderError> {
        self.epoch_from(epoch, 0)
    }

    /// Returns the batches of an epoch without the `first` ones, for a run that goes on within an epoch.
    ///
    /// # Errors
    ///
    /// As [`epoch`](Self::epoch).
    pub fn epoch_from(&self, epoch: u64, first: usize) -> Result<Batches, LoaderError> {
        Batches::start(&self.plan, self.workers, epoch, first)
    }
}
