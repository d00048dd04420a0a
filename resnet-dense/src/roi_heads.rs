//! The heads that classify and refine proposals.

mod box_head;
mod keypoint_head;
mod mask_head;

use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Tensor, backend::Backend};
use rayon::prelude::*;
use resnet_core::layers::Norm;

use crate::detections::ScoredBox;
use crate::host;
use crate::ops::boxes;
use crate::ops::coder::BoxCoder;
use crate::ops::nms::batched_nms;
use crate::ops::roi_align::{MultiScaleRoiAlign, Roi};
use crate::rpn::Proposal;
use crate::{ImageBatch, RcnnConfig};

use box_head::{BoxHead, BoxPredictor};
use keypoint_head::{KeypointHead, KeypointPredictor};
use mask_head::MaskPredictor;

pub(crate) use keypoint_head::HEATMAP;
pub(crate) use mask_head::MASK;

/// Smaller detections are dropped.
const MIN_SIZE: f32 = 1e-2;

/// The heads on the features of a box: classes and boxes, masks, keypoints.
#[derive(Module, Debug)]
pub struct RoiHeads<B: Backend> {
    box_head: BoxHead<B>,
    box_predictor: BoxPredictor<B>,
    mask_head: Option<Vec<resnet_core::layers::ConvNormAct<B>>>,
    mask_predictor: Option<MaskPredictor<B>>,
    keypoint_head: Option<KeypointHead<B>>,
    keypoint_predictor: Option<KeypointPredictor<B>>,
}

impl<B: Backend> RoiHeads<B> {
    pub(crate) fn new(config: &RcnnConfig, device: &B::Device) -> Self {
        let masks = config.masks;
        let points = config.keypoints;
        Self {
            box_head: BoxHead::new(config, device),
            box_predictor: BoxPredictor::new(config, device),
            mask_head: masks.then(|| mask_head::layers(config, device)),
            mask_predictor: masks.then(|| MaskPredictor::new(config, device)),
            keypoint_head: points.map(|_| KeypointHead::new(config, device)),
            keypoint_predictor: points.map(|points| KeypointPredictor::new(config, points, device)),
        }
    }

    /// Returns the features of each box for the box head.
    ///
    /// # Shapes
    /// - output: `[rois, channels, 7, 7]`
    pub fn pool_boxes(&self, maps: &[Tensor<B, 4>], rois: &[Roi], height: usize) -> Tensor<B, 4> {
        pool(7).forward(roi_maps(maps), rois, height)
    }

    /// Returns the hidden features of the box head.
    ///
    /// # Shapes
    /// - `pooled`: `[rois, channels, 7, 7]`
    /// - output: `[rois, representation_size]`
    pub fn forward_box_head(&self, pooled: Tensor<B, 4>) -> Tensor<B, 2> {
        self.box_head.forward(pooled)
    }

    /// Returns class logits and box codes.
    ///
    /// # Shapes
    /// - `hidden`: `[rois, representation_size]`
    /// - output: `[rois, classes]` and `[rois, 4 * classes]`
    pub fn predict_boxes(&self, hidden: Tensor<B, 2>) -> [Tensor<B, 2>; 2] {
        self.box_predictor.forward(hidden)
    }

    /// Returns the mask logits of each box, `28 * 28` pixels per class.
    ///
    /// # Shapes
    /// - output: `[rois, classes, 28, 28]`
    pub(crate) fn forward_masks(&self, pooled: Tensor<B, 4>) -> Option<Tensor<B, 4>> {
        let (head, predictor) = (self.mask_head.as_ref()?, self.mask_predictor.as_ref()?);
        let x = head.iter().fold(pooled, |x, layer| layer.forward(x));
        Some(predictor.forward(x))
    }

    /// Returns the heatmap logits of each box.
    ///
    /// # Shapes
    /// - output: `[rois, keypoints, 56, 56]`
    pub(crate) fn forward_keypoints(&self, pooled: Tensor<B, 4>) -> Option<Tensor<B, 4>> {
        let (head, predictor) = (
            self.keypoint_head.as_ref()?,
            self.keypoint_predictor.as_ref()?,
        );
        Some(predictor.forward(head.forward(pooled)))
    }

