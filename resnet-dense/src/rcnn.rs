//! Faster R-CNN, Mask R-CNN and Keypoint R-CNN.

mod config;
mod losses;

use std::borrow::Cow;

use burn::module::Module;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use resnet_core::layers::Norm;
use resnet_core::{LayerGroup, Network, ResNet};

use crate::detections::ScoredBox;
use crate::host;
use crate::legacy_keys::current_key;
use crate::ops::keypoints::from_heatmaps;
use crate::ops::masks::BoxMask;
use crate::ops::roi_align::Roi;
use crate::roi_heads::{HEATMAP, MASK, RoiHeads, select_boxes};
use crate::rpn::{Proposal, Rpn, anchor_levels, batch_proposals};
use crate::{Backbone, Detections, ImageBatch, ImageTensor};

pub use config::RcnnConfig;

/// A Faster R-CNN, Mask R-CNN or Keypoint R-CNN.
///
/// `images -> backbone -> RPN -> proposals -> box head -> detections -> mask or keypoint head`
#[derive(Module, Debug)]
pub struct Rcnn<B: Backend> {
    backbone: Backbone<B>,
    rpn: Rpn<B>,
    roi_heads: RoiHeads<B>,
    #[module(skip)]
    config: RcnnConfig,
}

impl<B: Backend> Rcnn<B> {
    /// Returns the config of the network.
    pub fn config(&self) -> &RcnnConfig {
        &self.config
    }

    /// Changes the residual network, for example to load ImageNet weights into it.
    ///
    /// # Errors
    ///
    /// Returns the error of `change`.
    pub fn map_body<E>(
        self,
        change: impl FnOnce(ResNet<B>) -> Result<ResNet<B>, E>,
    ) -> Result<Self, E> {
        Ok(Self {
            backbone: self.backbone.map_body(change)?,
            ..self
        })
    }

    /// Returns the backbone.
    pub fn backbone(&self) -> &Backbone<B> {
        &self.backbone
    }

    /// Returns the region proposal network.
    pub fn rpn(&self) -> &Rpn<B> {
        &self.rpn
    }

    /// Returns the heads.
    pub fn roi_heads(&self) -> &RoiHeads<B> {
        &self.roi_heads
    }

    /// Returns the outputs of the RPN, and the outputs of the box head for one box per image.
    pub(crate) fn raw_outputs(
        &self,
        images: &[ImageTensor],
        device: &B::Device,
    ) -> Vec<Tensor<B, 4>> {
        let batch = self.config.transform.forward(images, device);
        let maps = self.backbone.forward(batch.images.clone());
        let rois = batch.sizes.iter().enumerate();
        let rois = rois.map(|(image, [height, width])| Roi {
            image,
            corners: [0.0, 0.0, *width as f32, *height as f32],
        });
        let rois: Vec<Roi> = rois.collect();
        let pooled = self.roi_heads.pool_boxes(&maps, &rois, height(&batch));
        let hidden = self.roi_heads.forward_box_head(pooled);
        let boxes = self.roi_heads.predict_boxes(hidden).map(|output| {
            let [rows, columns] = output.dims();
            output.reshape([rows, columns, 1, 1])
        });
        let levels = maps.into_iter();
        let levels = levels.flat_map(|map| self.rpn.forward_level(map));
        levels.chain(boxes).collect()
    }

    /// Detects objects. The results are in pixels of the original images.
    ///
    /// # Panics
    ///
    /// Panics if an image has another number of channels than the network.
    pub fn detect(&self, images: &[ImageTensor], device: &B::Device) -> Vec<Detections> {
        let batch = self.config.transform.forward(images, device);
        let maps = self.backbone.forward(batch.images.clone());
        let proposals = self.propose(&maps, &batch);
        let boxes = self.detect_boxes(&maps, &proposals, &batch);
        self.finish(&maps, boxes, &batch)
    }

    /// Returns the proposals of each image, the best first.
    pub fn propose(&self, maps: &[Tensor<B, 4>], batch: &ImageBatch<B>) -> Vec<Vec<Proposal>> {
        let anchors = anchor_levels(&self.config.anchors, maps, batch.padded());
        let levels = self.rpn.forward(maps);
        batch_proposals(&levels, &anchors, batch, self.config.proposal_limits())
    }

    /// Returns the detected boxes of each image, in pixels of the resized images.
    pub fn detect_boxes(
        &self,
        maps: &[Tensor<B, 4>],
        proposals: &[Vec<Proposal>],
        batch: &ImageBatch<B>,
    ) -> Vec<Vec<ScoredBox>> {
        let rois = rois(proposals, |proposal| proposal.corners);
        if rois.is_empty() {
            return vec![Vec::new(); proposals.len()];
        }
        let pooled = self.roi_heads.pool_boxes(maps, &rois, height(batch));
        let hidden = self.roi_heads.forward_box_head(pooled);
        let predicted = self.roi_heads.predict_boxes(hidden);
        select_boxes(predicted, proposals, batch, self.config.box_limits())
    }

