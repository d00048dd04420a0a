//! The options of FCOS.

use burn::tensor::backend::Backend;
use resnet_core::layers::ConvPlan;
use resnet_core::{Arch, NormKind, ResNetConfig};
use serde::{Deserialize, Serialize};

use super::{BoxHead, ClassHead, Fcos, Head, Tower};
use crate::init::{self, Weight};
use crate::ops::anchors::AnchorSpec;
use crate::retinanet::PRIOR_BIAS;
use crate::validate::{self, DenseConfigError};
use crate::{BackboneConfig, FpnConfig, TopLevels, TransformConfig};

/// The options of an FCOS network. Fields have the names and defaults of torchvision's
/// constructors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FcosConfig {
    /// Residual network and feature pyramid.
    pub backbone: BackboneConfig,
    /// Number of classes. There is no background class.
    pub num_classes: usize,
    /// The box of each cell, one per level.
    pub anchors: Vec<AnchorSpec>,
    /// Preprocessing.
    pub transform: TransformConfig,
    /// Score threshold: detections with a smaller or equal score are dropped.
    pub score_thresh: f32,
    /// IoU above which NMS suppresses a box of the same class.
    pub nms_thresh: f64,
    /// Largest number of detections per image.
    pub detections_per_img: usize,
    /// Number of scores per level, the best first, that become boxes.
    pub topk_candidates: usize,
    /// Largest distance of a positive cell to the center of its box, in anchor sizes.
    pub center_sampling_radius: f32,
}

impl FcosConfig {
    /// Returns an FCOS network (Tian et al. 2019) on any residual network.
    pub fn new(body: ResNetConfig, num_classes: usize) -> Self {
        let anchors = [8, 16, 32, 64, 128].map(|size| AnchorSpec {
            sizes: vec![size],
            aspect_ratios: vec![1.0],
        });
        Self {
            backbone: BackboneConfig {
                body: body.with_num_classes(0),
                fpn: FpnConfig {
                    channels: 256,
                    first_stage: 2,
                    norm: None,
                    top: TopLevels::ConvP5,
                },
            },
            num_classes,
            anchors: anchors.to_vec(),
            transform: TransformConfig::default(),
            score_thresh: 0.2,
            nms_thresh: 0.6,
            detections_per_img: 100,
            topk_candidates: 1000,
            center_sampling_radius: 1.5,
        }
    }

    /// Returns `fcos_resnet50_fpn` with this number of classes and the norm of its published
    /// weights.
    pub fn resnet50(num_classes: usize) -> Self {
        let body = Arch::ResNet50.config().with_norm(NormKind::Frozen);
        Self::new(body, num_classes)
    }

    /// Checks the options.
    ///
    /// # Errors
    ///
    /// Returns an error that names the first invalid option.
    pub fn validate(&self) -> Result<(), DenseConfigError> {
        self.backbone.validate()?;
        self.transform.validate(self.backbone.body.in_channels)?;
        validate::anchors(&self.anchors, self.backbone.levels())?;
        validate::share("score_thresh", self.score_thresh.into())?;
        validate::share("nms_thresh", self.nms_thresh)?;
        validate::at_least("topk_candidates", self.topk_candidates, 1)?;
        validate::at_least("detections_per_img", self.detections_per_img, 1)?;
        if let Some(spec) = self.anchors.iter().find(|spec| spec.per_cell() != 1) {
            return Err(validate::invalid("anchors", "1 per cell", spec.per_cell()));
        }
        match self.backbone.fpn.channels % 32 {
            0 => validate::at_least("num_classes", self.num_classes, 1),
            _ => Err(validate::invalid(
                "fpn.channels",
                "a multiple of 32, the groups of the head's norms",
                self.backbone.fpn.channels,
            )),
        }
    }

    /// Creates the network.
    pub fn init<B: Backend>(&self, device: &B::Device) -> Fcos<B> {
        let c = self.backbone.fpn.channels;
        let last = |outputs: usize, bias: f64| {
            init::conv(
                ConvPlan::new(c, outputs, 3),
                Weight::Normal(0.01),
                Some(bias),
                device,
            )
        };
        Fcos {
            backbone: self.backbone.init(device),
            head: Head {
                classification_head: ClassHead {
                    conv: Tower::new(c, device),
                    cls_logits: last(self.num_classes, PRIOR_BIAS),
                },
                regression_head: BoxHead {
                    conv: Tower::new(c, device),
                    bbox_reg: last(4, 0.0),
                    bbox_ctrness: last(1, 0.0),
                },
            },
            config: self.clone(),
        }
    }
}
