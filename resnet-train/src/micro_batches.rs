//! A batch as a step takes it.

use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use resnet_core::{NormMode, ResNetConfig};
use resnet_data::{Batch, Mix};
use resnet_image::BatchError;

use crate::least::least_images;
use crate::loss::{mass, scaled};
use crate::{Fit, TargetKind, Trainer, smoothed, tensors};

/// A batch in parts, and what the sum of its loss is divided by.
pub(crate) struct MicroBatches<B: AutodiffBackend> {
    pub(crate) tensors: Vec<(Tensor<B, 4>, Tensor<B, 2>)>,
    /// The number of images, or the sum of the weights of their classes.
    pub(crate) mass: f64,
}

impl<B: AutodiffBackend> MicroBatches<B> {
    /// A batch whose images all weigh 1.
    pub(crate) fn new(parts: impl IntoIterator<Item = (Tensor<B, 4>, Tensor<B, 2>)>) -> Self {
        let tensors: Vec<_> = parts.into_iter().collect();
        let mut parts = Self { tensors, mass: 0.0 };
        parts.mass = parts.images() as f64;
        parts
    }

    pub(crate) fn images(&self) -> usize {
        let images = self.tensors.iter().map(|(images, _)| images.dims()[0]);
        images.sum()
    }

    /// Whether there is nothing to learn from.
    pub(crate) fn is_empty(&self) -> bool {
        self.mass <= 0.0
    }
}

impl Fit {
    /// Returns how many micro-batches a batch of images of `height` by `width` pixels is run in: fewer than
    /// [`accumulate`](Self::accumulate) where the norms of the network need more images in each.
    pub fn micro_batches(
        &self,
        network: &ResNetConfig,
        norms: NormMode,
        size: [usize; 2],
    ) -> usize {
        let least = least_images(network, norms, size).unwrap_or(1);
        micro_batch_sizes(self.train.smallest_batch(), self.accumulate, least).len()
    }

    /// The tensors of a batch, in parts; none where it has too few images for a step of this trainer.
    pub(crate) fn parts<B: AutodiffBackend>(
        &self,
        batch: &Batch,
        trainer: &Trainer<B>,
        device: &B::Device,
    ) -> Result<MicroBatches<B>, BatchError> {
        let least = trainer.least_images(batch);
        if batch.images.len() < least {
            return Ok(MicroBatches::new([]));
        }
        let (images, targets) = tensors::<B>(batch, self.train.preprocessing(), device)?;
        let mut targets = smoothed(targets, self.smoothing);
        if let Some(weights) = &self.class_weights {
            targets = scaled(targets, weights);
        }
        let sizes = micro_batch_sizes(batch.images.len(), self.accumulate, least);
        let images = images.split_with_sizes(sizes.clone(), 0);
        let targets = targets.split_with_sizes(sizes, 0);
        Ok(MicroBatches {
            tensors: images.into_iter().zip(targets).collect(),
            mass: mass(
                &batch.targets,
                self.class_weights.as_deref(),
                self.target_kind(),
            ),
        })
    }

    /// As torchvision's `MixUp` and `CutMix`, which make every target of a run probabilities.
    fn target_kind(&self) -> TargetKind {
        let mixed = *self.train.mix() != Mix::default();
        match self.class_weights.is_some() && (mixed || self.train.dataset().is_multi_label()) {
            true => TargetKind::Probabilities,
            false => TargetKind::Indices,
        }
    }
}

/// As many parts as there may be of `least` images or more, alike but for one image.
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
    fn parts_differ_by_one_image_and_have_the_fewest_that_a_step_needs() {
        assert_eq!(micro_batch_sizes(16, 4, 2), [4; 4]);
        assert_eq!(micro_batch_sizes(10, 4, 2), [3, 3, 2, 2]);
        assert_eq!(micro_batch_sizes(5, 8, 2), [3, 2]);
        assert_eq!(micro_batch_sizes(5, 8, 1), [1; 5]);
        assert_eq!(micro_batch_sizes(2, 0, 2), [2]);
        assert_eq!(micro_batch_sizes(1, 3, 1), [1]);
    }
}
