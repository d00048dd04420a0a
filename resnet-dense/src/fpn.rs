//! The feature pyramid network.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::activation::relu;
use burn::tensor::{Tensor, backend::Backend};
use resnet_core::NormKind;
use resnet_core::layers::{ConvNormAct, ConvPlan, Norm, conv};
use serde::{Deserialize, Serialize};

use crate::init::{self, Weight};
use crate::ops::resize;

/// The levels above the last stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TopLevels {
    /// Every second pixel of the last map (R-CNN).
    Pool,
    /// `p6 = conv(P5)`, `p7 = conv(relu(p6))` (RetinaNet v1, FCOS).
    ConvP5,
    /// `p6 = conv(C5)`, `p7 = conv(relu(p6))` (RetinaNet v2).
    ConvC5,
}

/// The options of a feature pyramid.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FpnConfig {
    /// Channels of every level.
    pub channels: usize,
    /// First stage of the backbone that becomes a level: 1 for C2, 2 for C3.
    pub first_stage: usize,
    /// Norm after each convolution; `None` for convolutions with bias.
    pub norm: Option<NormKind>,
    /// The levels above the last stage.
    pub top: TopLevels,
}

/// A feature pyramid network (Lin et al. 2017).
///
/// `inner_i = lateral_i(c_i) + upsample(inner_{i+1})`, `p_i = output_i(inner_i)`
#[derive(Module, Debug)]
pub struct Fpn<B: Backend> {
    inner_blocks: Vec<ConvNormAct<B>>,
    layer_blocks: Vec<ConvNormAct<B>>,
    extra_blocks: Option<ConvLevels<B>>,
    #[module(skip)]
    top: TopLevels,
}

/// Two levels of strided convolutions.
#[derive(Module, Debug)]
struct ConvLevels<B: Backend> {
    p6: Conv2d<B>,
    p7: Conv2d<B>,
}

impl FpnConfig {
    /// Creates the pyramid for feature maps with these channels.
    pub(crate) fn init<B: Backend>(&self, in_channels: &[usize], device: &B::Device) -> Fpn<B> {
        let c = self.channels;
        let block = |input: usize, kernel: usize| {
            let bias = self.norm.is_none().then_some(0.0);
            let plan = ConvPlan::new(input, c, kernel);
            let norm = self.norm.map(|norm| norm.init(c, 1e-5, device));
            ConvNormAct::from_parts(init::conv(plan, Weight::Linear, bias, device), norm)
        };
        let level = |input: usize| {
            let plan = ConvPlan::new(input, c, 3).stride(2);
            init::conv(plan, Weight::Linear, Some(0.0), device)
        };
        let last = in_channels.last().copied().unwrap_or(c);
        let p6 = match self.top {
            TopLevels::Pool => None,
            TopLevels::ConvP5 => Some(level(c)),
            TopLevels::ConvC5 => Some(level(last)),
        };
        Fpn {
            inner_blocks: in_channels.iter().map(|input| block(*input, 1)).collect(),
            layer_blocks: in_channels.iter().map(|_| block(c, 3)).collect(),
            extra_blocks: p6.map(|p6| ConvLevels { p6, p7: level(c) }),
            top: self.top,
        }
    }
}

impl<B: Backend> Fpn<B> {
    /// Returns the levels, from the largest map to the smallest.
    ///
    /// # Shapes
    /// - `maps`: `[batch, channels_i, height_i, width_i]`, from the largest to the smallest
    /// - output: `[batch, channels, height_i, width_i]`, then the top levels
    pub fn forward(&self, maps: Vec<Tensor<B, 4>>) -> Vec<Tensor<B, 4>> {
        let c5 = maps.last().cloned();
        let laterals = self.inner_blocks.iter().zip(maps);
        let laterals: Vec<_> = laterals.map(|(block, map)| block.forward(map)).collect();
        let mut inner: Option<Tensor<B, 4>> = None;
        let mut levels = Vec::new();
        for (lateral, output) in laterals.into_iter().zip(&self.layer_blocks).rev() {
            let [_, _, h, w] = lateral.dims();
            let sum = match inner {
                Some(above) => lateral + resize::nearest(above, [h, w]),
                None => lateral,
            };
            levels.push(output.forward(sum.clone()));
            inner = Some(sum);
        }
        levels.reverse();
        let top = levels
            .last()
            .zip(c5)
            .map(|(p5, c5)| self.top(p5.clone(), c5));
        levels.extend(top.into_iter().flatten());
        levels
    }

    fn top(&self, p5: Tensor<B, 4>, c5: Tensor<B, 4>) -> Vec<Tensor<B, 4>> {
        let Some(extra) = &self.extra_blocks else {
            return vec![resize::every_second(p5)];
        };
        let p6 = conv(
            &extra.p6,
            if self.top == TopLevels::ConvC5 {
                c5
            } else {
                p5
            },
        );
        let p7 = conv(&extra.p7, relu(p6.clone()));
        vec![p6, p7]
    }

    pub(crate) fn each_norm(&mut self, each: &mut dyn FnMut(&mut Norm<B>)) {
        let blocks = self.inner_blocks.iter_mut().chain(&mut self.layer_blocks);
        blocks.filter_map(ConvNormAct::norm_mut).for_each(each);
    }

    pub(crate) fn fuse(&mut self) {
        let blocks = self.inner_blocks.iter_mut().chain(&mut self.layer_blocks);
        blocks.for_each(ConvNormAct::fuse);
    }
}
