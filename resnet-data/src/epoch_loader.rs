//! Batches of annotated images for training.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use rand::seq::SliceRandom;

use crate::random::{For, random};
use crate::{LoaderError, Prefetch};

/// Largest default number of worker threads.
const MAX_WORKERS: usize = 4;

/// A data loader for training on annotated images: each image once per epoch, in random order. The
/// last batch is dropped if it is incomplete, unless it is the only one.
///
/// [`ObjectLoader`](crate::objects::ObjectLoader) and
/// [`ClassMapLoader`](crate::class_maps::ClassMapLoader) are loaders of this type.
#[derive(Clone, Debug)]
pub struct EpochLoader<S> {
    pub(crate) samples: Arc<S>,
    batch_size: usize,
    seed: u64,
    workers: usize,
}

/// Annotated images with their augmentation.
pub trait TrainingSamples: Clone + Send + Sync + 'static {
    /// A batch.
    type Batch: Send + 'static;

    /// Returns the number of images.
    fn len(&self) -> usize;

    /// Returns whether there are no images.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the group of an image. Batches consist of images of one group, except the last ones.
    fn group(&self, _number: usize) -> usize {
        0
    }

    /// Loads and augments the images with these numbers. `seed` is the random seed, the epoch and
    /// the number of the batch.
    fn batch(&self, numbers: &[usize], seed: [u64; 3]) -> Self::Batch;
}

impl<S: TrainingSamples> EpochLoader<S> {
    pub(crate) fn new(samples: S, batch_size: usize) -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            samples: samples.into(),
            batch_size,
            seed: 1,
            workers: cores.min(MAX_WORKERS),
        }
    }

    /// Sets the number of images per batch, at least 1 [default: 2 for objects, 8 for class maps].
    pub fn with_batch_size(self, batch_size: usize) -> Self {
        Self {
            batch_size: batch_size.max(1),
            ..self
        }
    }

    /// Sets the random seed [default: 1].
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Sets the number of worker threads, at least 1 [default: one per core, at most 4]. It affects
    /// only the speed and the memory: each worker holds a batch.
    pub fn with_workers(self, workers: usize) -> Self {
        Self {
            workers: workers.max(1),
            ..self
        }
    }

    /// Returns the number of batches per epoch.
    pub fn len(&self) -> usize {
        let images = self.samples.len();
        match images / self.batch_size {
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
    pub fn epoch_from(&self, epoch: u64, first: usize) -> Result<Prefetch<S::Batch>, LoaderError> {
        let (samples, seed, size) = (Arc::clone(&self.samples), self.seed, self.batch_size);
        let mut order: Vec<usize> = (0..samples.len()).collect();
        order.shuffle(&mut random(seed, For::Order, [epoch, 0]));
        let order = grouped(order, size, |number| samples.group(number));
        let batch = move |place: usize| {
            let start = (place * size).min(order.len());
            let numbers = &order[start..order.len().min(start + size)];
            samples.batch(numbers, [seed, epoch, place as u64])
        };
        // Masks make batches large, so few of them wait.
        Prefetch::start(self.workers, self.workers, first..self.len(), batch)
    }
}

/// Sorts images into batches of one group. The rest of all groups comes last.
fn grouped(order: Vec<usize>, size: usize, group: impl Fn(usize) -> usize) -> Vec<usize> {
    let mut grouped = Vec::with_capacity(order.len());
    let mut waiting: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for number in order {
        let batch = waiting.entry(group(number)).or_default();
        batch.push(number);
        if batch.len() == size {
            grouped.append(batch);
        }
    }
    grouped.extend(waiting.into_values().flatten());
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_one_group_and_every_image_occurs_once() {
        let order = vec![4, 1, 7, 0, 3, 2, 6, 5];
        let found = grouped(order.clone(), 2, |number| number % 2);
        assert_eq!(found, [1, 7, 4, 0, 2, 6, 3, 5]);
        assert_eq!(grouped(order.clone(), 3, |_| 0), order);
        assert_eq!(
            grouped(order, 3, |number| number % 2),
            [1, 7, 3, 4, 0, 2, 6, 5]
        );
    }
}
