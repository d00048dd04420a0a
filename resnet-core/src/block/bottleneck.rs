//! The bottleneck block.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Tensor, backend::Backend};

use super::conv_and_norm;
use crate::layers::{Attention, Norm, Residual, anti_alias, conv_norm_act, fold};
use crate::plan::{self, BlockPlan};
use crate::shortcut::Shortcut;
use crate::{Activation, AntiAlias, ResNetConfig};

/// Bottleneck block (He et al. 2015, figure 5 right).
///
/// `y = act(F(x) + S(x))` with
/// `F = se ∘ bn3 ∘ conv3 ∘ aa ∘ act ∘ bn2 ∘ conv2 ∘ act ∘ bn1 ∘ conv1`.
///
/// `conv1` and `conv3` are 1x1. `conv2` is 3x3, grouped in ResNeXt (Xie et al. 2016, figure 3c).
/// The stride is in the 3x3 convolution ("v1.5").
/// [`StridePlacement::Conv1x1`](crate::StridePlacement::Conv1x1) moves it to `conv1`, as in the
/// paper.
#[derive(Module, Debug)]
pub struct Bottleneck<B: Backend> {
    conv1: Conv2d<B>,
    bn1: Option<Norm<B>>,
    conv2: Conv2d<B>,
    bn2: Option<Norm<B>>,
    conv3: Conv2d<B>,
    bn3: Option<Norm<B>>,
    se: Option<Attention<B>>,
    downsample: Option<Shortcut<B>>,
    act: Activation,
    anti_alias: AntiAlias,
    stride: usize,
    drop_path: f64,
}

impl<B: Backend> Bottleneck<B> {
    pub(super) fn new(config: &ResNetConfig, plan: &BlockPlan, device: &B::Device) -> Self {
        let [first, second, third] = plan::bottleneck(plan);
        let (conv1, bn1) = conv_and_norm(config, &first, false, device);
        let (conv2, bn2) = conv_and_norm(config, &second, false, device);
        let (conv3, bn3) = conv_and_norm(config, &third, true, device);
        Self {
            conv1,
            bn1,
            conv2,
            bn2,
            conv3,
            bn3,
            se: Attention::new(plan.attention, plan.out_channels, device),
            downsample: Shortcut::new(config, plan, device),
            act: config.activation,
            anti_alias: plan.anti_alias,
            stride: plan.stride,
            drop_path: plan.drop_path,
        }
    }

    /// Applies the block.
    ///
    /// # Shapes
    /// - `x`: `[batch, in_channels, height, width]`
    /// - output: `[batch, out_channels, height / stride, width / stride]`, rounded up
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let shortcut = match &self.downsample {
            Some(downsample) => downsample.forward(x.clone()),
            None => x.clone(),
        };
        let x = conv_norm_act(&self.conv1, &self.bn1, self.act, x);
        let x = conv_norm_act(&self.conv2, &self.bn2, self.act, x);
        let x = anti_alias(self.anti_alias, x, self.stride);
        let residual = Residual {
            conv: &self.conv3,
            norm: &self.bn3,
            attention: &self.se,
            drop_path: self.drop_path,
            act: self.act,
        };
        residual.forward(x, shortcut)
    }

    pub(super) fn fuse(&mut self) {
        fold(&mut self.conv1, &mut self.bn1);
        fold(&mut self.conv2, &mut self.bn2);
        fold(&mut self.conv3, &mut self.bn3);
        self.downsample.iter_mut().for_each(Shortcut::fuse);
    }

    pub(super) fn norms(&mut self) -> impl Iterator<Item = &mut Norm<B>> {
        let shortcut = self.downsample.iter_mut().flat_map(Shortcut::norms);
        self.bn1
            .iter_mut()
            .chain(&mut self.bn2)
            .chain(&mut self.bn3)
            .chain(shortcut)
    }
}
