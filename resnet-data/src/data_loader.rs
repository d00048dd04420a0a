//! Batches, prepared ahead by threads, in an order that depends on the seed alone.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use resnet_image::{Pixels, Preprocessing};

use crate::augment::check;
use crate::random::{For, random};
use crate::{Augment, AugmentError, Dataset, Mix, Sampling};

/// Images of one size with their classes, as bytes.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The images, not normalized yet, with the channels of the preprocessing.
    pub images: Vec<Pixels>,
    /// The number in the dataset of each image.
    pub indices: Vec<usize>,
    /// One row an image: the share of each class in it.
    pub targets: Vec<Vec<f32>>,
    /// The rectangle to be blanked after normalisation in each image: left, top, width, height.
    pub erased: Vec<Option<[u32; 4]>>,
    /// The share of its own that each image keeps when it is blended with the one before it; none for no blending.
    pub blend: Option<f32>,
    /// The images that could not be had.
    pub bad: Vec<BadImage>,
}

/// An image that could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadImage {
    /// Its path.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Why no batches can be prepared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected {expected} threads to prepare images, found {found}: {reason}; use fewer --workers, or raise the limit on threads"
)]
#[non_exhaustive]
pub struct LoaderError {
    /// The threads asked for.
    pub expected: usize,
    /// Those that could be started.
    pub found: usize,
    /// What the operating system says.
    pub reason: String,
}

/// Makes batches of a dataset.
#[derive(Clone, Debug)]
pub struct DataLoader {
    plan: Arc<Plan>,
    workers: usize,
}

#[derive(Clone, Debug)]
struct Plan {
    dataset: Dataset,
    preprocessing: Preprocessing,
    augment: Option<Augment>,
    mix: Mix,
    sampling: Sampling,
    batch_size: usize,
    drop_last: bool,
    seed: u64,
    /// The place of this share of every batch, and how many shares there are.
    share: [usize; 2],
}

impl DataLoader {
    /// Batches of `batch_size` images as evaluation sees them, each image once and in order.
    pub fn new(dataset: Dataset, preprocessing: Preprocessing, batch_size: usize) -> Self {
        let plan = Plan {
            dataset,
            preprocessing,
            augment: None,
            mix: Mix::default(),
            sampling: Sampling::Sequential,
            batch_size: batch_size.max(1),
            drop_last: false,
            seed: 0,
            share: [0, 1],
        };
        Self {
            plan: Arc::new(plan),
            workers: thread::available_parallelism().map_or(1, NonZero::get),
        }
    }

    /// Batches to train from: shuffled and changed at random, all of it by the seed; images left over at the end of an
    /// epoch are left out, if that leaves a batch.
    ///
    /// # Errors
    ///
    /// If a number of the augmentation is out of its range, or the preprocessing is for RGBA.
    pub fn training(self, augment: Augment, seed: u64) -> Result<Self, AugmentError> {
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
            plan.drop_last = plan.dataset.len() > plan.batch_size;
            plan.seed = seed;
        }))
    }

    /// With images mixed.
    ///
    /// # Errors
    ///
    /// If a number of the mix is out of its range.
    pub fn with_mix(self, mix: Mix) -> Result<Self, AugmentError> {
        mix.validate()?;
        Ok(self.with(|plan| plan.mix = mix))
    }

    /// With another order.
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

    /// With so many threads, at least one. They change nothing but the time it takes.
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

    /// The images.
    pub fn dataset(&self) -> &Dataset {
        &self.plan.dataset
    }

    /// How images are normalised.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.plan.preprocessing
    }

    /// How images are mixed.
    pub fn mix(&self) -> &Mix {
        &self.plan.mix
    }

    /// The number of batches of an epoch.
    pub fn len(&self) -> usize {
        let (images, size) = (self.plan.dataset.len(), self.plan.batch_size);
        match self.plan.drop_last {
            true => images / size,
            false => images.div_ceil(size),
        }
    }

    /// Returns the images of the smallest batch of an epoch, or of its smallest share, where all can be read.
    pub fn smallest_batch(&self) -> usize {
        let (images, size) = (self.plan.dataset.len(), self.plan.batch_size);
        let last = match (images % size, self.plan.drop_last) {
            (0, _) | (_, true) => size.min(images),
            (rest, false) => rest,
        };
        let [_, shares] = self.plan.share;
        last / shares
    }

    /// Whether an epoch has no batch.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the batches of an epoch, from one of them on; each epoch is another. The first has what the dataset knows
    /// as [unreadable](Dataset::unreadable) among its bad images.
    ///
    /// # Errors
    ///
    /// Returns an error if the operating system has not a thread for each worker.
    pub fn epoch(&self, epoch: u64, first: usize) -> Result<Batches, LoaderError> {
        let order = self
            .plan
            .sampling
            .order(&self.plan.dataset, self.plan.seed, epoch);
        let shared = Arc::new(Shared {
            plan: Arc::clone(&self.plan),
            order,
            epoch,
            first,
            total: self.len(),
            ahead: self.workers.saturating_mul(2),
            state: Mutex::new(State {
                next: first,
                taken: first,
                ..State::default()
            }),
            changed: Condvar::new(),
        });
        let mut batches = Batches {
            workers: Vec::new(),
            shared,
        };
        for found in 0..self.workers {
            let shared = Arc::clone(&batches.shared);
            let worker = thread::Builder::new().spawn(move || shared.work());
            batches.workers.push(worker.map_err(|error| LoaderError {
                expected: self.workers,
                found,
                reason: error.to_string(),
            })?);
        }
        Ok(batches)
    }
}

