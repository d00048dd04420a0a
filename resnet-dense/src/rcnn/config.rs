//! The options of R-CNNs.

use burn::tensor::backend::Backend;
use resnet_core::{Arch, NormKind, ResNetConfig};
use serde::{Deserialize, Serialize};

use super::Rcnn;
use crate::ops::anchors::AnchorSpec;
use crate::ops::coder::BoxCoder;
use crate::roi_heads::{BoxLimits, RoiHeads};
use crate::rpn::{ProposalLimits, Rpn};
use crate::validate::{self, DenseConfigError};
use crate::{BackboneConfig, FpnConfig, TopLevels, TransformConfig};

/// The options of an R-CNN. Fields have the names and defaults of torchvision's constructors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RcnnConfig {
    /// Residual network and feature pyramid.
    pub backbone: BackboneConfig,
    /// Number of classes with the background, which is class 0.
    pub num_classes: usize,
    /// Whether to predict masks (Mask R-CNN).
    pub masks: bool,
    /// Number of keypoints (Keypoint R-CNN).
    pub keypoints: Option<usize>,
    /// Norm of box head and mask head. With a norm, the box head has four convolutions and one
    /// linear layer, otherwise two linear layers.
    pub head_norm: Option<NormKind>,
    /// Features per proposal in the box head.
    pub representation_size: usize,
    /// Channels of the mask head.
    pub mask_channels: usize,
    /// Channels of the keypoint head.
    pub keypoint_channels: usize,
    /// Number of convolutions of the RPN.
    pub rpn_convs: usize,
    /// Anchors of each level.
    pub anchors: Vec<AnchorSpec>,
    /// Preprocessing.
    pub transform: TransformConfig,
    /// Number of anchors per level, the best first, that become boxes in training.
    pub rpn_pre_nms_top_n_train: usize,
    /// Number of anchors per level, the best first, that become boxes in inference.
    pub rpn_pre_nms_top_n_test: usize,
    /// Largest number of proposals per image, in training.
    pub rpn_post_nms_top_n_train: usize,
    /// Largest number of proposals per image, in inference.
    pub rpn_post_nms_top_n_test: usize,
    /// IoU above which the RPN's NMS suppresses a box.
    pub rpn_nms_thresh: f64,
    /// Least score of a proposal.
    pub rpn_score_thresh: f32,
    /// Least IoU of a positive anchor.
    pub rpn_fg_iou_thresh: f32,
    /// IoU below which an anchor is background.
    pub rpn_bg_iou_thresh: f32,
    /// Number of anchors per image in the RPN's loss.
    pub rpn_batch_size_per_image: usize,
    /// Largest share of positive anchors in the RPN's loss.
    pub rpn_positive_fraction: f64,
    /// Score threshold: detections with a smaller or equal score are dropped.
    pub box_score_thresh: f32,
    /// IoU above which NMS suppresses a box of the same class.
    pub box_nms_thresh: f64,
    /// Largest number of detections per image.
    pub box_detections_per_img: usize,
    /// Least IoU of a positive proposal.
    pub box_fg_iou_thresh: f32,
    /// IoU below which a proposal is background.
    pub box_bg_iou_thresh: f32,
    /// Number of proposals per image in the loss of the heads.
    pub box_batch_size_per_image: usize,
    /// Largest share of positive proposals in the loss of the heads.
    pub box_positive_fraction: f64,
    /// Weights of a box's code in the box head.
    #[serde(default = "bbox_reg_weights")]
    pub bbox_reg_weights: [f32; 4],
}

fn bbox_reg_weights() -> [f32; 4] {
    BoxCoder::RCNN.weights
}

impl RcnnConfig {
    /// Returns a Faster R-CNN (Ren et al. 2015) with a feature pyramid (Lin et al. 2017) on any
    /// residual network.
    ///
    /// ```
    /// use resnet_core::Arch;
    /// use resnet_dense::RcnnConfig;
    ///
    /// let config = RcnnConfig::faster_rcnn(Arch::ResNeXt50_32x4d.config(), 3).with_masks();
    /// config.validate()?;
    /// # Ok::<(), resnet_dense::DenseConfigError>(())
    /// ```
    pub fn faster_rcnn(body: ResNetConfig, num_classes: usize) -> Self {
        let anchors = [32, 64, 128, 256, 512].map(|size| AnchorSpec {
            sizes: vec![size],
            aspect_ratios: vec![0.5, 1.0, 2.0],
        });
        Self {
            backbone: BackboneConfig {
                body: body.with_num_classes(0),
                fpn: FpnConfig {
                    channels: 256,
                    first_stage: 1,
                    norm: None,
                    top: TopLevels::Pool,
                },
            },
            num_classes,
            masks: false,
            keypoints: None,
            head_norm: None,
            representation_size: 1024,
            mask_channels: 256,
            keypoint_channels: 512,
            rpn_convs: 1,
            anchors: anchors.to_vec(),
            transform: TransformConfig::default(),
            rpn_pre_nms_top_n_train: 2000,
            rpn_pre_nms_top_n_test: 1000,
            rpn_post_nms_top_n_train: 2000,
            rpn_post_nms_top_n_test: 1000,
            rpn_nms_thresh: 0.7,
            rpn_score_thresh: 0.0,
            rpn_fg_iou_thresh: 0.7,
            rpn_bg_iou_thresh: 0.3,
            rpn_batch_size_per_image: 256,
            rpn_positive_fraction: 0.5,
            box_score_thresh: 0.05,
            box_nms_thresh: 0.5,
            box_detections_per_img: 100,
            box_fg_iou_thresh: 0.5,
            box_bg_iou_thresh: 0.5,
            box_batch_size_per_image: 512,
            box_positive_fraction: 0.25,
            bbox_reg_weights: bbox_reg_weights(),
        }
    }

