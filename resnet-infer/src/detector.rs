//! Detects objects in images.

mod annotations;
#[cfg(feature = "draw")]
mod draw;
mod objects;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use burn::tensor::backend::Backend;
use resnet_core::Network;
use resnet_dense::{DenseConfig, Detection, DetectorConfig, DetectorNetwork, ImageTensor};
use resnet_image::{Channels, ChannelsError, Pixels, default_memory_limit};
use resnet_weights::{
    CategoryIds, DenseSourceError, KeypointNames, Labels, ModelSource, ResolvedDense,
};

use crate::{ClassifyError, ImageFailure, ImageInput, PrepareError};
pub use objects::{DetectedKeypoint, DetectedObject, ImageDetections};

/// A detector with its weights and labels, ready to find objects in images.
///
/// ```no_run
/// use resnet_cpu::Cpu;
/// use resnet_infer::Detector;
///
/// let detector: Detector<Cpu> = Detector::pretrained("fasterrcnn_resnet50_fpn", &Default::default())?;
/// for object in &detector.detect_one("street.jpg")?.objects {
///     println!("{:.2} {} {:?}", object.score, object.label, object.bounds);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Detector<B: Backend> {
    network: DetectorNetwork<B>,
    config: DetectorConfig,
    channels: Channels,
    labels: Labels,
    category_ids: Option<CategoryIds>,
    keypoints: KeypointNames,
    score: f32,
    memory_limit: u64,
    notes: Vec<String>,
    /// Set once the weights have been checked.
    checked: OnceLock<()>,
    device: B::Device,
}

