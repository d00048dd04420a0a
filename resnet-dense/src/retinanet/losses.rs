//! The losses of RetinaNet.

use burn::tensor::{Tensor, backend::Backend};
use rayon::prelude::*;

use super::{BoxLoss, RetinaNet};
use crate::ops::anchors::AnchorLevel;
use crate::ops::boxes::Box4;
use crate::ops::coder::BoxCoder;
use crate::ops::losses::{generalized_iou, sigmoid_focal};
use crate::ops::matcher::{Match, Matcher};
use crate::rpn::{anchor_levels, by_anchor};
use crate::training::{self, floats, no_loss, quads, rows};
use crate::{ImageTensor, Losses, Target};

impl<B: Backend> RetinaNet<B> {
    /// Returns the losses of a training step (Lin et al. 2017, section 3): `classification` and
    /// `bbox_regression`. In each image, both are divided by the number of positive anchors. They
    /// are averaged over the images.
    ///
    /// `min_sizes` is the length of each image's shorter side after resizing.
    ///
    /// # Panics
    ///
    /// Panics if the numbers of images, targets and sizes differ, a label is no class, or a box has no
    /// area.
    pub fn losses(
        &self,
        images: &[ImageTensor],
        targets: &[Target],
        min_sizes: &[usize],
        device: &B::Device,
    ) -> Losses<B> {
        training::check(images.len(), targets, min_sizes, self.config.num_classes);
        let batch = self.config.transform.forward_at(images, min_sizes, device);
        let maps = self.backbone.forward(batch.images.clone());
        let levels = anchor_levels(&self.config.anchors, &maps, batch.padded());
        let anchors: Vec<Box4> = levels.iter().flat_map(AnchorLevel::iter).collect();
        let outputs = maps.into_iter().map(|map| {
            let [logits, codes] = self.forward_level(map);
            (
                by_anchor(logits, self.config.num_classes),
                by_anchor(codes, 4),
            )
        });
        let (logits, codes): (Vec<_>, Vec<_>) = outputs.unzip();
        let (logits, codes) = (Tensor::cat(logits, 1), Tensor::cat(codes, 1));
        let sizes = batch.original_sizes.iter().zip(&batch.sizes);
        let targets: Vec<Target> = targets
            .iter()
            .zip(sizes)
            .map(|(target, (from, to))| target.resize(*from, *to))
            .collect();
        let matches: Vec<Vec<Match>> = targets
            .par_iter()
            .map(|target| self.matches(&target.boxes, &anchors))
            .collect();
        let count = targets.len().max(1) as f64;
        let (mut classification, mut regression) = (no_loss(logits.clone()), None);
        for (image, (target, matches)) in targets.iter().zip(&matches).enumerate() {
            let positive = matches
                .iter()
                .enumerate()
                .filter_map(|(anchor, found)| match found {
                    Match::Truth(truth) => Some((anchor, *truth)),
                    Match::Background | Match::Between => None,
                });
            let positive: Vec<(usize, usize)> = positive.collect();
            let share = 1.0 / (count * positive.len().max(1) as f64);
            let [_, total, classes] = logits.dims();
            let of_image = logits.clone().narrow(0, image, 1).reshape([total, classes]);
            classification =
                classification + self.class_loss(of_image, matches, target, device) * share;
            if !positive.is_empty() {
                let codes = codes.clone().narrow(0, image, 1).reshape([total, 4]);
                let loss = self.box_loss(codes, &positive, target, &anchors, device);
                regression = Some(match regression {
                    Some(sum) => sum + loss * share,
                    None => loss * share,
                });
            }
        }
        Losses::unweighted(vec![
            ("classification", classification),
            (
                "bbox_regression",
                regression.unwrap_or_else(|| no_loss(codes)),
            ),
        ])
    }

    fn matches(&self, truth: &[Box4], anchors: &[Box4]) -> Vec<Match> {
        let matcher = Matcher {
            high: self.config.fg_iou_thresh,
            low: self.config.bg_iou_thresh,
            allow_low_quality: true,
        };
        match truth.is_empty() {
            true => vec![Match::Background; anchors.len()],
            false => matcher.matches(truth, anchors.iter().copied()),
        }
    }

    /// Returns the focal loss of all anchors that are positive or background.
    fn class_loss(
        &self,
        logits: Tensor<B, 2>,
        matches: &[Match],
        target: &Target,
        device: &B::Device,
    ) -> Tensor<B, 1> {
        let [_, classes] = logits.dims();
        let counted = |found: &Match| *found != Match::Between;
        let valid: Vec<usize> = (0..matches.len())
            .filter(|&i| counted(&matches[i]))
            .collect();
        if valid.is_empty() {
            return no_loss(logits);
        }
        let mut expected = vec![0.0; valid.len() * classes];
        for (row, anchor) in valid.iter().enumerate() {
            if let Match::Truth(truth) = matches[*anchor] {
                expected[row * classes + target.labels[truth]] = 1.0;
            }
        }
        let expected = floats(expected, [valid.len(), classes], device);
        sigmoid_focal(rows(logits, &valid), expected).sum()
    }

    fn box_loss(
        &self,
        codes: Tensor<B, 2>,
        positive: &[(usize, usize)],
        target: &Target,
        anchors: &[Box4],
        device: &B::Device,
    ) -> Tensor<B, 1> {
        let chosen: Vec<usize> = positive.iter().map(|(anchor, _)| *anchor).collect();
        let codes = rows(codes, &chosen);
        let anchors: Vec<Box4> = chosen.iter().map(|&anchor| anchors[anchor]).collect();
        let truth: Vec<Box4> = positive
            .iter()
            .map(|(_, truth)| target.boxes[*truth])
            .collect();
        match self.config.box_loss {
            BoxLoss::L1 => {
                let pairs = truth.iter().zip(&anchors);
                let expected = pairs.map(|(truth, anchor)| BoxCoder::UNIT.encode(*truth, *anchor));
                let expected: Vec<[f32; 4]> = expected.collect();
                (codes - quads(&expected, device)).abs().sum()
            }
            BoxLoss::GeneralizedIou => {
                let boxes = BoxCoder::UNIT.decode_tensor(codes, quads(&anchors, device));
                generalized_iou(boxes, quads(&truth, device)).sum()
            }
        }
    }
}
