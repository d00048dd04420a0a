//! A detector of any kind.

use std::borrow::Cow;

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};
use resnet_core::layers::Norm;
use resnet_core::{LayerGroup, Network, ResNet};

use crate::host;
use crate::{Detections, DetectorConfig, Draw, Fcos, ImageTensor, Losses, Rcnn, RetinaNet, Target};

/// A detector of any kind.
#[derive(Module, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "there are few detectors in a program"
)]
pub enum DetectorNetwork<B: Backend> {
    /// Faster R-CNN, Mask R-CNN or Keypoint R-CNN.
    Rcnn(Rcnn<B>),
    /// RetinaNet.
    RetinaNet(RetinaNet<B>),
    /// FCOS.
    Fcos(Fcos<B>),
}

impl DetectorConfig {
    /// Creates the network.
    ///
    /// # Panics
    ///
    /// May panic if the config is not [valid](Self::validate).
    pub fn init<B: Backend>(&self, device: &B::Device) -> DetectorNetwork<B> {
        match self {
            Self::Rcnn(config) => DetectorNetwork::Rcnn(config.init(device)),
            Self::RetinaNet(config) => DetectorNetwork::RetinaNet(config.init(device)),
            Self::Fcos(config) => DetectorNetwork::Fcos(config.init(device)),
        }
    }
}

impl<B: Backend> DetectorNetwork<B> {
    /// Detects objects. The results are in pixels of the original images.
    ///
    /// # Panics
    ///
    /// Panics if an image has another number of channels than the network.
    pub fn detect(&self, images: &[ImageTensor], device: &B::Device) -> Vec<Detections> {
        match self {
            Self::Rcnn(network) => network.detect(images, device),
            Self::RetinaNet(network) => network.detect(images, device),
            Self::Fcos(network) => network.detect(images, device),
        }
    }

    /// Returns whether the outputs of the network for these images are finite. [`detect`](Self::detect)
    /// drops boxes with a NaN, so a network with damaged weights finds nothing.
    ///
    /// # Panics
    ///
    /// Panics if an image has another number of channels than the network.
    pub fn is_finite(&self, images: &[ImageTensor], device: &B::Device) -> bool {
        let outputs = match self {
            Self::Rcnn(network) => network.raw_outputs(images, device),
            Self::RetinaNet(network) => network.raw_outputs(images, device),
            Self::Fcos(network) => network.raw_outputs(images, device),
        };
        let sums = outputs.into_iter().map(|output| output.abs().sum());
        let sums: Vec<f32> = host::values(Tensor::cat(sums.collect(), 0));
        sums.into_iter().all(f32::is_finite)
    }
}

impl<B: Backend> DetectorNetwork<B> {
    /// Changes the residual network, for example to load ImageNet weights into it.
    ///
    /// # Errors
    ///
    /// Returns the error of `change`.
    pub fn map_body<E>(
        self,
        change: impl FnOnce(ResNet<B>) -> Result<ResNet<B>, E>,
    ) -> Result<Self, E> {
        Ok(match self {
            Self::Rcnn(network) => Self::Rcnn(network.map_body(change)?),
            Self::RetinaNet(network) => Self::RetinaNet(network.map_body(change)?),
            Self::Fcos(network) => Self::Fcos(network.map_body(change)?),
        })
    }

    /// Returns the config of the network.
    pub fn config(&self) -> DetectorConfig {
        match self {
            Self::Rcnn(network) => DetectorConfig::Rcnn(network.config().clone()),
            Self::RetinaNet(network) => DetectorConfig::RetinaNet(network.config().clone()),
            Self::Fcos(network) => DetectorConfig::Fcos(network.config().clone()),
        }
    }

    /// Returns the losses of a training step. The network has the losses and weights of torchvision.
    ///
    /// `min_sizes` is the length of each image's shorter side after resizing. `draw` chooses the
    /// anchors and proposals of an R-CNN's losses; the other networks use all anchors.
    ///
    /// # Panics
    ///
    /// Panics if the numbers of images, targets and sizes differ, a label is no class, a box has no
    /// area, or a target lacks the masks or keypoints that the network predicts.
    pub fn losses(
        &self,
        images: &[ImageTensor],
        targets: &[Target],
        min_sizes: &[usize],
        draw: Draw<'_>,
        device: &B::Device,
    ) -> Losses<B> {
        match self {
            Self::Rcnn(network) => network.losses(images, targets, min_sizes, draw, device),
            Self::RetinaNet(network) => network.losses(images, targets, min_sizes, device),
            Self::Fcos(network) => network.losses(images, targets, min_sizes, device),
        }
    }
}

impl<B: Backend> Network<B> for DetectorNetwork<B> {
    fn each_norm(&mut self, each: &mut dyn FnMut(&mut Norm<B>)) {
        match self {
            Self::Rcnn(network) => network.each_norm(each),
            Self::RetinaNet(network) => network.each_norm(each),
            Self::Fcos(network) => network.each_norm(each),
        }
    }

    fn fuse(self) -> Self {
        match self {
            Self::Rcnn(network) => Self::Rcnn(network.fuse()),
            Self::RetinaNet(network) => Self::RetinaNet(network.fuse()),
            Self::Fcos(network) => Self::Fcos(network.fuse()),
        }
    }

    fn layer_group(&self, key: &str) -> LayerGroup {
        crate::rcnn::layer_group(key)
    }

    fn is_predictor(&self, key: &str) -> bool {
        match self {
            Self::Rcnn(network) => network.is_predictor(key),
            Self::RetinaNet(network) => network.is_predictor(key),
            Self::Fcos(network) => network.is_predictor(key),
        }
    }

    fn current_key<'a>(&self, key: &'a str) -> Cow<'a, str> {
        match self {
            Self::Rcnn(network) => network.current_key(key),
            Self::RetinaNet(network) => network.current_key(key),
            Self::Fcos(network) => network.current_key(key),
        }
    }
}