    /// Adds masks and keypoints, and moves everything to the original images.
    pub fn finish(
        &self,
        maps: &[Tensor<B, 4>],
        boxes: Vec<Vec<ScoredBox>>,
        batch: &ImageBatch<B>,
    ) -> Vec<Detections> {
        let masks = self.mask_probabilities(maps, &boxes, batch);
        let heatmaps = self.heatmaps(maps, &boxes, batch);
        let mut start = 0;
        let sizes = batch.sizes.iter().zip(&batch.original_sizes);
        let images = boxes.into_iter().zip(sizes).map(|(boxes, (from, to))| {
            let range = start..start + boxes.len();
            start = range.end;
            let resized: Vec<_> = boxes.iter().map(|found| found.corners).collect();
            let mut found: Detections = boxes
                .into_iter()
                .map(|found| found.rescale(*from, *to))
                .collect();
            if let Some(masks) = &masks {
                let area = MASK * MASK;
                let masks = masks[range.start * area..range.end * area].chunks(area);
                for (found, mask) in found.iter_mut().zip(masks) {
                    found.mask = Some(BoxMask {
                        probabilities: mask.to_vec(),
                        side: MASK,
                        corners: found.corners,
                        image: *to,
                    });
                }
            }
            if let Some((heatmaps, points)) = &heatmaps {
                let area = points * HEATMAP * HEATMAP;
                let maps = &heatmaps[range.start * area..range.end * area];
                let [y, x] = [0, 1].map(|side| to[side] as f32 / from[side] as f32);
                let points = from_heatmaps(maps, HEATMAP, *points, &resized);
                for (found, mut points) in found.iter_mut().zip(points) {
                    for point in &mut points {
                        (point.x, point.y) = (point.x * x, point.y * y);
                    }
                    found.keypoints = Some(points);
                }
            }
            found
        });
        images.collect()
    }

    /// Returns the mask of each detection: `28 * 28` probabilities of its class. Returns `None`
    /// without a mask head.
    pub fn mask_probabilities(
        &self,
        maps: &[Tensor<B, 4>],
        boxes: &[Vec<ScoredBox>],
        batch: &ImageBatch<B>,
    ) -> Option<Vec<f32>> {
        self.config.masks.then_some(())?;
        let rois = rois(boxes, |found| found.corners);
        if rois.is_empty() {
            return Some(Vec::new());
        }
        let pooled = self.roi_heads.pool_masks(maps, &rois, height(batch));
        let logits = self.roi_heads.forward_masks(pooled)?;
        let [n, classes, h, w] = logits.dims();
        let labels = boxes.iter().flatten().enumerate();
        let rows: Vec<i64> = labels
            .map(|(i, found)| (i * classes + found.label) as i64)
            .collect();
        let rows = Tensor::<B, 1, Int>::from_data(TensorData::new(rows, [n]), &logits.device());
        let logits = logits.reshape([n * classes, h * w]).select(0, rows);
        Some(host::values(sigmoid(logits)))
    }

    /// Returns the heatmaps of each detection and the number of keypoints, or `None` without
    /// keypoint head.
    pub fn heatmaps(
        &self,
        maps: &[Tensor<B, 4>],
        boxes: &[Vec<ScoredBox>],
        batch: &ImageBatch<B>,
    ) -> Option<(Vec<f32>, usize)> {
        let points = self.config.keypoints?;
        let rois = rois(boxes, |found| found.corners);
        if rois.is_empty() {
            return Some((Vec::new(), points));
        }
        let pooled = self.roi_heads.pool_masks(maps, &rois, height(batch));
        let heatmaps = self.roi_heads.forward_keypoints(pooled)?;
        Some((host::values(heatmaps), points))
    }
}

impl<B: Backend> Network<B> for Rcnn<B> {
    fn each_norm(&mut self, each: &mut dyn FnMut(&mut Norm<B>)) {
        self.backbone.each_norm(each);
        self.roi_heads.each_norm(each);
    }

    fn fuse(mut self) -> Self {
        self.backbone = self.backbone.fuse();
        self.roi_heads.fuse();
        self
    }

    fn layer_group(&self, key: &str) -> LayerGroup {
        layer_group(key)
    }

    fn is_predictor(&self, key: &str) -> bool {
        let predictors = ["box_predictor.", "mask_predictor.", "keypoint_predictor."];
        let head = key.strip_prefix("roi_heads.");
        head.is_some_and(|key| predictors.iter().any(|name| key.starts_with(name)))
    }

    fn current_key<'a>(&self, key: &'a str) -> Cow<'a, str> {
        current_key(key)
    }
}

/// Returns the layer group of a state-dict key. The pyramid and the heads belong to the
/// head.
pub(crate) fn layer_group(key: &str) -> LayerGroup {
    match key.strip_prefix("backbone.body.") {
        Some(key) => LayerGroup::of_key(key),
        None => LayerGroup::Head,
    }
}

/// The largest height of the batch before padding.
fn height<B: Backend>(batch: &ImageBatch<B>) -> usize {
    batch
        .sizes
        .iter()
        .map(|[height, _]| *height)
        .max()
        .unwrap_or(1)
}

fn rois<T>(images: &[Vec<T>], corners: impl Fn(&T) -> [f32; 4]) -> Vec<Roi> {
    let images = images.iter().enumerate();
    images
        .flat_map(|(image, boxes)| boxes.iter().map(move |found| (image, found)))
        .map(|(image, found)| Roi {
            image,
            corners: corners(found),
        })
        .collect()
}
