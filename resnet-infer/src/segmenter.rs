//! Segments images: predicts the class of each pixel.

#[cfg(feature = "draw")]
mod draw;

use std::path::{Path, PathBuf};

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use resnet_core::Network;
use resnet_dense::ops::resize::best_classes_of;
use resnet_dense::{DenseConfig, Segmentation, SegmentationConfig};
use resnet_image::{Pixels, Preprocessing, default_memory_limit, to_tensor};
use resnet_weights::{Labels, ModelSource, ResolvedDense};
use serde::{Deserialize, Serialize};

use crate::{ClassifyError, DenseBuildError, ImageFailure, ImageInput, PrepareError};

/// A segmentation network with its weights, preprocessing and labels.
///
/// ```no_run
/// use resnet_cpu::Cpu;
/// use resnet_infer::Segmenter;
///
/// let segmenter: Segmenter<Cpu> = Segmenter::pretrained("deeplabv3_resnet50", &Default::default())?;
/// for class in &segmenter.segment_one("street.jpg")?.classes {
///     println!("{:5.1} % {}", 100.0 * class.share, class.label);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Segmenter<B: Backend> {
    network: Segmentation<B>,
    preprocessing: Preprocessing,
    labels: Labels,
    memory_limit: u64,
    notes: Vec<String>,
    device: B::Device,
}

/// The class of each pixel of an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageSegmentation {
    /// Width of the image.
    pub width: usize,
    /// Height of the image.
    pub height: usize,
    /// The classes in the image, the largest first.
    pub classes: Vec<ClassShare>,
    /// The class of each pixel, row by row. It is not serialized.
    #[serde(skip)]
    pub pixels: Vec<u16>,
}

/// The pixels of one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassShare {
    /// Index of the class.
    pub class: usize,
    /// Name of the class.
    pub label: String,
    /// Number of pixels.
    pub pixels: usize,
    /// Share of the image's pixels, from 0 to 1.
    pub share: f64,
}

impl<B: Backend> Segmenter<B> {
    /// Creates a segmenter with pretrained weights, and downloads them if they are not on this
    /// machine. The name is an id such as `fcn_resnet50.coco_with_voc_labels_v1`, torchvision's
    /// name, or the name of a network.
    ///
    /// # Errors
    ///
    /// Returns an error if no segmentation network has the name, or if its weights cannot be found
    /// or downloaded.
    pub fn pretrained(name: impl AsRef<str>, device: &B::Device) -> Result<Self, DenseBuildError> {
        Self::from_source(ModelSource::named(name.as_ref()), device)
    }

    /// Creates a segmenter from a checkpoint file. The network is inferred from the keys.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read or contains no segmentation network.
    pub fn open(path: impl AsRef<Path>, device: &B::Device) -> Result<Self, DenseBuildError> {
        Self::from_source(ModelSource::file(path.as_ref()), device)
    }

    /// Creates a segmenter from a source, which may set options of the network.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`open`](Self::open) and [`pretrained`](Self::pretrained).
    pub fn from_source(source: ModelSource, device: &B::Device) -> Result<Self, DenseBuildError> {
        Self::from_resolved(&source.resolve_dense()?, device)
    }

    /// Creates a segmenter from a resolved source.
    ///
    /// # Errors
    ///
    /// Returns an error if the network is no segmentation network, or the weights do not fit it.
    pub fn from_resolved(
        resolved: &ResolvedDense,
        device: &B::Device,
    ) -> Result<Self, DenseBuildError> {
        let DenseConfig::Segmentation(config) = &resolved.config else {
            return Err(DenseBuildError::Task {
                name: resolved.name.clone(),
                expected: "segmentation",
                found: "detection",
            });
        };
        let (network, report) = resolved.load_into(config.init(device))?;
        let mut segmenter = Self::new(network, resolved.labels.clone(), device);
        if let Some(preprocessing) = resolved.checkpoint.preprocessing() {
            segmenter = segmenter.with_preprocessing(preprocessing);
        }
        segmenter.notes = resolved.notes.clone();
        segmenter.notes.extend(report.note());
        Ok(segmenter)
    }

