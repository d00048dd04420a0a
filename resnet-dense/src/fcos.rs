//! FCOS.

mod config;
mod losses;

use std::borrow::Cow;

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::relu;
use burn::tensor::{Tensor, backend::Backend};
use rayon::prelude::*;
use resnet_core::layers::{ConvPlan, Norm, conv};
use resnet_core::{Activation, LayerGroup, Network, NormKind, ResNet};

use crate::detections::ScoredBox;
use crate::host::{HostMaps, quads};
use crate::init::{self, Weight};
use crate::legacy_keys::current_key;
use crate::ops::anchors::AnchorLevel;
use crate::ops::boxes;
use crate::ops::coder::BoxLinearCoder;
use crate::rcnn::layer_group;
use crate::retinanet::{CLASSIFIER, best, candidates, least_logit, rescale, sigmoid};
use crate::roi_heads::best_per_class;
use crate::rpn::anchor_levels;
use crate::{Backbone, Detections, ImageBatch, ImageTensor};

pub use config::FcosConfig;

/// Norm of the head.
const NORM: NormKind = NormKind::Group { groups: 32 };

/// An FCOS network: one box per cell, weighted by its centerness.
#[derive(Module, Debug)]
pub struct Fcos<B: Backend> {
    backbone: Backbone<B>,
    head: Head<B>,
    #[module(skip)]
    config: FcosConfig,
}

#[derive(Module, Debug)]
struct Head<B: Backend> {
    classification_head: ClassHead<B>,
    regression_head: BoxHead<B>,
}

#[derive(Module, Debug)]
struct ClassHead<B: Backend> {
    conv: Tower<B>,
    cls_logits: Conv2d<B>,
}

#[derive(Module, Debug)]
struct BoxHead<B: Backend> {
    conv: Tower<B>,
    bbox_reg: Conv2d<B>,
    bbox_ctrness: Conv2d<B>,
}

/// Four convolutions, each with group norm and ReLU.
#[derive(Module, Debug)]
struct Tower<B: Backend> {
    _0: Conv2d<B>,
    _1: Norm<B>,
    _3: Conv2d<B>,
    _4: Norm<B>,
    _6: Conv2d<B>,
    _7: Norm<B>,
    _9: Conv2d<B>,
    _10: Norm<B>,
}

impl<B: Backend> Tower<B> {
    fn new(c: usize, device: &B::Device) -> Self {
        let layer = || {
            init::conv(
                ConvPlan::new(c, c, 3),
                Weight::Normal(0.01),
                Some(0.0),
                device,
            )
        };
        let norm = || NORM.init(c, 1e-5, device);
        Self {
            _0: layer(),
            _1: norm(),
            _3: layer(),
            _4: norm(),
            _6: layer(),
            _7: norm(),
            _9: layer(),
            _10: norm(),
        }
    }

    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let layers = [
            (&self._0, &self._1),
            (&self._3, &self._4),
            (&self._6, &self._7),
            (&self._9, &self._10),
        ];
        let layer = |x, (layer, norm): (&Conv2d<B>, &Norm<B>)| {
            Activation::Relu.forward(norm.forward(conv(layer, x)))
        };
        layers.into_iter().fold(x, layer)
    }

    fn norms(&mut self) -> [&mut Norm<B>; 4] {
        [&mut self._1, &mut self._4, &mut self._7, &mut self._10]
    }
}

impl<B: Backend> Fcos<B> {
    /// Returns the config of the network.
    pub fn config(&self) -> &FcosConfig {
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

    /// Returns class logits, box codes and centerness logits of a level.
    ///
    /// # Shapes
    /// - `map`: `[batch, channels, height, width]`
    /// - output: `[batch, classes, height, width]`, `[batch, 4, height, width]`,
    ///   `[batch, 1, height, width]`
    pub fn forward_level(&self, map: Tensor<B, 4>) -> [Tensor<B, 4>; 3] {
        let (classes, boxes) = (&self.head.classification_head, &self.head.regression_head);
        let logits = conv(&classes.cls_logits, classes.conv.forward(map.clone()));
        let x = boxes.conv.forward(map);
        let codes = relu(conv(&boxes.bbox_reg, x.clone()));
        [logits, codes, conv(&boxes.bbox_ctrness, x)]
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
        let classes = config.num_classes;
        // A score is the root of the product of two probabilities.
        let least = least_logit(config.score_thresh.max(0.0).powi(2));
        let mut found = Vec::new();
        for (outputs, anchors) in levels.into_iter().zip(anchors) {
            let [logits, codes, centerness] = outputs[..] else {
                continue;
            };
            let candidates = candidates(logits, least, config.score_thresh, |i, logit| {
                (sigmoid(logit) * sigmoid(centerness[i / classes])).sqrt()
            });
            for (i, score) in best(candidates, config.topk_candidates) {
                let (cell, label) = (i / classes, i % classes);
                let corners = BoxLinearCoder.decode(quads(codes)[cell], anchors.get(cell));
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

impl<B: Backend> Network<B> for Fcos<B> {
    fn each_norm(&mut self, each: &mut dyn FnMut(&mut Norm<B>)) {
        self.backbone.each_norm(each);
        let head = &mut self.head;
        let towers = [
            &mut head.classification_head.conv,
            &mut head.regression_head.conv,
        ];
        towers.into_iter().flat_map(Tower::norms).for_each(each);
    }

    fn fuse(mut self) -> Self {
        self.backbone = self.backbone.fuse();
        self
    }

    fn layer_group(&self, key: &str) -> LayerGroup {
        layer_group(key)
    }

    fn is_predictor(&self, key: &str) -> bool {
        key.starts_with(CLASSIFIER)
    }

    fn current_key<'a>(&self, key: &'a str) -> Cow<'a, str> {
        current_key(key)
    }
}
