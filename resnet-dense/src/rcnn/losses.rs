//! The losses of R-CNNs.

use burn::tensor::{Tensor, backend::Backend};
use rayon::prelude::*;

use super::{Rcnn, height};
use crate::ops::anchors::AnchorLevel;
use crate::ops::boxes::Box4;
use crate::ops::coder::BoxCoder;
use crate::ops::losses::{binary_cross_entropy, smooth_l1};
use crate::ops::matcher::{Match, Matcher};
use crate::ops::roi_align::{Roi, RoiAlign};
use crate::roi_heads::{HEATMAP, MASK};
use crate::rpn::{ProposalLimits, anchor_levels, batch_proposals};
use crate::training::{self, Draw, floats, no_loss, rows, sample};
use crate::{ImageBatch, ImageTensor, Losses, Proposal, Target};

/// `beta` of the smooth L1 losses.
const BETA: f64 = 1.0 / 9.0;

/// A proposal that a loss uses.
#[derive(Clone, Copy, Debug)]
struct Sampled {
    image: usize,
    corners: Box4,
    /// Class of the matched object, or 0 for background.
    label: usize,
    /// Index of the matched object.
    truth: Option<usize>,
}

impl Sampled {
    fn roi(&self) -> Roi {
        Roi {
            image: self.image,
            corners: self.corners,
        }
    }
}