/// The batches of an epoch, in their order.
#[derive(Debug)]
pub struct Batches {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    plan: Arc<Plan>,
    order: Vec<usize>,
    epoch: u64,
    /// The first batch that is asked for.
    first: usize,
    total: usize,
    /// How many batches may wait to be taken: what bounds the memory.
    ahead: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The next batch that nobody works on.
    next: usize,
    /// The next batch that is to be handed out.
    taken: usize,
    ready: BTreeMap<usize, Batch>,
    stopped: bool,
    /// A worker panicked: its batch will never come.
    broken: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn batch(&self, place: usize) -> Batch {
        let mut batch = self.plan.batch(&self.order, self.epoch, place);
        if place == self.first && self.plan.share[0] == 0 {
            let known = self.plan.dataset.unreadable().iter().cloned();
            batch.bad.splice(..0, known);
        }
        batch
    }

    fn work(&self) {
        let _alarm = Alarm(self);
        let mut state = self.state();
        loop {
            if state.stopped || state.next >= self.total {
                return;
            }
            if state.next >= state.taken + self.ahead {
                state = self.wait(state);
                continue;
            }
            let place = state.next;
            state.next += 1;
            drop(state);
            let batch = self.batch(place);
            state = self.state();
            state.ready.insert(place, batch);
            self.changed.notify_all();
        }
    }
}

/// Tells the others when a worker panics.
struct Alarm<'a>(&'a Shared);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.state().broken = true;
            self.0.changed.notify_all();
        }
    }
}

impl Iterator for Batches {
    type Item = Batch;

    /// # Panics
    ///
    /// If a worker panicked.
    fn next(&mut self) -> Option<Batch> {
        let mut state = self.shared.state();
        if state.taken >= self.shared.total {
            return None;
        }
        loop {
            let place = state.taken;
            if let Some(batch) = state.ready.remove(&place) {
                state.taken += 1;
                self.shared.changed.notify_all();
                return Some(batch);
            }
            assert!(!state.broken, "a thread that prepares batches panicked");
            state = self.shared.wait(state);
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.shared.total.saturating_sub(self.shared.state().taken);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Batches {}

impl Drop for Batches {
    fn drop(&mut self) {
        self.shared.state().stopped = true;
        self.shared.changed.notify_all();
        for worker in self.workers.drain(..) {
            // It panicked: `next` has said so.
            let _ = worker.join();
        }
    }
}

impl Plan {
    fn batch(&self, order: &[usize], epoch: u64, place: usize) -> Batch {
        let first = place * self.batch_size;
        let last = (first + self.batch_size).min(order.len());
        let [share, shares] = self.share;
        let cut = |share: usize| first + (last - first) * share / shares;
        let (first, last) = (cut(share), cut(share + 1));
        let mut batch = Batch::default();
        for (place, &number) in (first..last).zip(&order[first..last]) {
            let sample = &self.dataset.samples()[number];
            match self.image(number, [epoch, place as u64]) {
                Ok((image, erased)) => {
                    let mut target = vec![0.0; self.dataset.classes().len()];
                    for &label in sample.labels() {
                        target[label] = 1.0;
                    }
                    batch.images.push(image);
                    batch.indices.push(number);
                    batch.targets.push(target);
                    batch.erased.push(erased);
                }
                Err(reason) => batch.bad.push(BadImage {
                    name: sample.name().into_owned(),
                    reason,
                }),
            }
        }
        let mut random = random(self.seed, For::Mix, [epoch, place as u64]);
        batch.blend = self
            .mix
            .apply(&mut batch.images, &mut batch.targets, &mut random);
        batch
    }

    fn image(&self, number: usize, place: [u64; 2]) -> Result<(Pixels, Option<[u32; 4]>), String> {
        let channels = self.preprocessing.channels();
        let image = self.dataset.samples()[number].image(channels);
        let image = image.map_err(|error| with_causes(&error))?;
        let changed = match &self.augment {
            Some(augment) => {
                let mut random = random(self.seed, For::Sample, place);
                // Gray has equal colors, and every change leaves them equal.
                augment
                    .apply(image.into_rgb(), &self.preprocessing, &mut random)
                    .map(|(image, erased)| (Pixels::from(image).convert(channels), erased))
            }
            None => self
                .preprocessing
                .apply_to(image)
                .map(|image| (image, None)),
        };
        changed.map_err(|error| with_causes(&error))
    }
}

/// An error with its causes, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