    /// Creates a segmenter from its parts, with the preprocessing of torchvision's weights: the
    /// shorter side becomes 520 pixels. Fuses the network.
    pub fn new(network: Segmentation<B>, labels: Labels, device: &B::Device) -> Self {
        Self {
            network: network.fuse(),
            preprocessing: Preprocessing {
                resize: Some(520),
                crop: None,
                ..Preprocessing::imagenet()
            },
            labels,
            memory_limit: default_memory_limit(),
            notes: Vec::new(),
            device: device.clone(),
        }
    }

    /// Sets the preprocessing, but ignores its crop: results cover the whole image.
    pub fn with_preprocessing(self, preprocessing: Preprocessing) -> Self {
        let preprocessing = Preprocessing {
            crop: None,
            ..preprocessing
        };
        Self {
            preprocessing,
            ..self
        }
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
    pub fn config(&self) -> &SegmentationConfig {
        self.network.config()
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

    /// Returns the preprocessing of images.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// Segments one image.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`segment_iter`](Self::segment_iter).
    pub fn segment_one(
        &self,
        image: impl Into<ImageInput>,
    ) -> Result<ImageSegmentation, ClassifyError> {
        self.segment_at(0, image.into())
    }

    /// Segments images lazily, one at a time. Yields one result per image, in their order.
    ///
    /// # Errors
    ///
    /// Yields an error for an image that cannot be read or decoded, has other channels than the
    /// network, or is too large for the memory limit, and if the output of the network is not
    /// finite.
    pub fn segment_iter(
        &self,
        images: impl IntoIterator<Item: Into<ImageInput>>,
    ) -> impl Iterator<Item = Result<ImageSegmentation, ClassifyError>> {
        let images = images.into_iter().enumerate();
        images.map(|(index, image)| self.segment_at(index, image.into()))
    }

    fn segment_at(
        &self,
        index: usize,
        image: ImageInput,
    ) -> Result<ImageSegmentation, ClassifyError> {
        let path = image.path().map(PathBuf::from);
        let pixels = image.into_pixels(self.preprocessing.channels());
        let result = pixels
            .map_err(ImageFailure::from)
            .and_then(|image| self.segment_pixels(&image));
        result.map_err(|source| ClassifyError {
            index,
            path,
            source,
        })
    }

    /// Segments a decoded image.
    ///
    /// # Errors
    ///
    /// Returns an error if the preprocessing has other channels than the network, if the image is
    /// too large for the memory limit, or if the output of the network is not finite.
    pub fn segment_pixels(&self, image: &Pixels) -> Result<ImageSegmentation, ImageFailure> {
        let channels = self.config().backbone.in_channels;
        self.preprocessing.check_channels(channels)?;
        let (width, height) = image.dimensions();
        let resized = self
            .preprocessing
            .apply_to(image.clone())
            .map_err(PrepareError::from)?;
        let (w, h) = resized.dimensions();
        let needed = self
            .config()
            .backbone
            .inference_bytes(1, [h as usize, w as usize]);
        if needed > self.memory_limit {
            return Err(ImageFailure::Prepare(PrepareError::TooLarge {
                width: w,
                height: h,
                needed,
                limit: self.memory_limit,
            }));
        }
        let (mean, std) = (self.preprocessing.mean, self.preprocessing.std);
        let x: Tensor<B, 4> = to_tensor(&[resized], mean, std, &self.device)?;
        let out = self.network.forward(x).out;
        let [_, classes, h, w] = out.dims();
        let logits: Vec<f32> = out.into_data().iter().collect();
        if !logits.iter().all(|logit| logit.is_finite()) {
            return Err(ImageFailure::NonFinite);
        }
        let (width, height) = (width as usize, height as usize);
        let pixels = best_classes_of(&logits, classes, [h, w], [height, width]);
        Ok(ImageSegmentation {
            width,
            height,
            classes: shares(&pixels, classes, &self.labels),
            pixels,
        })
    }
}

fn shares(pixels: &[u16], classes: usize, labels: &Labels) -> Vec<ClassShare> {
    let mut counts = vec![0_usize; classes];
    for class in pixels {
        counts[usize::from(*class)] += 1;
    }
    let counted = counts
        .into_iter()
        .enumerate()
        .filter(|(_, count)| *count > 0);
    let mut shares: Vec<ClassShare> = counted
        .map(|(class, count)| ClassShare {
            class,
            label: labels.get(class).to_string(),
            pixels: count,
            share: count as f64 / pixels.len().max(1) as f64,
        })
        .collect();
    shares.sort_by_key(|share| std::cmp::Reverse(share.pixels));
    shares
}