    /// Returns `fasterrcnn_resnet50_fpn` with this number of classes and the norm of its published
    /// weights.
    pub fn faster_rcnn_resnet50(num_classes: usize) -> Self {
        let body = Arch::ResNet50.config().with_norm(NormKind::Frozen);
        Self::faster_rcnn(body, num_classes)
    }

    /// Returns `fasterrcnn_resnet50_fpn_v2` (Li et al. 2021), with batch norms and deeper heads.
    pub fn faster_rcnn_resnet50_v2(num_classes: usize) -> Self {
        let mut config = Self::faster_rcnn(Arch::ResNet50.config(), num_classes);
        config.backbone.fpn.norm = Some(NormKind::Batch);
        config.head_norm = Some(NormKind::Batch);
        config.rpn_convs = 2;
        config
    }

    /// Adds the mask head (He et al. 2017).
    pub fn with_masks(self) -> Self {
        Self {
            masks: true,
            ..self
        }
    }

    /// Adds the keypoint head. Training draws the size of each image from several.
    pub fn with_keypoints(mut self, keypoints: usize) -> Self {
        self.keypoints = Some(keypoints);
        self.transform.min_size = vec![640, 672, 704, 736, 768, 800];
        self
    }

    /// Returns the number of anchors per cell of a feature map.
    pub(crate) fn anchors_per_cell(&self) -> usize {
        self.anchors.first().map_or(0, AnchorSpec::per_cell)
    }

    /// Checks the options.
    ///
    /// # Errors
    ///
    /// Returns an error that names the first invalid option.
    pub fn validate(&self) -> Result<(), DenseConfigError> {
        self.backbone.validate()?;
        self.transform.validate(self.backbone.body.in_channels)?;
        if self.backbone.fpn.top != TopLevels::Pool {
            let found = format!("{:?}", self.backbone.fpn.top);
            return Err(validate::invalid("fpn.top", "Pool", found));
        }
        let channels = [self.backbone.fpn.channels, self.mask_channels];
        validate::norm("head_norm", self.head_norm, &channels)?;
        validate::anchors(&self.anchors, self.backbone.levels())?;
        validate::at_least("num_classes", self.num_classes, 2)?;
        for (option, value) in [
            ("rpn_convs", self.rpn_convs),
            ("rpn_pre_nms_top_n_train", self.rpn_pre_nms_top_n_train),
            ("rpn_pre_nms_top_n_test", self.rpn_pre_nms_top_n_test),
            ("rpn_post_nms_top_n_train", self.rpn_post_nms_top_n_train),
            ("rpn_post_nms_top_n_test", self.rpn_post_nms_top_n_test),
            ("rpn_batch_size_per_image", self.rpn_batch_size_per_image),
            ("box_batch_size_per_image", self.box_batch_size_per_image),
            ("box_detections_per_img", self.box_detections_per_img),
            ("representation_size", self.representation_size),
            ("mask_channels", self.mask_channels),
            ("keypoint_channels", self.keypoint_channels),
        ] {
            validate::at_least(option, value, 1)?;
        }
        if let Some(keypoints) = self.keypoints {
            validate::at_least("keypoints", keypoints, 1)?;
        }
        for (option, value) in [
            ("rpn_nms_thresh", self.rpn_nms_thresh),
            ("rpn_score_thresh", self.rpn_score_thresh.into()),
            ("rpn_fg_iou_thresh", self.rpn_fg_iou_thresh.into()),
            ("rpn_bg_iou_thresh", self.rpn_bg_iou_thresh.into()),
            ("box_score_thresh", self.box_score_thresh.into()),
            ("box_nms_thresh", self.box_nms_thresh),
            ("box_fg_iou_thresh", self.box_fg_iou_thresh.into()),
            ("box_bg_iou_thresh", self.box_bg_iou_thresh.into()),
            ("rpn_positive_fraction", self.rpn_positive_fraction),
        ] {
            validate::share(option, value)?;
        }
        validate::share("box_positive_fraction", self.box_positive_fraction)?;
        let valid = |weight: &f32| weight.is_finite() && *weight > 0.0;
        match self.bbox_reg_weights.iter().find(|weight| !valid(weight)) {
            None => Ok(()),
            Some(weight) => Err(validate::invalid(
                "bbox_reg_weights",
                "four numbers above 0",
                weight,
            )),
        }
    }

    /// Creates the network.
    ///
    /// # Panics
    ///
    /// May panic if the config is not [valid](Self::validate).
    pub fn init<B: Backend>(&self, device: &B::Device) -> Rcnn<B> {
        Rcnn {
            backbone: self.backbone.init(device),
            rpn: Rpn::new(self, device),
            roi_heads: RoiHeads::new(self, device),
            config: self.clone(),
        }
    }

    pub(super) fn proposal_limits(&self) -> ProposalLimits {
        ProposalLimits {
            pre_nms_top_n: self.rpn_pre_nms_top_n_test,
            post_nms_top_n: self.rpn_post_nms_top_n_test,
            nms_thresh: self.rpn_nms_thresh,
            score_thresh: self.rpn_score_thresh,
        }
    }

    pub(super) fn box_limits(&self) -> BoxLimits {
        BoxLimits {
            score_thresh: self.box_score_thresh,
            nms_thresh: self.box_nms_thresh,
            detections_per_img: self.box_detections_per_img,
            coder: self.box_coder(),
        }
    }

    /// Returns the coder of the box head.
    pub(super) fn box_coder(&self) -> BoxCoder {
        BoxCoder {
            weights: self.bbox_reg_weights,
        }
    }
}