impl<B: Backend> Rcnn<B> {
    /// Returns the losses of a training step (Ren et al. 2015, section 3.1.2; He et al. 2017,
    /// section 3):
    ///
    /// * `loss_objectness` and `loss_rpn_box_reg` of the RPN;
    /// * `loss_classifier` and `loss_box_reg` of the box head;
    /// * `loss_mask` and `loss_keypoint`, if the network has these heads.
    ///
    /// `min_sizes` is the length of each image's shorter side after resizing. `draw` chooses the
    /// anchors and proposals of the losses.
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
        training::check(images.len(), targets, min_sizes, self.config.num_classes);
        let batch = self.config.transform.forward_at(images, min_sizes, device);
        let sizes = batch.original_sizes.iter().zip(&batch.sizes);
        let targets: Vec<Target> = targets
            .iter()
            .zip(sizes)
            .map(|(target, (from, to))| target.resize(*from, *to))
            .collect();
        let maps = self.backbone.forward(batch.images.clone());
        let anchors = anchor_levels(&self.config.anchors, &maps, batch.padded());
        let (outputs, levels) = self.rpn.forward_training(&maps);
        let mut losses = self.rpn_losses(outputs, &anchors, &targets, draw);
        let limits = ProposalLimits {
            pre_nms_top_n: self.config.rpn_pre_nms_top_n_train,
            post_nms_top_n: self.config.rpn_post_nms_top_n_train,
            ..self.config.proposal_limits()
        };
        let proposals = batch_proposals(&levels, &anchors, &batch, limits);
        let sampled = self.sample_proposals(&proposals, &targets, draw);
        losses.extend(self.box_losses(&maps, &sampled, &targets, &batch));
        let positive: Vec<Sampled> = sampled.into_iter().filter(|roi| roi.label > 0).collect();
        if self.config.masks {
            losses.push((
                "loss_mask",
                self.mask_loss(&maps, &positive, &targets, &batch),
            ));
        }
        if self.config.keypoints.is_some() {
            let loss = self.keypoint_loss(&maps, &positive, &targets, &batch);
            losses.push(("loss_keypoint", loss));
        }
        Losses::unweighted(losses)
    }

    fn rpn_losses(
        &self,
        (logits, deltas): (Tensor<B, 2>, Tensor<B, 3>),
        anchors: &[AnchorLevel],
        targets: &[Target],
        draw: Draw<'_>,
    ) -> Vec<(&'static str, Tensor<B, 1>)> {
        let device = logits.device();
        let anchors: Vec<Box4> = anchors.iter().flat_map(AnchorLevel::iter).collect();
        let matcher = Matcher {
            high: self.config.rpn_fg_iou_thresh,
            low: self.config.rpn_bg_iou_thresh,
            allow_low_quality: true,
        };
        let matches: Vec<Vec<Match>> = targets
            .par_iter()
            .map(|target| matches(matcher, &target.boxes, &anchors))
            .collect();
        let (mut sampled, mut labels) = (Vec::new(), Vec::new());
        let (mut positive, mut codes) = (Vec::new(), Vec::new());
        for (image, (matches, target)) in matches.iter().zip(targets).enumerate() {
            let (size, share) = (
                self.config.rpn_batch_size_per_image,
                self.config.rpn_positive_fraction,
            );
            for anchor in sample(matches, size, share, draw) {
                let row = image * anchors.len() + anchor;
                sampled.push(row);
                labels.push(f32::from(matches[anchor] != Match::Background));
                if let Match::Truth(truth) = matches[anchor] {
                    positive.push(row);
                    codes.push(BoxCoder::UNIT.encode(target.boxes[truth], anchors[anchor]));
                }
            }
        }
        let [n, total] = logits.dims();
        if sampled.is_empty() {
            return vec![
                ("loss_objectness", no_loss(logits)),
                ("loss_rpn_box_reg", no_loss(deltas)),
            ];
        }
        let count = sampled.len();
        let labels = floats(labels, [count], &device);
        let chosen = rows(logits.reshape([n * total]), &sampled);
        let objectness = binary_cross_entropy(chosen, labels).mean();
        let boxes = match positive.is_empty() {
            true => no_loss(deltas),
            false => {
                let found = rows(deltas.reshape([n * total, 4]), &positive);
                smooth_l1(found, training::quads(&codes, &device), BETA).sum() / count as f64
            }
        };
        vec![("loss_objectness", objectness), ("loss_rpn_box_reg", boxes)]
    }

    /// Adds the annotated boxes to the proposals, and samples both for the losses of the heads.
    fn sample_proposals(
        &self,
        proposals: &[Vec<Proposal>],
        targets: &[Target],
        draw: Draw<'_>,
    ) -> Vec<Sampled> {
        let matcher = Matcher {
            high: self.config.box_fg_iou_thresh,
            low: self.config.box_bg_iou_thresh,
            allow_low_quality: false,
        };
        let (size, share) = (
            self.config.box_batch_size_per_image,
            self.config.box_positive_fraction,
        );
        let mut sampled = Vec::new();
        for (image, (proposals, target)) in proposals.iter().zip(targets).enumerate() {
            let boxes = proposals.iter().map(|proposal| proposal.corners);
            let boxes: Vec<Box4> = boxes.chain(target.boxes.iter().copied()).collect();
            let matches = matches(matcher, &target.boxes, &boxes);
            for i in sample(&matches, size, share, draw) {
                let truth = match matches[i] {
                    Match::Truth(truth) => Some(truth),
                    Match::Background | Match::Between => None,
                };
                sampled.push(Sampled {
                    image,
                    corners: boxes[i],
                    label: truth.map_or(0, |truth| target.labels[truth]),
                    truth,
                });
            }
        }
        sampled
    }

    fn box_losses(
        &self,
        maps: &[Tensor<B, 4>],
        sampled: &[Sampled],
        targets: &[Target],
        batch: &ImageBatch<B>,
    ) -> Vec<(&'static str, Tensor<B, 1>)> {
        let device = batch.images.device();
        let rois = rois_or_one(sampled);
        let pooled = self.roi_heads.pool_boxes(maps, &rois, height(batch));
        let hidden = self.roi_heads.forward_box_head(pooled);
        let [logits, codes] = self.roi_heads.predict_boxes(hidden);
        if sampled.is_empty() {
            return vec![
                ("loss_classifier", no_loss(logits)),
                ("loss_box_reg", no_loss(codes)),
            ];
        }
        let labels: Vec<usize> = sampled.iter().map(|roi| roi.label).collect();
        let classifier = training::cross_entropy(logits, &labels);
        let (classes, coder) = (self.config.num_classes, self.config.box_coder());
        let (mut positive, mut expected) = (Vec::new(), Vec::new());
        for (i, roi) in sampled.iter().enumerate() {
            if let Some(truth) = roi.truth {
                let corners = targets[roi.image].boxes[truth];
                positive.push(i * classes + roi.label);
                expected.push(coder.encode(corners, roi.corners));
            }
        }
        let boxes = match positive.is_empty() {
            true => no_loss(codes),
            false => {
                let found = rows(codes.reshape([sampled.len() * classes, 4]), &positive);
                let loss = smooth_l1(found, training::quads(&expected, &device), BETA);
                loss.sum() / sampled.len() as f64
            }
        };
        vec![("loss_classifier", classifier), ("loss_box_reg", boxes)]
    }

    fn mask_loss(
        &self,
        maps: &[Tensor<B, 4>],
        positive: &[Sampled],
        targets: &[Target],
        batch: &ImageBatch<B>,
    ) -> Tensor<B, 1> {
        let device = batch.images.device();
        let rois = rois_or_one(positive);
        let pooled = self.roi_heads.pool_masks(maps, &rois, height(batch));
        let Some(logits) = self.roi_heads.forward_masks(pooled) else {
            return Tensor::zeros([1], &device);
        };
        if positive.is_empty() {
            return no_loss(logits);
        }
        let [n, classes, h, w] = logits.dims();
        let chosen = positive.iter().enumerate();
        let chosen: Vec<usize> = chosen.map(|(i, roi)| i * classes + roi.label).collect();
        let logits = rows(logits.reshape([n * classes, h, w]), &chosen);
        let sizes = &batch.sizes;
        let expected = positive.par_iter().flat_map_iter(|roi| {
            let mask = roi.truth.map(|truth| &targets[roi.image].masks[truth]);
            let mask = mask.map_or(&[][..], Vec::as_slice);
            MASK_TARGET.of_mask(mask, sizes[roi.image], roi.corners)
        });
        let expected = floats(expected.collect(), [n, h, w], &device);
        binary_cross_entropy(logits, expected).mean()
    }

    fn keypoint_loss(
        &self,
        maps: &[Tensor<B, 4>],
        positive: &[Sampled],
        targets: &[Target],
        batch: &ImageBatch<B>,
    ) -> Tensor<B, 1> {
        let device = batch.images.device();
        let points = self.config.keypoints.unwrap_or(0);
        let (mut chosen, mut bins) = (Vec::new(), Vec::new());
        for (i, roi) in positive.iter().enumerate() {
            let keypoints = roi.truth.map(|truth| &targets[roi.image].keypoints[truth]);
            for (k, point) in keypoints.into_iter().flatten().enumerate() {
                if let Some(bin) = heatmap_bin(*point, roi.corners) {
                    chosen.push(i * points + k);
                    bins.push(bin);
                }
            }
        }
        let rois = rois_or_one(positive);
        let pooled = self.roi_heads.pool_masks(maps, &rois, height(batch));
        let Some(heatmaps) = self.roi_heads.forward_keypoints(pooled) else {
            return Tensor::zeros([1], &device);
        };
        if chosen.is_empty() {
            return no_loss(heatmaps);
        }
        let heatmaps = heatmaps.reshape([rois.len() * points, HEATMAP * HEATMAP]);
        training::cross_entropy(rows(heatmaps, &chosen), &bins)
    }
}

