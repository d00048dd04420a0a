//! Infers a detector or segmentation network from the keys and shapes of a checkpoint.

use std::collections::BTreeMap;

use resnet_core::{NormKind, ResNetConfig};
use resnet_dense::{
    BackboneConfig, DenseArch, DenseConfig, FcosConfig, FpnConfig, RcnnConfig, RetinaNetConfig,
    SegmentationConfig, SegmentationHead, TopLevels,
};

use crate::{Checkpoint, Entry, InferError};

/// The detector or segmentation network that a checkpoint belongs to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct InferredDense {
    /// The options of the network.
    pub config: DenseConfig,
    /// The named network with the same layers, if there is one. It may have other classes.
    pub arch: Option<DenseArch>,
    /// Assumptions that the keys do not show, for users to check.
    pub notes: Vec<String>,
}

/// Keys that identify a network. The first one found counts: FCOS also has the key of RetinaNet,
/// and DeepLabV3 has the key of FCN.
const KINDS: [(&str, Kind); 6] = [
    (
        "roi_heads.box_predictor.cls_score.weight",
        Kind::Detector(Detector::Rcnn),
    ),
    (
        "head.regression_head.bbox_ctrness.weight",
        Kind::Detector(Detector::Fcos),
    ),
    (
        "head.regression_head.bbox_reg.weight",
        Kind::Detector(Detector::RetinaNet),
    ),
    (
        "classifier.0.convs.0.0.weight",
        Kind::Segmentation(SegmentationHead::DeepLabV3),
    ),
    (
        "classifier.aspp.convs.0.0.weight",
        Kind::Segmentation(SegmentationHead::DeepLabV3Plus),
    ),
    (
        "classifier.4.weight",
        Kind::Segmentation(SegmentationHead::Fcn),
    ),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Detector(Detector),
    Segmentation(SegmentationHead),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Detector {
    Rcnn,
    RetinaNet,
    Fcos,
}

/// Shapes by key, without the common prefix of the state dict.
struct Shapes<'a>(BTreeMap<&'a str, &'a [usize]>);

impl Shapes<'_> {
    fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    fn extent(&self, key: &str, axis: usize) -> Option<usize> {
        self.0.get(key)?.get(axis).copied()
    }

    /// Returns the number of consecutive indices `I`, from 0, for which one of the keys exists.
    fn count(&self, keys: &[&str]) -> usize {
        let exists = |index: usize| {
            let numbered = keys.iter().map(|key| key.replace('I', &index.to_string()));
            numbered.into_iter().any(|key| self.has(&key))
        };
        (0..).take_while(|index| exists(*index)).count()
    }
}

impl Checkpoint {
    /// Returns whether the keys belong to a detector or segmentation network on a residual network.
    pub fn is_dense(&self) -> bool {
        self.dense_shapes().is_some()
    }

    /// Returns the detector or segmentation network in the metadata of the file, or infers it from
    /// keys and shapes.
    ///
    /// # Errors
    ///
    /// Returns an error if the keys belong to another kind of network, or show options that are not
    /// supported.
    pub fn infer_dense(&self) -> Result<InferredDense, InferError> {
        let unknown = |cause: &str| InferError::Unknown {
            file: self.name().to_string(),
            cause: cause.to_string(),
        };
        let (shapes, kind) = self
            .dense_shapes()
            .ok_or_else(|| unknown("no detector or segmentation network has these keys"))?;
        if let Some(config) = &self.metadata().dense_config {
            return Ok(InferredDense {
                arch: named(config),
                notes: Vec::new(),
                config: config.clone(),
            });
        }
        let body = self.infer()?.config;
        let mut config = config(&shapes, kind, body).map_err(|cause| unknown(&cause))?;
        let channels = assume_channels(&mut config);
        let valid = config.validate();
        valid.map_err(|cause| unknown(&cause.to_string()))?;
        let mut notes = notes(&config);
        notes.extend(channels);
        Ok(InferredDense {
            arch: named(&config),
            notes,
            config,
        })
    }

    /// Returns the tensors of the detector or segmentation network with the file's keys, the residual
    /// network included. Returns nothing for other files.
    pub fn dense_entries(&self) -> impl Iterator<Item = &Entry> {
        let root = self.dense_root().filter(|_| self.is_dense());
        let own = move |entry: &&Entry| root.is_some_and(|root| entry.key().starts_with(root));
        self.all().filter(own)
    }

