//! Training and validation of segmentation networks.

use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use resnet_core::{Network, NormMode};
use resnet_data::class_maps::{ClassMapBatch, ClassMapDataset, ClassMapLoader, IGNORE};
use resnet_data::{BadImage, LoaderError, PixelScores, Prefetch};
use resnet_dense::ops::resize::best_classes;
use resnet_dense::{Segmentation, SegmentationConfig, SegmentationHead};
use resnet_image::{Filter, Preprocessing, resize_shorter_side, to_tensor};

use super::with_causes;
use super::{DenseScores, DenseTask};
use crate::{FitError, least_images};

/// Trains a segmentation network on class maps.
#[derive(Clone, Debug)]
pub struct SegmentationTask {
    /// The training set.
    pub train: ClassMapLoader,
    /// The validation set.
    pub valid: Option<ClassMapDataset>,
    /// Mean and standard deviation, and the length of the shorter side in evaluation.
    pub preprocessing: Preprocessing,
}

impl SegmentationTask {
    /// Returns the smallest batch of `crop` by `crop` pixels that a training step accepts. Pyramid
    /// pooling (DeepLab) normalizes one mean per image and channel, which has no variance in a
    /// batch of one; PyTorch raises an error.
    pub fn least_images(config: &SegmentationConfig, norms: NormMode, crop: u32) -> usize {
        let pools = matches!(
            config.head,
            SegmentationHead::DeepLabV3 | SegmentationHead::DeepLabV3Plus
        );
        let body = least_images(&config.backbone, norms, [crop as usize; 2]).unwrap_or(usize::MAX);
        body.max(if pools && norms == NormMode::Train {
            2
        } else {
            1
        })
    }

    /// Counts the pixels of each true and predicted class, at the size of the class map.
    ///
    /// # Errors
    ///
    /// Returns an error if an image cannot be normalized.
    pub fn evaluate_on<B: Backend>(
        data: &ClassMapDataset,
        network: &Segmentation<B>,
        preprocessing: &Preprocessing,
        device: &B::Device,
        bad: &mut dyn FnMut(BadImage),
    ) -> Result<DenseScores, FitError> {
        let network = network.clone().fuse();
        let classes = network.config().num_classes;
        let mut scores = PixelScores::new(classes);
        for image in data.images() {
            let mut report = |reason: String| {
                bad(BadImage {
                    name: image.name(),
                    reason,
                });
            };
            let (pixels, map) = match image.load() {
                Ok(loaded) => loaded,
                Err(error) => {
                    report(with_causes(&error));
                    continue;
                }
            };
            let size = [pixels.height() as usize, pixels.width() as usize];
            let resized = match preprocessing.resize {
                Some(side) => resize_shorter_side(&pixels, side, Filter::Bilinear),
                None => Ok(pixels),
            };
            let resized = match resized {
                Ok(resized) => resized,
                Err(error) => {
                    report(with_causes(&error));
                    continue;
                }
            };
            let (mean, std) = (preprocessing.mean, preprocessing.std);
            let x: Tensor<B, 4> = to_tensor(&[resized], mean, std, device)?;
            let out = network.forward(x).out;
            let found = best_classes(out, size).into_iter().map(usize::from);
            let found: Vec<usize> = found.collect();
            let truth = map.into_iter();
            let truth = truth.map(|class| (class != IGNORE).then_some(usize::from(class)));
            scores.add(&truth.collect::<Vec<_>>(), &found);
        }
        Ok(DenseScores::Pixels(scores))
    }
}

impl<B: AutodiffBackend> DenseTask<B> for SegmentationTask {
    type Network = Segmentation<B>;
    type Batch = ClassMapBatch;

    fn counts(&self) -> [usize; 3] {
        let data = self.train.dataset();
        [data.len(), data.classes().len(), self.train.len()]
    }

    fn epoch_from(&self, epoch: u64, first: usize) -> Result<Prefetch<ClassMapBatch>, LoaderError> {
        self.train.epoch_from(epoch, first)
    }

    fn images<'a>(&self, batch: &'a ClassMapBatch) -> (usize, &'a [BadImage]) {
        (batch.images.len(), &batch.bad)
    }

    fn least_images(&self, network: &Segmentation<B>, norms: NormMode) -> usize {
        Self::least_images(network.config(), norms, self.train.crop())
    }

    fn loss(
        &self,
        network: &Segmentation<B>,
        batch: &ClassMapBatch,
        device: &B::Device,
    ) -> Result<Tensor<B, 1>, FitError> {
        let Preprocessing { mean, std, .. } = self.preprocessing;
        let x = batch.to_tensor([mean, std], device)?;
        Ok(network.forward(x).losses(&batch.classes).total())
    }

    fn evaluate(
        &self,
        network: &Segmentation<B::InnerBackend>,
        device: &B::Device,
        bad: &mut dyn FnMut(BadImage),
    ) -> Result<Option<DenseScores>, FitError> {
        let valid = self.valid.as_ref();
        let scores =
            valid.map(|valid| Self::evaluate_on(valid, network, &self.preprocessing, device, bad));
        scores.transpose()
    }
}
