//! Training and validation of detectors.

use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use resnet_core::Network;
use resnet_data::coco::{CocoResult, CocoTask, CocoTruth};
use resnet_data::objects::{ObjectBatch, ObjectDataset, ObjectLoader, TargetParts};
use resnet_data::{BadImage, LoaderError, Prefetch};
use resnet_dense::{DetectorNetwork, ImageTensor};

use super::with_causes;
use super::{DenseScores, DenseTask};
use crate::FitError;

/// Trains a detector on annotated objects.
#[derive(Clone, Debug)]
pub struct DetectionTask {
    /// The training set.
    pub train: ObjectLoader,
    /// The validation set.
    pub valid: Option<ObjectDataset>,
}

impl DetectionTask {
    /// Computes COCO's metrics of a network without gradients, on any annotated images.
    ///
    /// # Errors
    ///
    /// Returns an error if the results cannot be compared with the annotations.
    pub fn evaluate_on<B: Backend>(
        data: &ObjectDataset,
        network: &DetectorNetwork<B>,
        device: &B::Device,
        bad: &mut dyn FnMut(BadImage),
    ) -> Result<DenseScores, FitError> {
        let config = network.config();
        let network = network.clone().fuse();
        let first = TargetParts::of(&config).first_class;
        let (mut results, mut loaded) = (Vec::new(), Vec::new());
        for image in data.images() {
            let (pixels, _) = match image.load() {
                Ok(loaded) => loaded,
                Err(error) => {
                    bad(BadImage {
                        name: image.name(),
                        reason: with_causes(&error),
                    });
                    continue;
                }
            };
            loaded.push(image.clone());
            let size = [pixels.height() as usize, pixels.width() as usize];
            let pixels = ImageTensor::from_bytes(size, pixels.into_raw());
            for found in network.detect(&[pixels], device).into_iter().flatten() {
                let Some(class) = found.label.checked_sub(first) else {
                    continue;
                };
                let category = class as u64 + 1;
                results.push(CocoResult::of_detection(image.id(), category, &found));
            }
        }
        // Objects in unreadable images are not missed.
        let truth = CocoTruth::of_dataset(&data.with_images(loaded));
        let mut tasks = vec![CocoTask::Boxes];
        tasks.extend(config.has_masks().then_some(CocoTask::Masks));
        tasks.extend(config.keypoints().map(|_| CocoTask::Keypoints));
        let metrics = tasks.into_iter().map(|task| truth.evaluate(&results, task));
        Ok(DenseScores::Objects(metrics.collect::<Result<_, _>>()?))
    }
}

impl<B: AutodiffBackend> DenseTask<B> for DetectionTask {
    type Network = DetectorNetwork<B>;
    type Batch = ObjectBatch;

    fn counts(&self) -> [usize; 3] {
        let data = self.train.dataset();
        [data.len(), data.classes().len(), self.train.len()]
    }

    fn epoch_from(&self, epoch: u64, first: usize) -> Result<Prefetch<ObjectBatch>, LoaderError> {
        self.train.epoch_from(epoch, first)
    }

    fn images<'a>(&self, batch: &'a ObjectBatch) -> (usize, &'a [BadImage]) {
        (batch.images.len(), &batch.bad)
    }

    fn loss(
        &self,
        network: &DetectorNetwork<B>,
        batch: &ObjectBatch,
        device: &B::Device,
    ) -> Result<Tensor<B, 1>, FitError> {
        let ObjectBatch {
            images,
            targets,
            min_sizes,
            ..
        } = batch;
        let losses = network.losses(images, targets, min_sizes, &mut batch.sampler(), device);
        Ok(losses.total())
    }

    fn evaluate(
        &self,
        network: &DetectorNetwork<B::InnerBackend>,
        device: &B::Device,
        bad: &mut dyn FnMut(BadImage),
    ) -> Result<Option<DenseScores>, FitError> {
        let valid = self.valid.as_ref();
        let scores = valid.map(|valid| Self::evaluate_on(valid, network, device, bad));
        scores.transpose()
    }
}