    /// Returns the common prefix of the keys, if the residual network is part of another network.
    fn dense_root(&self) -> Option<&str> {
        let body = self.state()?;
        body.strip_suffix("backbone.body")
            .or_else(|| body.strip_suffix("backbone"))
    }

    fn dense_shapes(&self) -> Option<(Shapes<'_>, Kind)> {
        let root = self.dense_root()?;
        let entries = self.all();
        let shapes =
            entries.filter_map(|entry| Some((entry.key().strip_prefix(root)?, entry.shape())));
        let shapes = Shapes(shapes.collect());
        let mut kinds = KINDS.iter();
        let (_, kind) = kinds.find(|(key, _)| shapes.has(key))?;
        Some((shapes, *kind))
    }
}

fn config(shapes: &Shapes<'_>, kind: Kind, body: ResNetConfig) -> Result<DenseConfig, String> {
    match kind {
        Kind::Segmentation(head) => segmentation(shapes, head, body),
        Kind::Detector(detector) => self::detector(shapes, detector, body),
    }
}

/// Returns the error for a key that the file lacks.
fn missing(key: &str) -> String {
    format!("the key `{key}` is missing")
}

fn segmentation(
    shapes: &Shapes<'_>,
    head: SegmentationHead,
    body: ResNetConfig,
) -> Result<DenseConfig, String> {
    let classifier = match head {
        SegmentationHead::DeepLabV3Plus => "classifier.classifier.3.weight",
        SegmentationHead::Fcn | SegmentationHead::DeepLabV3 => "classifier.4.weight",
    };
    let mut config = SegmentationConfig::new(head, body);
    config.num_classes = shapes
        .extent(classifier, 0)
        .ok_or_else(|| missing(classifier))?;
    config.aux_loss = shapes.has("aux_classifier.4.weight");
    let projections = [
        "classifier.0.project.0.weight",
        "classifier.aspp.project.0.weight",
    ];
    let channels = projections.iter().find_map(|key| shapes.extent(key, 0));
    config.head_channels = channels.unwrap_or(config.head_channels);
    Ok(config.into())
}

fn detector(
    shapes: &Shapes<'_>,
    kind: Detector,
    body: ResNetConfig,
) -> Result<DenseConfig, String> {
    let extent = |key: &str, axis| shapes.extent(key, axis).ok_or_else(|| missing(key));
    let counted = shapes
        .0
        .keys()
        .any(|key| key.ends_with("num_batches_tracked"));
    let body = match (body.norm, counted) {
        (NormKind::Batch, false) => body.with_norm(NormKind::Frozen),
        _ => body,
    };
    let batch = |has: bool| has.then_some(NormKind::Batch);
    let levels = shapes.count(&[
        "backbone.fpn.inner_blocks.I.0.weight",
        "backbone.fpn.inner_blocks.I.weight",
    ]);
    let stages = body.features().len();
    let channels = shapes
        .extent("backbone.fpn.layer_blocks.0.0.weight", 0)
        .or_else(|| shapes.extent("backbone.fpn.layer_blocks.0.weight", 0))
        .ok_or_else(|| missing("backbone.fpn.layer_blocks.0.0.weight"))?;
    let p6 = shapes.extent("backbone.fpn.extra_blocks.p6.weight", 1);
    let backbone = BackboneConfig {
        fpn: FpnConfig {
            channels,
            first_stage: stages
                .checked_sub(levels)
                .ok_or("its pyramid has more levels than its residual network has stages")?,
            norm: batch(shapes.has("backbone.fpn.inner_blocks.0.1.weight")),
            top: match p6 {
                None => TopLevels::Pool,
                Some(input) if input == channels => TopLevels::ConvP5,
                Some(_) => TopLevels::ConvC5,
            },
        },
        body: body.clone(),
    };
    let anchors = |found: usize, expected: usize| match found == expected {
        true => Ok(()),
        false => Err(format!(
            "expected {expected} anchors per cell, found {found}; the file lacks the anchor sizes"
        )),
    };
    Ok(match kind {
        Detector::Rcnn => {
            let classes = extent("roi_heads.box_predictor.cls_score.weight", 0)?;
            let mut config = RcnnConfig::faster_rcnn(body, classes);
            config.backbone = backbone;
            config.masks = shapes.has("roi_heads.mask_predictor.mask_fcn_logits.weight");
            // A transposed convolution has the output channels on axis 1.
            let keypoints = "roi_heads.keypoint_predictor.kps_score_lowres.weight";
            if let Some(keypoints) = shapes.extent(keypoints, 1) {
                config = config.with_keypoints(keypoints);
            }
            // The representation is the input of the predictor.
            config.representation_size = extent("roi_heads.box_predictor.cls_score.weight", 1)?;
            let widths = [
                (
                    &mut config.mask_channels,
                    "roi_heads.mask_predictor.conv5_mask.weight",
                ),
                (&mut config.keypoint_channels, keypoints),
            ];
            for (width, key) in widths {
                *width = shapes.extent(key, 0).unwrap_or(*width);
            }
            config.head_norm = batch(shapes.has("roi_heads.box_head.0.1.weight"));
            config.rpn_convs = shapes.count(&["rpn.head.conv.I.0.weight"]).max(1);
            anchors(extent("rpn.head.cls_logits.weight", 0)?, 3)?;
            config.into()
        }
        Detector::RetinaNet => {
            let per_cell = extent("head.regression_head.bbox_reg.weight", 0)? / 4;
            let outputs = extent("head.classification_head.cls_logits.weight", 0)?;
            anchors(per_cell, 9)?;
            let normed = shapes.has("head.classification_head.conv.0.1.weight");
            let mut config = match normed {
                true => RetinaNetConfig::resnet50_v2(outputs / per_cell),
                false => RetinaNetConfig::resnet50(outputs / per_cell),
            };
            config.backbone = backbone;
            config.into()
        }
        Detector::Fcos => {
            let classes = extent("head.classification_head.cls_logits.weight", 0)?;
            let mut config = FcosConfig::new(body, classes);
            config.backbone = backbone;
            config.into()
        }
    })
}

