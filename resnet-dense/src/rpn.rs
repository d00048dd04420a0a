//! The region proposal network.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Tensor, backend::Backend};
use rayon::prelude::*;
use resnet_core::Activation;
use resnet_core::layers::{ConvNormAct, ConvPlan, conv};

use crate::host::{HostMaps, quads};
use crate::init::{self, Weight};
use crate::ops::anchors::{AnchorLevel, AnchorSpec};
use crate::ops::boxes::{self, Box4};
use crate::ops::coder::BoxCoder;
use crate::ops::nms::{batched_nms, top};
use crate::{ImageBatch, RcnnConfig};

/// Smaller proposals are dropped.
const MIN_SIZE: f32 = 1e-3;

/// A region proposal network (Ren et al. 2015, Faster R-CNN, section 3.1).
#[derive(Module, Debug)]
pub struct Rpn<B: Backend> {
    head: RpnHead<B>,
}

/// The convolutions of the RPN, shared by all levels.
#[derive(Module, Debug)]
struct RpnHead<B: Backend> {
    conv: Vec<ConvNormAct<B>>,
    cls_logits: Conv2d<B>,
    bbox_pred: Conv2d<B>,
}

/// The output of the RPN for one pyramid level of one image, in the order `y, x, anchor`.
#[derive(Clone, Debug, PartialEq)]
pub struct RpnLevel {
    /// Logit of each anchor.
    pub logits: Vec<f32>,
    /// Box deltas of each anchor.
    pub deltas: Vec<[f32; 4]>,
}

/// A proposal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proposal {
    /// Box in pixels of the resized image.
    pub corners: Box4,
    /// Probability that the box contains an object.
    pub score: f32,
}

impl<B: Backend> Rpn<B> {
    pub(crate) fn new(config: &RcnnConfig, device: &B::Device) -> Self {
        let c = config.backbone.fpn.channels;
        let anchors = config.anchors_per_cell();
        let conv = |plan: ConvPlan| init::conv(plan, Weight::Normal(0.01), Some(0.0), device);
        let hidden = || {
            ConvNormAct::from_parts(conv(ConvPlan::new(c, c, 3)), None).with_act(Activation::Relu)
        };
        Self {
            head: RpnHead {
                conv: (0..config.rpn_convs).map(|_| hidden()).collect(),
                cls_logits: conv(ConvPlan::new(c, anchors, 1)),
                bbox_pred: conv(ConvPlan::new(c, 4 * anchors, 1)),
            },
        }
    }

    /// Returns logits and box codes of a level.
    ///
    /// # Shapes
    /// - `map`: `[batch, channels, height, width]`
    /// - output: `[batch, anchors, height, width]` and `[batch, 4 * anchors, height, width]`
    pub fn forward_level(&self, map: Tensor<B, 4>) -> [Tensor<B, 4>; 2] {
        let x = self.head.conv.iter().fold(map, |x, conv| conv.forward(x));
        [
            conv(&self.head.cls_logits, x.clone()),
            conv(&self.head.bbox_pred, x),
        ]
    }

    /// Returns the outputs of all levels on the host, per image. This is one transfer.
    pub fn forward(&self, maps: &[Tensor<B, 4>]) -> Vec<Vec<RpnLevel>> {
        let outputs = maps.iter().map(|map| self.forward_level(map.clone()));
        host_levels(&outputs.collect::<Vec<_>>())
    }
}

/// Logits `[batch, anchors]` and codes `[batch, anchors, 4]`, with gradients.
pub(crate) type RpnOutputs<B> = (Tensor<B, 2>, Tensor<B, 3>);

impl<B: Backend> Rpn<B> {
    /// Returns the outputs of all levels with gradients, and on the host.
    ///
    /// # Shapes
    /// - output: `[batch, anchors]`, `[batch, anchors, 4]`, in the order `level, y, x, anchor`
    pub(crate) fn forward_training(
        &self,
        maps: &[Tensor<B, 4>],
    ) -> (RpnOutputs<B>, Vec<Vec<RpnLevel>>) {
        let outputs: Vec<_> = maps
            .iter()
            .map(|map| self.forward_level(map.clone()))
            .collect();
        let levels = host_levels(&outputs);
        let (logits, deltas) = outputs
            .into_iter()
            .map(|[logits, deltas]| (by_anchor(logits, 1), by_anchor(deltas, 4)))
            .unzip();
        let logits: Tensor<B, 3> = Tensor::cat(logits, 1);
        let [n, anchors, _] = logits.dims();
        let both = (logits.reshape([n, anchors]), Tensor::cat(deltas, 1));
        (both, levels)
    }
}

