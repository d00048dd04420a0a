//! RetinaNet.

mod config;
mod losses;

use std::borrow::Cow;

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Tensor, backend::Backend};
use rayon::prelude::*;
use resnet_core::layers::{ConvNormAct, Norm, conv};
use resnet_core::{LayerGroup, Network, ResNet};

use crate::detections::ScoredBox;
use crate::host::{HostMaps, quads};
use crate::legacy_keys::current_retinanet_key;
use crate::ops::anchors::AnchorLevel;
use crate::ops::boxes;
use crate::ops::coder::BoxCoder;
use crate::ops::nms::top;
use crate::rcnn::layer_group;
use crate::roi_heads::best_per_class;
use crate::rpn::anchor_levels;
use crate::{Backbone, Detections, ImageBatch, ImageTensor};

pub use config::{BoxLoss, RetinaNetConfig};

/// `-ln((1 - p) / p)` for `p = 0.01`: every class starts with a probability of 1 %.
pub(crate) const PRIOR_BIAS: f64 = -4.595_119_850_134_59;

/// Keys of the layer whose shape depends on the classes.
pub(crate) const CLASSIFIER: &str = "head.classification_head.cls_logits.";

/// A RetinaNet: dense classification and regression of anchors.
#[derive(Module, Debug)]
pub struct RetinaNet<B: Backend> {
    backbone: Backbone<B>,
    head: Head<B>,
    #[module(skip)]
    config: RetinaNetConfig,
}

#[derive(Module, Debug)]
struct Head<B: Backend> {
    classification_head: ClassHead<B>,
    regression_head: BoxHead<B>,
}

#[derive(Module, Debug)]
struct ClassHead<B: Backend> {
    conv: Vec<ConvNormAct<B>>,
    cls_logits: Conv2d<B>,
}

#[derive(Module, Debug)]
struct BoxHead<B: Backend> {
    conv: Vec<ConvNormAct<B>>,
    bbox_reg: Conv2d<B>,
}