/// Returns the named network that differs at most in classes, input channels, norm, epsilon and
/// auxiliary head.
fn named(config: &DenseConfig) -> Option<DenseArch> {
    let plain = |config: &DenseConfig| {
        let mut config = config.clone();
        config.set_num_classes(1);
        let body = config.body_mut();
        (body.norm_eps, body.in_channels, body.norm) = (0.0, 3, NormKind::Batch);
        match &mut config {
            DenseConfig::Segmentation(config) => config.aux_loss = true,
            DenseConfig::Detection(config) => {
                let transform = config.transform_mut();
                (transform.image_mean, transform.image_std) = (Vec::new(), Vec::new());
            }
        }
        config
    };
    let mut archs = DenseArch::ALL.iter().copied();
    archs.find(|arch| plain(&arch.config()) == plain(config))
}

/// Sets the mean and standard deviation of a detector whose images do not have three channels.
/// Returns a note.
fn assume_channels(config: &mut DenseConfig) -> Option<String> {
    let DenseConfig::Detection(detector) = config else {
        return None;
    };
    let channels = detector.body().in_channels;
    let transform = detector.transform_mut();
    if transform.image_mean.len() == channels {
        return None;
    }
    // The means over ImageNet's colors.
    transform.image_mean = vec![0.449; channels];
    transform.image_std = vec![0.226; channels];
    Some(format!(
        "mean and standard deviation of its {channels} channels are not in the file: 0.449 and 0.226 \
         are assumed; otherwise set `image_mean` and `image_std`"
    ))
}

fn notes(config: &DenseConfig) -> Vec<String> {
    let mut notes = Vec::new();
    if config.body().norm == NormKind::Frozen {
        notes.push(
            "the epsilon of its frozen norms is not in the file: 1e-5 is assumed; torchvision uses \
             `norm_eps=0` for its COCO_V1 weights of Faster, Mask and Keypoint R-CNN and RetinaNet"
                .into(),
        );
    }
    if let DenseConfig::Segmentation(config) = config
        && config.head == SegmentationHead::DeepLabV3Plus
    {
        notes.push(format!(
            "the output stride is not in the file: {} is assumed, with atrous rates of {:?}; \
             otherwise set `output_stride` and `atrous_rates`",
            config.backbone.output_stride, config.atrous_rates
        ));
    }
    notes
}
