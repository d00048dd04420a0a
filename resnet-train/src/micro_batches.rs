//! A batch in micro-batches (gradient accumulation).

use std::borrow::Cow;

use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use resnet_core::{NormMode, ResNetConfig};
use resnet_data::{Batch, Mix};
use resnet_image::BatchError;

use crate::least::least_images;
use crate::{Fit, Loss, TargetKind, Trainer};

/// The micro-batches of a batch, and the divisor of its loss sum.
pub(crate) struct MicroBatches<B: AutodiffBackend> {
    pub(crate) tensors: Vec<(Tensor<B, 4>, Tensor<B, 2>)>,
    /// The divisor: the number of images, or the sum of their class weights.
    pub(crate) mass: f64,
}

impl<B: AutodiffBackend> MicroBatches<B> {
    /// Creates micro-batches from pairs of images and targets, and prepares the targets for `loss`.
    pub(crate) fn new(
        loss: &Loss,
        parts: impl IntoIterator<Item = (Tensor<B, 4>, Tensor<B, 2>)>,
    ) -> Self {
        let mut mass = 0.0;
        let prepared = parts.into_iter().map(|(images, targets)| {
            mass += loss.mass_of(&targets);
            (images, loss.prepare(targets))
        });
        let tensors = prepared.collect();
        Self { tensors, mass }
    }

    pub(crate) fn images(&self) -> usize {
        let images = self.tensors.iter().map(|(images, _)| images.dims()[0]);
        images.sum()
    }

    /// Returns whether there are no images, or only images of classes with weight 0.
    pub(crate) fn is_empty(&self) -> bool {
        self.mass <= 0.0
    }
}

impl Fit {
    /// Returns the number of micro-batches per batch, for images of height and width `size`. It is
    /// less than [`accumulate`](Self::accumulate) if the norms of the network need more images in
    /// each.
    pub fn micro_batches(
        &self,
        network: &ResNetConfig,
        norms: NormMode,
        size: [usize; 2],
    ) -> usize {
        let least = least_images(network, norms, size).unwrap_or(1);
        micro_batch_sizes(self.train.smallest_batch(), self.accumulate, least).len()
    }

    /// Splits a batch into micro-batches; none if it has too few images for a training step.
    pub(crate) fn parts<B: AutodiffBackend>(
        &self,
        batch: &Batch,
        trainer: &Trainer<B>,
        device: &B::Device,
    ) -> Result<MicroBatches<B>, BatchError> {
        let least = trainer.least_images(batch);
        if batch.images.len() < least {
            return Ok(MicroBatches::new(trainer.loss(), []));
        }
        let (images, targets) = batch.to_tensors::<B>(self.train.preprocessing(), device)?;
        let loss = self.loss_of(trainer.loss());
        let targets = loss.prepare(targets);
        let sizes = micro_batch_sizes(batch.images.len(), self.accumulate, least);
        let images = images.split_with_sizes(sizes.clone(), 0);
        let targets = targets.split_with_sizes(sizes, 0);
        Ok(MicroBatches {
            tensors: images.into_iter().zip(targets).collect(),
            mass: loss.mass(&batch.targets),
        })
    }

    /// Returns the loss with the kind of its targets. Like torchvision's `MixUp` and `CutMix`, a
    /// run with either of them has class probabilities in every batch.
    fn loss_of<'a>(&self, loss: &'a Loss) -> Cow<'a, Loss> {
        let mixed = *self.train.mix() != Mix::default();
        if loss.class_weights.is_some() && (mixed || self.train.dataset().is_multi_label()) {
            return Cow::Owned(Loss {
                targets: TargetKind::Probabilities,
                ..loss.clone()
            });
        }
        Cow::Borrowed(loss)
    }
}

/// Splits `images` into up to `parts` sizes of at least `least`, which differ by at most one.
fn micro_batch_sizes(images: usize, parts: usize, least: usize) -> Vec<usize> {
    let parts = parts.clamp(1, (images / least.max(1)).max(1));
    let larger = images % parts;
    (0..parts)
        .map(|part| images / parts + usize::from(part < larger))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::micro_batch_sizes;

    #[test]
    fn micro_batches_differ_by_one_image_and_have_the_minimum_size() {
        assert_eq!(micro_batch_sizes(16, 4, 2), [4; 4]);
        assert_eq!(micro_batch_sizes(10, 4, 2), [3, 3, 2, 2]);
        assert_eq!(micro_batch_sizes(5, 8, 2), [3, 2]);
        assert_eq!(micro_batch_sizes(5, 8, 1), [1; 5]);
        assert_eq!(micro_batch_sizes(2, 0, 2), [2]);
        assert_eq!(micro_batch_sizes(1, 3, 1), [1]);
    }
}
