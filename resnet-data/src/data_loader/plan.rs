//! The images of each batch.

use resnet_image::{Pixels, Preprocessing};

use crate::augment::{Erase, Transforms};
use crate::random::{For, random};
use crate::{Augment, BadImage, Batch, Dataset, Mix, Sampling};

/// The settings of a data loader.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) dataset: Dataset,
    pub(super) preprocessing: Preprocessing,
    pub(super) augment: Option<Augment>,
    pub(super) transforms: Transforms,
    pub(super) mix: Mix,
    pub(super) sampling: Sampling,
    pub(super) batch_size: usize,
    pub(super) seed: u64,
    /// The index of this share of every batch, and the number of shares.
    pub(super) share: [usize; 2],
}

impl Plan {
    /// Returns whether an epoch drops an incomplete last batch. It does in training, unless no
    /// other batch is left.
    fn drop_last(&self) -> bool {
        self.augment.is_some() && self.dataset.len() > self.batch_size
    }

    /// Returns the number of batches per epoch.
    pub(super) fn len(&self) -> usize {
        match self.drop_last() {
            true => self.dataset.len() / self.batch_size,
            false => self.dataset.len().div_ceil(self.batch_size),
        }
    }

    /// Returns the number of images in the smallest batch of an epoch, or in its smallest share.
    pub(super) fn smallest_batch(&self) -> usize {
        let (images, size) = (self.dataset.len(), self.batch_size);
        let last = match (images % size, self.drop_last()) {
            (0, _) | (_, true) => size.min(images),
            (rest, false) => rest,
        };
        let [_, shares] = self.share;
        last / shares
    }

    pub(super) fn batch(&self, order: &[usize], epoch: u64, place: usize) -> Batch {
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

    fn image(&self, number: usize, place: [u64; 2]) -> Result<(Pixels, Erase), String> {
        let channels = self.preprocessing.channels();
        let image = self.dataset.samples()[number].image(channels);
        let image = image.map_err(|error| with_causes(&error))?;
        let mut random = random(self.seed, For::Sample, place);
        let image = match &self.augment {
            // Gray images have three equal channels, and every augmentation keeps them equal.
            Some(augment) => augment
                .apply(image.into_rgb(), &self.preprocessing, &mut random)
                .map(|image| Pixels::from(image).convert(channels)),
            None => self.preprocessing.apply_to(image),
        };
        let image = image.map_err(|error| with_causes(&error))?;
        let image = self.transforms.apply(image, self.seed, place)?;
        let image = image.convert(channels);
        let erase = self
            .augment
            .as_ref()
            .and_then(|augment| augment.erased(image.dimensions(), &mut random));
        Ok((image, erase))
    }
}

/// Formats an error with its causes on one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