fn host_levels<B: Backend>(outputs: &[[Tensor<B, 4>; 2]]) -> Vec<Vec<RpnLevel>> {
    let maps = HostMaps::new(outputs.iter().map(|level| level.to_vec()).collect());
    let level = |outputs: Vec<&[f32]>| RpnLevel {
        logits: outputs
            .first()
            .map_or_else(Vec::new, |logits| logits.to_vec()),
        deltas: outputs
            .get(1)
            .map_or_else(Vec::new, |codes| quads(codes).to_vec()),
    };
    let images = maps.images().into_iter();
    images
        .map(|levels| levels.into_iter().map(level).collect())
        .collect()
}

/// Arranges a map by anchors, in the order `y, x, anchor`.
///
/// # Shapes
/// - `map`: `[batch, anchors * values, height, width]`
/// - output: `[batch, height * width * anchors, values]`
pub(crate) fn by_anchor<B: Backend>(map: Tensor<B, 4>, values: usize) -> Tensor<B, 3> {
    let [n, c, h, w] = map.dims();
    let map = map.permute([0, 2, 3, 1]);
    map.reshape([n, h * w * c / values.max(1), values])
}

/// Returns the anchors of each level.
pub(crate) fn anchor_levels<B: Backend>(
    specs: &[AnchorSpec],
    maps: &[Tensor<B, 4>],
    padded: [usize; 2],
) -> Vec<AnchorLevel> {
    let levels = specs.iter().zip(maps).map(|(spec, map)| {
        let [_, _, h, w] = map.dims();
        AnchorLevel::new(spec, [h, w], padded)
    });
    levels.collect()
}

/// Limits on the proposals of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ProposalLimits {
    /// Number of anchors per level, the best first, that become boxes.
    pub(crate) pre_nms_top_n: usize,
    /// Largest number of boxes per image after NMS.
    pub(crate) post_nms_top_n: usize,
    /// Overlap above which NMS suppresses a box.
    pub(crate) nms_thresh: f64,
    /// Least score.
    pub(crate) score_thresh: f32,
}

/// Selects the proposals of an image: the best anchors of each level, decoded, clipped to the image
/// and reduced by NMS per level. Runs on the host.
pub(crate) fn proposals(
    levels: &[RpnLevel],
    anchors: &[AnchorLevel],
    size: [usize; 2],
    limits: ProposalLimits,
) -> Vec<Proposal> {
    let mut found = Vec::new();
    let mut groups = Vec::new();
    for (i, (level, anchors)) in levels.iter().zip(anchors).enumerate() {
        for at in top(&level.logits, limits.pre_nms_top_n) {
            let corners = BoxCoder::UNIT.decode(level.deltas[at], anchors.get(at));
            let corners = boxes::clip(corners, size);
            let score = 1.0 / (1.0 + (-level.logits[at]).exp());
            if boxes::is_large(corners, MIN_SIZE) && score >= limits.score_thresh {
                found.push(Proposal { corners, score });
                groups.push(i);
            }
        }
    }
    let corners: Vec<Box4> = found.iter().map(|proposal| proposal.corners).collect();
    let scores: Vec<f32> = found.iter().map(|proposal| proposal.score).collect();
    let kept = batched_nms(&corners, &scores, &groups, limits.nms_thresh);
    let kept = kept.into_iter().take(limits.post_nms_top_n);
    kept.map(|i| found[i]).collect()
}

/// Returns the proposals of each image of a batch.
pub(crate) fn batch_proposals<B: Backend>(
    images: &[Vec<RpnLevel>],
    anchors: &[AnchorLevel],
    batch: &ImageBatch<B>,
    limits: ProposalLimits,
) -> Vec<Vec<Proposal>> {
    let images = images.par_iter().zip(&batch.sizes);
    images
        .map(|(levels, size)| proposals(levels, anchors, *size, limits))
        .collect()
}