/// The error of creating a [`Detector`] or a [`Segmenter`](crate::Segmenter).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DenseBuildError {
    /// The model source cannot be loaded.
    #[error(transparent)]
    Source(#[from] DenseSourceError),
    /// The network takes images with an unsupported number of channels.
    #[error(transparent)]
    Channels(#[from] ChannelsError),
    /// The network has another task.
    #[error("`{name}`: expected a {expected} network, found a {found} network")]
    Task {
        /// The name of the weights or the file.
        name: String,
        /// The expected task.
        expected: &'static str,
        /// The task of the network.
        found: &'static str,
    },
}

impl<B: Backend> Detector<B> {
    /// Creates a detector with pretrained weights, and downloads them if they are not on this
    /// machine. The name is an id such as `maskrcnn_resnet50_fpn.coco_v1`, torchvision's name, or
    /// the name of a network.
    ///
    /// # Errors
    ///
    /// Returns an error if no detector has the name, or if its weights cannot be found or
    /// downloaded.
    pub fn pretrained(name: impl AsRef<str>, device: &B::Device) -> Result<Self, DenseBuildError> {
        Self::from_source(ModelSource::named(name.as_ref()), device)
    }

    /// Creates a detector from a checkpoint file. The network is inferred from the keys.
    /// [`notes`](Self::notes) lists the assumptions.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read or contains no detector.
    pub fn open(path: impl AsRef<Path>, device: &B::Device) -> Result<Self, DenseBuildError> {
        Self::from_source(ModelSource::file(path.as_ref()), device)
    }

    /// Creates a detector from a source, which may set options of the network.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`open`](Self::open) and [`pretrained`](Self::pretrained).
    pub fn from_source(source: ModelSource, device: &B::Device) -> Result<Self, DenseBuildError> {
        Self::from_resolved(&source.resolve_dense()?, device)
    }

    /// Creates a detector from a resolved source.
    ///
    /// # Errors
    ///
    /// Returns an error if the network is no detector, or the weights do not fit it.
    pub fn from_resolved(
        resolved: &ResolvedDense,
        device: &B::Device,
    ) -> Result<Self, DenseBuildError> {
        let DenseConfig::Detection(config) = &resolved.config else {
            return Err(DenseBuildError::Task {
                name: resolved.name.clone(),
                expected: "detection",
                found: "segmentation",
            });
        };
        let (network, report) = resolved.load_into(config.init(device))?;
        let labels = resolved.labels.clone();
        let mut detector = Self::new(network, config.clone(), labels, device)?;
        detector.category_ids = resolved.category_ids.clone();
        if let Some(keypoints) = &resolved.keypoints {
            detector.keypoints = keypoints.clone();
        }
        detector.notes = resolved.notes.clone();
        detector.notes.extend(report.note());
        Ok(detector)
    }

    /// Creates a detector from its parts, with a minimum score of 0.5. Fuses the network.
    ///
    /// # Errors
    ///
    /// Returns an error if the network takes images with an unsupported number of channels.
    pub fn new(
        network: DetectorNetwork<B>,
        config: DetectorConfig,
        labels: Labels,
        device: &B::Device,
    ) -> Result<Self, DenseBuildError> {
        Ok(Self {
            network: network.fuse(),
            channels: Channels::try_from(config.body().in_channels)?,
            keypoints: annotations::assumed_keypoints(config.keypoints()),
            config,
            labels,
            category_ids: None,
            score: 0.5,
            memory_limit: default_memory_limit(),
            notes: Vec::new(),
            checked: OnceLock::new(),
            device: device.clone(),
        })
    }

    /// Sets the minimum score of an object, from 0 to 1. The default is 0.5. The network itself
    /// drops objects below the option `box_score_thresh` or `score_thresh` of its config.
    pub fn with_score(self, score: f32) -> Self {
        Self { score, ..self }
    }

    /// Sets the memory limit of the feature maps in bytes, estimated before the network runs. The
    /// default is 4 GiB, or half of the machine's memory if that is less.
    pub fn with_memory_limit(self, bytes: u64) -> Self {
        Self {
            memory_limit: bytes,
            ..self
        }
    }

    /// Returns the config of the network.
    pub fn config(&self) -> &DetectorConfig {
        &self.config
    }

    /// Returns the network. It is fused: batch norms are folded into the convolutions.
    pub fn network(&self) -> &DetectorNetwork<B> {
        &self.network
    }

    /// Returns the class names.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Returns the assumptions about a file that does not fully determine its network, one line
    /// each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Detects objects in images, one image at a time: padding an image to the size of another one
    /// would change its results.
    ///
    /// # Errors
    ///
    /// Returns the first error of [`detect_iter`](Self::detect_iter).
    pub fn detect(
        &self,
        images: impl IntoIterator<Item: Into<ImageInput>>,
    ) -> Result<Vec<ImageDetections>, ClassifyError> {
        self.detect_iter(images).collect()
    }

    /// Detects objects in one image.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`detect_iter`](Self::detect_iter).
    pub fn detect_one(
        &self,
        image: impl Into<ImageInput>,
    ) -> Result<ImageDetections, ClassifyError> {
        self.detect_at(0, image.into())
    }

    /// Detects objects lazily. Yields one result per image, in their order. A failed image does not
    /// stop the others.
    ///
    /// # Errors
    ///
    /// Yields an error for an image that cannot be read or decoded, has other channels than the
    /// network, or is too large for the memory limit, and if the output of the network is not finite.
    pub fn detect_iter(
        &self,
        images: impl IntoIterator<Item: Into<ImageInput>>,
    ) -> impl Iterator<Item = Result<ImageDetections, ClassifyError>> {
        let images = images.into_iter().enumerate();
        images.map(|(index, image)| self.detect_at(index, image.into()))
    }

    fn detect_at(&self, index: usize, image: ImageInput) -> Result<ImageDetections, ClassifyError> {
        let path = image.path().map(PathBuf::from);
        let found = self.prepare(image).map_err(ImageFailure::from);
        let found = found.and_then(|pixels| self.detect_prepared(&pixels));
        found.map_err(|source| ClassifyError {
            index,
            path,
            source,
        })
    }

    /// Decodes an image and checks its size.
    ///
    /// # Errors
    ///
    /// Returns an error if the image cannot be read or decoded, has other channels than the
    /// network, or is too large for the memory limit.
    pub fn prepare(&self, image: impl Into<ImageInput>) -> Result<Pixels, PrepareError> {
        let pixels = image.into().into_pixels(self.channels)?;
        let (width, height) = pixels.dimensions();
        let transform = self.config.transform();
        let padded = transform.padded([[height as usize, width as usize]].into_iter());
        let needed = self.config.body().inference_bytes(1, padded);
        match needed > self.memory_limit {
            false => Ok(pixels),
            true => Err(PrepareError::TooLarge {
                width: padded[1] as u32,
                height: padded[0] as u32,
                needed,
                limit: self.memory_limit,
            }),
        }
    }

    /// Detects objects in the output of [`prepare`](Self::prepare).
    ///
    /// # Errors
    ///
    /// Returns an error if the output of the network is not finite.
    pub fn detect_prepared(&self, pixels: &Pixels) -> Result<ImageDetections, ImageFailure> {
        let image = to_image_tensor(pixels);
        let size = image.size();
        let images = [image];
        let found = self.network.detect(&images, &self.device);
        if found.iter().all(Vec::is_empty) {
            self.check_weights(&images)?;
        }
        let objects = found.into_iter().flatten();
        let objects: Vec<Detection> = objects
            .filter(|object| object.score >= self.score)
            .collect();
        if !objects.iter().all(Detection::is_finite) {
            return Err(ImageFailure::NonFinite);
        }
        let found = objects::image_detections(size, objects, &self.labels, &self.keypoints);
        Ok(found)
    }

    /// Checks that the outputs are finite. The network drops boxes with a NaN, so a network with
    /// damaged weights finds nothing. One check is enough, because the weights do not change.
    fn check_weights(&self, images: &[ImageTensor]) -> Result<(), ImageFailure> {
        if self.checked.get().is_none() {
            if !self.network.is_finite(images, &self.device) {
                return Err(ImageFailure::NonFinite);
            }
            self.checked.get_or_init(|| ());
        }
        Ok(())
    }
}

fn to_image_tensor(pixels: &Pixels) -> ImageTensor {
    let (width, height) = pixels.dimensions();
    let size = [height as usize, width as usize];
    ImageTensor::from_bytes(size, pixels.as_raw().to_vec())
}