impl<B: Backend> RetinaNet<B> {
    /// Returns the config of the network.
    pub fn config(&self) -> &RetinaNetConfig {
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

    /// Returns class logits and box codes of a level.
    ///
    /// # Shapes
    /// - `map`: `[batch, channels, height, width]`
    /// - output: `[batch, anchors * classes, height, width]`, `[batch, anchors * 4, height, width]`
    pub fn forward_level(&self, map: Tensor<B, 4>) -> [Tensor<B, 4>; 2] {
        let (classes, boxes) = (&self.head.classification_head, &self.head.regression_head);
        let tower = |tower: &[ConvNormAct<B>], x: Tensor<B, 4>| {
            tower.iter().fold(x, |x, layer| layer.forward(x))
        };
        let logits = conv(&classes.cls_logits, tower(&classes.conv, map.clone()));
        let codes = conv(&boxes.bbox_reg, tower(&boxes.conv, map));
        [logits, codes]
    }

    /// Returns the outputs of all levels.
    pub(crate) fn raw_outputs(
        &self,
        images: &[ImageTensor],
        device: &B::Device,
    ) -> Vec<Tensor<B, 4>> {
        let batch = self.config.transform.forward(images, device);
        let maps = self.backbone.forward(batch.images).into_iter();
        maps.flat_map(|map| self.forward_level(map)).collect()
    }

    /// Detects objects. The results are in pixels of the original images.
    ///
    /// # Panics
    ///
    /// Panics if an image has another number of channels than the network.
    pub fn detect(&self, images: &[ImageTensor], device: &B::Device) -> Vec<Detections> {
        let batch = self.config.transform.forward(images, device);
        let maps = self.backbone.forward(batch.images.clone());
        rescale(self.detect_boxes(&maps, &batch), &batch)
    }

    /// Returns the detected boxes of each image, in pixels of the resized images. Runs on the host,
    /// with one transfer.
    pub fn detect_boxes(
        &self,
        maps: &[Tensor<B, 4>],
        batch: &ImageBatch<B>,
    ) -> Vec<Vec<ScoredBox>> {
        let anchors = anchor_levels(&self.config.anchors, maps, batch.padded());
        let levels = maps
            .iter()
            .map(|map| self.forward_level(map.clone()).to_vec());
        let maps = HostMaps::new(levels.collect());
        let images = maps.images().into_par_iter().zip(&batch.sizes);
        images
            .map(|(levels, size)| self.select(levels, &anchors, *size))
            .collect()
    }

    fn select(
        &self,
        levels: Vec<Vec<&[f32]>>,
        anchors: &[AnchorLevel],
        size: [usize; 2],
    ) -> Vec<ScoredBox> {
        let config = &self.config;
        let least = least_logit(config.score_thresh);
        let mut found = Vec::new();
        for (outputs, anchors) in levels.into_iter().zip(anchors) {
            let [logits, codes] = outputs[..] else {
                continue;
            };
            let candidates = candidates(logits, least, config.score_thresh, |_, logit| {
                sigmoid(logit)
            });
            for (i, score) in best(candidates, config.topk_candidates) {
                let (anchor, label) = (i / config.num_classes, i % config.num_classes);
                let corners = BoxCoder::UNIT.decode(quads(codes)[anchor], anchors.get(anchor));
                let corners = boxes::clip(corners, size);
                found.push(ScoredBox {
                    corners,
                    label,
                    score,
                });
            }
        }
        found.retain(|found| boxes::is_finite(found.corners));
        best_per_class(&found, config.nms_thresh, config.detections_per_img)
    }
}

/// Returns the `count` best candidates, the best first.
pub(crate) fn best(candidates: Vec<(usize, f32)>, count: usize) -> Vec<(usize, f32)> {
    let scores: Vec<f32> = candidates.iter().map(|(_, score)| *score).collect();
    let best = top(&scores, count).into_iter();
    best.map(|i| candidates[i]).collect()
}

pub(crate) fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// Returns a logit that is surely too small for a probability above `threshold`. Comparing logits
/// saves the sigmoid of most of them.
pub(crate) fn least_logit(threshold: f32) -> f32 {
    // Far above the rounding error of a sigmoid, unless the threshold is close to 1.
    const MARGIN: f32 = 1e-3;
    match threshold {
        threshold if threshold > 0.0 && threshold < 0.99 => {
            let logit = (threshold / (1.0 - threshold)).ln();
            logit - MARGIN * logit.abs().max(1.0)
        }
        _ => f32::NEG_INFINITY,
    }
}

/// Returns the index and the score of each logit whose score is above `threshold`, in parallel.
/// Skips logits below `least`.
pub(crate) fn candidates(
    logits: &[f32],
    least: f32,
    threshold: f32,
    score: impl Fn(usize, f32) -> f32 + Sync,
) -> Vec<(usize, f32)> {
    const CHUNK: usize = 1 << 16;
    let chunks = logits.par_chunks(CHUNK).enumerate();
    let found = chunks.map(|(chunk, logits)| {
        let logits = logits.iter().enumerate();
        let likely = logits.filter(|(_, logit)| **logit >= least);
        let scores = likely.map(|(i, logit)| {
            let at = chunk * CHUNK + i;
            (at, score(at, *logit))
        });
        scores
            .filter(|(_, score)| *score > threshold)
            .collect::<Vec<_>>()
    });
    found.collect::<Vec<_>>().concat()
}

/// Moves boxes to the original images.
pub(crate) fn rescale<B: Backend>(
    images: Vec<Vec<ScoredBox>>,
    batch: &ImageBatch<B>,
) -> Vec<Detections> {
    let sizes = batch.sizes.iter().zip(&batch.original_sizes);
    let images = images.into_iter().zip(sizes);
    images
        .map(|(boxes, (from, to))| {
            boxes
                .into_iter()
                .map(|found| found.rescale(*from, *to))
                .collect()
        })
        .collect()
}

impl<B: Backend> Network<B> for RetinaNet<B> {
    fn each_norm(&mut self, each: &mut dyn FnMut(&mut Norm<B>)) {
        self.backbone.each_norm(each);
        let head = &mut self.head;
        let towers = [
            &mut head.classification_head.conv,
            &mut head.regression_head.conv,
        ];
        let layers = towers.into_iter().flatten();
        layers.filter_map(ConvNormAct::norm_mut).for_each(each);
    }

    fn fuse(mut self) -> Self {
        self.backbone = self.backbone.fuse();
        let head = &mut self.head;
        let towers = [
            &mut head.classification_head.conv,
            &mut head.regression_head.conv,
        ];
        towers.into_iter().flatten().for_each(ConvNormAct::fuse);
        self
    }

    fn layer_group(&self, key: &str) -> LayerGroup {
        layer_group(key)
    }

    fn is_predictor(&self, key: &str) -> bool {
        key.starts_with(CLASSIFIER)
    }

    fn current_key<'a>(&self, key: &'a str) -> Cow<'a, str> {
        current_retinanet_key(key)
    }
}