/// Returns the boxes. Without any, returns one box, so that every layer gets a gradient of zero. Its
/// result is not used.
fn rois_or_one(sampled: &[Sampled]) -> Vec<Roi> {
    let unused = Roi {
        image: 0,
        corners: [0.0, 0.0, 1.0, 1.0],
    };
    match sampled.is_empty() {
        true => vec![unused],
        false => sampled.iter().map(Sampled::roi).collect(),
    }
}

/// Matches boxes; without annotations, everything is background.
fn matches(matcher: Matcher, truth: &[Box4], boxes: &[Box4]) -> Vec<Match> {
    match truth.is_empty() {
        true => vec![Match::Background; boxes.len()],
        false => matcher.matches(truth, boxes.iter().copied()),
    }
}

/// Resamples the part of the annotated mask in each box to the size of the predicted masks.
const MASK_TARGET: RoiAlign = RoiAlign {
    output: [MASK; 2],
    spatial_scale: 1.0,
    sampling_ratio: 0,
    aligned: false,
};

/// Returns the cell of the heatmap that contains a keypoint, or `None` if the keypoint is not labeled
/// or outside of the box.
fn heatmap_bin([x, y, visible]: [f32; 3], [x1, y1, x2, y2]: Box4) -> Option<usize> {
    let cell = |at: f32, low: f32, high: f32| {
        let scaled = ((at - low) * (HEATMAP as f32 / (high - low))).floor();
        let cell = if at == high {
            HEATMAP as f32 - 1.0
        } else {
            scaled
        };
        (cell >= 0.0 && cell < HEATMAP as f32).then_some(cell as usize)
    };
    let [column, row] = [cell(x, x1, x2)?, cell(y, y1, y2)?];
    (visible > 0.0).then_some(row * HEATMAP + column)
}
