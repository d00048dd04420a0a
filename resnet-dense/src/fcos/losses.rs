//! The losses of FCOS.

use burn::tensor::{Tensor, backend::Backend};
use rayon::prelude::*;

use super::Fcos;
use crate::ops::boxes::Box4;
use crate::ops::coder::BoxLinearCoder;
use crate::ops::losses::{binary_cross_entropy, generalized_iou, sigmoid_focal};
use crate::ops::matcher::FcosMatcher;
use crate::rpn::{anchor_levels, by_anchor};
use crate::training::{self, floats, no_loss, quads, rows};
use crate::{ImageTensor, Losses, Target};

impl<B: Backend> Fcos<B> {
    /// Returns the losses of a training step (Tian et al. 2019, section 3.1): `classification`,
    /// `bbox_regression` and `bbox_ctrness`. Each is divided by the number of positive cells of the
    /// batch.
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
        let classes = self.config.num_classes;
        training::check(images.len(), targets, min_sizes, classes);
        let batch = self.config.transform.forward_at(images, min_sizes, device);
        let maps = self.backbone.forward(batch.images.clone());
        let levels = anchor_levels(&self.config.anchors, &maps, batch.padded());
        let levels: Vec<Vec<Box4>> = levels.iter().map(|level| level.iter().collect()).collect();
        let (mut logits, mut codes, mut centerness) = (Vec::new(), Vec::new(), Vec::new());
        for map in maps {
            let [class, code, center] = self.forward_level(map);
            logits.push(by_anchor(class, classes));
            codes.push(by_anchor(code, 4));
            centerness.push(by_anchor(center, 1));
        }
        let logits = Tensor::cat(logits, 1);
        let [n, total, _] = logits.dims();
        let sizes = batch.original_sizes.iter().zip(&batch.sizes);
        let targets: Vec<Target> = targets
            .iter()
            .zip(sizes)
            .map(|(target, (from, to))| target.resize(*from, *to))
            .collect();
        let matcher = FcosMatcher {
            center_sampling_radius: self.config.center_sampling_radius,
        };
        let matches: Vec<Vec<Option<usize>>> = targets
            .par_iter()
            .map(|target| matcher.matches(&target.boxes, &levels))
            .collect();
        let anchors = levels.concat();
        let mut expected = vec![0.0; n * total * classes];
        let (mut positive, mut boxes, mut positive_anchors) = (Vec::new(), Vec::new(), Vec::new());
        for (image, (matches, target)) in matches.iter().zip(&targets).enumerate() {
            for (anchor, truth) in matches.iter().enumerate() {
                if let Some(truth) = *truth {
                    let row = image * total + anchor;
                    expected[row * classes + target.labels[truth]] = 1.0;
                    positive.push(row);
                    boxes.push(target.boxes[truth]);
                    positive_anchors.push(anchors[anchor]);
                }
            }
        }
        let share = 1.0 / positive.len().max(1) as f64;
        let expected = floats(expected, [n, total, classes], device);
        let classification = sigmoid_focal(logits, expected).sum() * share;
        let (codes, centerness) = (Tensor::cat(codes, 1), Tensor::cat(centerness, 1));
        let (regression, center) = match positive.is_empty() {
            true => (no_loss(codes), no_loss(centerness)),
            false => {
                let codes = rows(codes.reshape([n * total, 4]), &positive);
                let found = BoxLinearCoder.decode_tensor(codes, quads(&positive_anchors, device));
                let regression = generalized_iou(found, quads(&boxes, device)).sum() * share;
                let logits = rows(centerness.reshape([n * total]), &positive);
                let expected = boxes.iter().zip(&positive_anchors);
                let expected = expected.map(|(truth, anchor)| centerness_of(*truth, *anchor));
                let expected = floats(expected.collect(), [positive.len()], device);
                let center = binary_cross_entropy(logits, expected).sum() * share;
                (regression, center)
            }
        };
        Losses::unweighted(vec![
            ("classification", classification),
            ("bbox_regression", regression),
            ("bbox_ctrness", center),
        ])
    }
}

/// Returns how near the center of a cell is to the center of a box:
/// `sqrt(min(l, r) / max(l, r) * min(t, b) / max(t, b))`.
fn centerness_of(truth: Box4, anchor: Box4) -> f32 {
    let [l, t, r, b] = BoxLinearCoder.encode(truth, anchor);
    (l.min(r) / l.max(r) * (t.min(b) / t.max(b))).sqrt()
}