    /// Returns the features of each box for the mask head and the keypoint head.
    ///
    /// # Shapes
    /// - output: `[rois, channels, 14, 14]`
    pub(crate) fn pool_masks(
        &self,
        maps: &[Tensor<B, 4>],
        rois: &[Roi],
        height: usize,
    ) -> Tensor<B, 4> {
        pool(14).forward(roi_maps(maps), rois, height)
    }

    pub(crate) fn each_norm(&mut self, each: &mut dyn FnMut(&mut Norm<B>)) {
        self.box_head.each_norm(each);
        for layer in self.mask_head.iter_mut().flatten() {
            layer.norm_mut().into_iter().for_each(&mut *each);
        }
    }

    pub(crate) fn fuse(&mut self) {
        self.box_head.fuse();
        self.mask_head
            .iter_mut()
            .flatten()
            .for_each(|layer| layer.fuse());
    }
}

fn pool(output: usize) -> MultiScaleRoiAlign {
    MultiScaleRoiAlign {
        output,
        sampling_ratio: 2,
    }
}

/// Returns the levels that the heads read: one per stage, without the pooled level.
fn roi_maps<B: Backend>(maps: &[Tensor<B, 4>]) -> &[Tensor<B, 4>] {
    &maps[..maps.len().saturating_sub(1)]
}

/// Limits on the detections of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct BoxLimits {
    /// Score threshold: detections with a smaller or equal score are dropped.
    pub(crate) score_thresh: f32,
    /// Overlap above which NMS suppresses a box of the same class.
    pub(crate) nms_thresh: f64,
    /// Largest number of detections per image.
    pub(crate) detections_per_img: usize,
    /// The encoding of the boxes.
    pub(crate) coder: BoxCoder,
}

/// Selects the detections of each image: softmax, decoded boxes of each class but the background,
/// NMS per class. Runs on the host, with one transfer.
pub(crate) fn select_boxes<B: Backend>(
    [logits, codes]: [Tensor<B, 2>; 2],
    proposals: &[Vec<Proposal>],
    batch: &ImageBatch<B>,
    limits: BoxLimits,
) -> Vec<Vec<ScoredBox>> {
    let [_, classes] = logits.dims();
    let both = Tensor::cat(vec![softmax(logits, 1), codes], 1);
    let rows = host::values(both);
    let mut rows = rows.chunks(5 * classes.max(1));
    let images: Vec<Vec<(&Proposal, &[f32])>> = proposals
        .iter()
        .map(|proposals| proposals.iter().zip(rows.by_ref()).collect())
        .collect();
    let images = images.par_iter().zip(&batch.sizes);
    images
        .map(|(rois, size)| select(rois, classes, *size, limits))
        .collect()
}

fn select(
    rois: &[(&Proposal, &[f32])],
    classes: usize,
    size: [usize; 2],
    limits: BoxLimits,
) -> Vec<ScoredBox> {
    let mut found = Vec::new();
    for (proposal, row) in rois {
        let (scores, codes) = row.split_at(classes);
        let (codes, _) = codes.as_chunks();
        for label in 1..classes {
            let score = scores[label];
            if score.is_nan() || score <= limits.score_thresh {
                continue;
            }
            let corners = limits.coder.decode(codes[label], proposal.corners);
            let corners = boxes::clip(corners, size);
            if boxes::is_large(corners, MIN_SIZE) {
                found.push(ScoredBox {
                    corners,
                    label,
                    score,
                });
            }
        }
    }
    best_per_class(&found, limits.nms_thresh, limits.detections_per_img)
}

/// Returns the best `count` boxes after NMS per class.
pub(crate) fn best_per_class(found: &[ScoredBox], threshold: f64, count: usize) -> Vec<ScoredBox> {
    let corners: Vec<_> = found.iter().map(|found| found.corners).collect();
    let scores: Vec<_> = found.iter().map(|found| found.score).collect();
    let labels: Vec<_> = found.iter().map(|found| found.label).collect();
    let kept = batched_nms(&corners, &scores, &labels, threshold);
    kept.into_iter().take(count).map(|i| found[i]).collect()
}
