//! The options of RetinaNet.

use burn::tensor::backend::Backend;
use resnet_core::layers::{ConvNormAct, ConvPlan};
use resnet_core::{Activation, Arch, NormKind, ResNetConfig};
use serde::{Deserialize, Serialize};

use super::{BoxHead, ClassHead, Head, PRIOR_BIAS, RetinaNet};
use crate::init::{self, Weight};
use crate::ops::anchors::AnchorSpec;
use crate::validate::{self, DenseConfigError};
use crate::{BackboneConfig, FpnConfig, TopLevels, TransformConfig};

/// The loss of box codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoxLoss {
    /// The absolute difference of the codes.
    L1,
    /// The generalized IoU of the decoded boxes.
    GeneralizedIou,
}

/// The options of a RetinaNet. Fields have the names and defaults of torchvision's constructors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetinaNetConfig {
    /// Residual network and feature pyramid.
    pub backbone: BackboneConfig,
    /// Number of classes. There is no background class.
    pub num_classes: usize,
    /// Norm of the head; `None` for convolutions with bias.
    pub head_norm: Option<NormKind>,
    /// Anchors of each level.
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
    /// Least IoU of a positive anchor.
    pub fg_iou_thresh: f32,
    /// IoU below which an anchor is background.
    pub bg_iou_thresh: f32,
    /// The loss of box codes.
    pub box_loss: BoxLoss,
}

impl RetinaNetConfig {
    /// Returns a RetinaNet (Lin et al. 2017) on any residual network.
    pub fn new(body: ResNetConfig, num_classes: usize) -> Self {
        let anchors = [32, 64, 128, 256, 512_usize].map(|size| AnchorSpec {
            sizes: [0, 1, 2]
                .map(|third| (size as f64 * 2_f64.powf(f64::from(third) / 3.0)) as usize)
                .to_vec(),
            aspect_ratios: vec![0.5, 1.0, 2.0],
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
            head_norm: None,
            anchors: anchors.to_vec(),
            transform: TransformConfig::default(),
            score_thresh: 0.05,
            nms_thresh: 0.5,
            detections_per_img: 300,
            topk_candidates: 1000,
            fg_iou_thresh: 0.5,
            bg_iou_thresh: 0.4,
            box_loss: BoxLoss::L1,
        }
    }

    /// Returns `retinanet_resnet50_fpn` with this number of classes and the norm of its published
    /// weights.
    pub fn resnet50(num_classes: usize) -> Self {
        let body = Arch::ResNet50.config().with_norm(NormKind::Frozen);
        Self::new(body, num_classes)
    }

    /// Returns `retinanet_resnet50_fpn_v2` (Zhang et al. 2019), with batch norms in the backbone
    /// and group norms in the head.
    pub fn resnet50_v2(num_classes: usize) -> Self {
        let mut config = Self::new(Arch::ResNet50.config(), num_classes);
        config.backbone.fpn.top = TopLevels::ConvC5;
        config.head_norm = Some(NormKind::Group { groups: 32 });
        config.box_loss = BoxLoss::GeneralizedIou;
        config
    }

    /// Checks the options.
    ///
    /// # Errors
    ///
    /// Returns an error that names the first invalid option.
    pub fn validate(&self) -> Result<(), DenseConfigError> {
        self.backbone.validate()?;
        self.transform.validate(self.backbone.body.in_channels)?;
        validate::norm("head_norm", self.head_norm, &[self.backbone.fpn.channels])?;
        validate::anchors(&self.anchors, self.backbone.levels())?;
        validate::share("score_thresh", self.score_thresh.into())?;
        validate::share("nms_thresh", self.nms_thresh)?;
        validate::at_least("topk_candidates", self.topk_candidates, 1)?;
        validate::at_least("detections_per_img", self.detections_per_img, 1)?;
        validate::at_least("num_classes", self.num_classes, 1)
    }

    /// Creates the network.
    pub fn init<B: Backend>(&self, device: &B::Device) -> RetinaNet<B> {
        let anchors = self.anchors.first();
        let anchors = anchors.map_or(0, |spec| spec.sizes.len() * spec.aspect_ratios.len());
        let c = self.backbone.fpn.channels;
        let last = |outputs: usize, bias: f64| {
            init::conv(
                ConvPlan::new(c, outputs, 3),
                Weight::Normal(0.01),
                Some(bias),
                device,
            )
        };
        let tower = || -> Vec<ConvNormAct<B>> {
            let layer = |_| {
                let bias = self.head_norm.is_none().then_some(0.0);
                let plan = ConvPlan::new(c, c, 3);
                let conv = init::conv(plan, Weight::Normal(0.01), bias, device);
                let norm = self.head_norm.map(|norm| norm.init(c, 1e-5, device));
                ConvNormAct::from_parts(conv, norm).with_act(Activation::Relu)
            };
            (0..4).map(layer).collect()
        };
        RetinaNet {
            backbone: self.backbone.init(device),
            head: Head {
                classification_head: ClassHead {
                    conv: tower(),
                    cls_logits: last(anchors * self.num_classes, PRIOR_BIAS),
                },
                regression_head: BoxHead {
                    conv: tower(),
                    bbox_reg: last(4 * anchors, 0.0),
                },
            },
            config: self.clone(),
        }
    }
}
