//! The options of any network of this crate.

use resnet_core::ResNetConfig;
use serde::{Deserialize, Serialize};

use crate::validate::DenseConfigError;
use crate::{FcosConfig, RcnnConfig, RetinaNetConfig, SegmentationConfig, TransformConfig};

/// The options of a detector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DetectorConfig {
    /// Faster R-CNN, Mask R-CNN or Keypoint R-CNN.
    Rcnn(RcnnConfig),
    /// RetinaNet.
    RetinaNet(RetinaNetConfig),
    /// FCOS.
    Fcos(FcosConfig),
}

/// The options of a detector or a segmentation network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DenseConfig {
    /// A detector.
    Detection(DetectorConfig),
    /// A segmentation network.
    Segmentation(SegmentationConfig),
}

impl DetectorConfig {
    /// Returns the number of classes. R-CNNs count the background as a class.
    pub fn num_classes(&self) -> usize {
        match self {
            Self::Rcnn(config) => config.num_classes,
            Self::RetinaNet(config) => config.num_classes,
            Self::Fcos(config) => config.num_classes,
        }
    }

    /// Sets the number of classes. R-CNNs count the background as a class.
    pub fn set_num_classes(&mut self, classes: usize) {
        match self {
            Self::Rcnn(config) => config.num_classes = classes,
            Self::RetinaNet(config) => config.num_classes = classes,
            Self::Fcos(config) => config.num_classes = classes,
        }
    }

    /// Returns the preprocessing.
    pub fn transform(&self) -> &TransformConfig {
        match self {
            Self::Rcnn(config) => &config.transform,
            Self::RetinaNet(config) => &config.transform,
            Self::Fcos(config) => &config.transform,
        }
    }

    /// Returns the preprocessing for changes.
    pub fn transform_mut(&mut self) -> &mut TransformConfig {
        match self {
            Self::Rcnn(config) => &mut config.transform,
            Self::RetinaNet(config) => &mut config.transform,
            Self::Fcos(config) => &mut config.transform,
        }
    }

    /// Returns the options of the residual network.
    pub fn body(&self) -> &ResNetConfig {
        match self {
            Self::Rcnn(config) => &config.backbone.body,
            Self::RetinaNet(config) => &config.backbone.body,
            Self::Fcos(config) => &config.backbone.body,
        }
    }

    /// Returns the options of the residual network for changes.
    pub fn body_mut(&mut self) -> &mut ResNetConfig {
        match self {
            Self::Rcnn(config) => &mut config.backbone.body,
            Self::RetinaNet(config) => &mut config.backbone.body,
            Self::Fcos(config) => &mut config.backbone.body,
        }
    }

    /// Returns the number of keypoints per object, or `None` if the network predicts none.
    pub fn keypoints(&self) -> Option<usize> {
        match self {
            Self::Rcnn(config) => config.keypoints,
            Self::RetinaNet(_) | Self::Fcos(_) => None,
        }
    }

    /// Returns whether the network predicts a mask for each object.
    pub fn has_masks(&self) -> bool {
        matches!(self, Self::Rcnn(config) if config.masks)
    }

    /// Checks the options.
    ///
    /// # Errors
    ///
    /// Returns an error that names the first invalid option.
    pub fn validate(&self) -> Result<(), DenseConfigError> {
        match self {
            Self::Rcnn(config) => config.validate(),
            Self::RetinaNet(config) => config.validate(),
            Self::Fcos(config) => config.validate(),
        }
    }
}

impl DenseConfig {
    /// Returns whether the network is a detector.
    pub fn is_detector(&self) -> bool {
        matches!(self, Self::Detection(_))
    }

    /// Returns the number of classes, with the background if the network has one.
    pub fn num_classes(&self) -> usize {
        match self {
            Self::Detection(config) => config.num_classes(),
            Self::Segmentation(config) => config.num_classes,
        }
    }

    /// Sets the number of classes, with the background if the network has one.
    pub fn set_num_classes(&mut self, classes: usize) {
        match self {
            Self::Detection(config) => config.set_num_classes(classes),
            Self::Segmentation(config) => config.num_classes = classes,
        }
    }

    /// Returns the options of the residual network.
    pub fn body(&self) -> &ResNetConfig {
        match self {
            Self::Detection(config) => config.body(),
            Self::Segmentation(config) => &config.backbone,
        }
    }

    /// Returns the options of the residual network for changes.
    pub fn body_mut(&mut self) -> &mut ResNetConfig {
        match self {
            Self::Detection(config) => config.body_mut(),
            Self::Segmentation(config) => &mut config.backbone,
        }
    }

    /// Checks the options.
    ///
    /// # Errors
    ///
    /// Returns an error that names the first invalid option.
    pub fn validate(&self) -> Result<(), DenseConfigError> {
        match self {
            Self::Detection(config) => config.validate(),
            Self::Segmentation(config) => config.validate(),
        }
    }
}

impl From<DetectorConfig> for DenseConfig {
    fn from(config: DetectorConfig) -> Self {
        Self::Detection(config)
    }
}

impl From<RcnnConfig> for DenseConfig {
    fn from(config: RcnnConfig) -> Self {
        Self::Detection(DetectorConfig::Rcnn(config))
    }
}

impl From<RetinaNetConfig> for DenseConfig {
    fn from(config: RetinaNetConfig) -> Self {
        Self::Detection(DetectorConfig::RetinaNet(config))
    }
}

impl From<FcosConfig> for DenseConfig {
    fn from(config: FcosConfig) -> Self {
        Self::Detection(DetectorConfig::Fcos(config))
    }
}

impl From<SegmentationConfig> for DenseConfig {
    fn from(config: SegmentationConfig) -> Self {
        Self::Segmentation(config)
    }
}
