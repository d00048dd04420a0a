//! Pretrained weights of detectors and segmentation networks.

mod embedded;
mod infer;
mod source;
mod table;

use resnet_dense::{DenseArch, DenseConfig};
use serde::{Deserialize, Serialize};

use crate::{Labels, License, Source};
pub use embedded::EmbeddedDense;
pub use infer::InferredDense;
pub use source::{DenseSourceError, ResolvedDense};

/// Published pretrained weights of a detector or segmentation network.
///
/// ```
/// use resnet_weights::DenseWeights;
///
/// let weights = DenseWeights::named("maskrcnn_resnet50_fpn").unwrap();
/// assert_eq!(weights.id, "maskrcnn_resnet50_fpn.coco_v1");
/// assert_eq!(weights.metrics.mask_ap, Some(34.6));
/// assert_eq!(weights.labels().get(17), "cat");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DenseWeights {
    /// `architecture.tag`: `maskrcnn_resnet50_fpn.coco_v1`.
    pub id: String,
    /// torchvision's name: `MaskRCNN_ResNet50_FPN_Weights.COCO_V1`.
    pub torchvision: String,
    /// The network.
    pub arch: DenseArch,
    /// Whether the bare name of the network selects these weights.
    pub default: bool,
    /// The sources of the file.
    pub sources: Vec<Source>,
    /// Size of the file in MiB.
    pub mib: f64,
    /// The class names.
    pub classes: LabelSet,
    /// The license of the weights.
    pub license: License,
    /// Number of trainable parameters.
    pub parameters: u64,
    /// Billions of multiply-accumulates for one image, as torchvision states them.
    pub gmacs: f64,
    /// Epsilon of the backbone's frozen norms. torchvision sets it to 0 for its older weights.
    pub norm_eps: f64,
    /// The published metrics.
    pub metrics: DenseMetrics,
}

/// The class names of published dense weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelSet {
    /// The 91 category ids of COCO. 0 is the background, and 10 other ids have no category.
    Coco91,
    /// The background and the 20 classes of Pascal VOC.
    Voc21,
    /// No person, and person.
    Person,
}

/// Metrics in percent: of published weights on COCO val2017, of embedded networks on the validation
/// scenes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DenseMetrics {
    /// Average precision of boxes, over IoU thresholds from 0.5 to 0.95.
    pub box_ap: Option<f64>,
    /// Average precision of masks.
    pub mask_ap: Option<f64>,
    /// Average precision of keypoints.
    pub keypoint_ap: Option<f64>,
    /// Mean IoU of the classes of Pascal VOC.
    pub mean_iou: Option<f64>,
    /// Share of correctly predicted pixels.
    pub pixel_accuracy: Option<f64>,
}

impl DenseMetrics {
    pub(crate) const NONE: Self = Self {
        box_ap: None,
        mask_ap: None,
        keypoint_ap: None,
        mean_iou: None,
        pixel_accuracy: None,
    };
}

impl LabelSet {
    /// Returns the class names.
    pub fn labels(self) -> Labels {
        let named = match self {
            Self::Coco91 => Labels::named("coco91"),
            Self::Voc21 => Labels::named("voc21"),
            Self::Person => Some(Labels::from_iter(["no person", "person"])),
        };
        named.unwrap_or_else(|| Labels::from_iter(Vec::<String>::new()))
    }
}

impl DenseWeights {
    /// Returns all published weights of torchvision's ResNet detectors and segmentation networks.
    pub fn all() -> &'static [Self] {
        table::all()
    }

    /// Returns the weights with this name: an id, torchvision's name, or the name of a network for
    /// its default weights.
    pub fn named(name: &str) -> Option<&'static Self> {
        let of_torchvision = |weights: &&Self| {
            weights.torchvision == name
                || weights.default
                    && name.strip_suffix(".DEFAULT")
                        == weights
                            .torchvision
                            .split_once('.')
                            .map(|(network, _)| network)
        };
        let mut all = Self::all().iter();
        all.find(|weights| weights.id == name)
            .or_else(|| Self::all().iter().find(of_torchvision))
            .or_else(|| {
                let named = |weights: &&Self| weights.default && weights.arch.name() == name;
                Self::all().iter().find(named)
            })
    }

    /// Returns the config of the network.
    pub fn config(&self) -> DenseConfig {
        let mut config = self.arch.config();
        config.body_mut().norm_eps = self.norm_eps;
        config
    }

    /// Returns the class names.
    pub fn labels(&self) -> Labels {
        self.classes.labels()
    }
}
