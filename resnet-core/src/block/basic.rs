//! The basic block.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Tensor, backend::Backend};

use super::conv_and_norm;
use crate::layers::{Attention, Norm, Residual, anti_alias, conv_norm_act, fold};
use crate::plan::{self, BlockPlan};
use crate::shortcut::Shortcut;
use crate::{Activation, AntiAlias, ResNetConfig};

/// Basic residual block (He et al. 2015, figure 5 left).
///
/// `y = act(F(x) + S(x))` with `F = se ∘ bn2 ∘ conv2 ∘ aa ∘ act ∘ bn1 ∘ conv1`. Both convolutions
/// are 3x3. `S` is the identity or a [`Shortcut`].
#[derive(Module, Debug)]
pub struct BasicBlock<B: Backend> {
    conv1: Conv2d<B>,
    bn1: Option<Norm<B>>,
    conv2: Conv2d<B>,
    bn2: Option<Norm<B>>,
    se: Option<Attention<B>>,
    downsample: Option<Shortcut<B>>,
    act: Activation,
    anti_alias: AntiAlias,
    stride: usize,
    drop_path: f64,
}

impl<B: Backend> BasicBlock<B> {
    pub(super) fn new(config: &ResNetConfig, plan: &BlockPlan, device: &B::Device) -> Self {
        let [first, second] = plan::basic(plan);
        let (conv1, bn1) = conv_and_norm(config, &first, false, device);
        let (conv2, bn2) = conv_and_norm(config, &second, true, device);
        Self {
            conv1,
            bn1,
            conv2,
            bn2,
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
        let x = anti_alias(self.anti_alias, x, self.stride);
        let residual = Residual {
            conv: &self.conv2,
            norm: &self.bn2,
            attention: &self.se,
            drop_path: self.drop_path,
            act: self.act,
        };
        residual.forward(x, shortcut)
    }

    pub(super) fn fuse(&mut self) {
        fold(&mut self.conv1, &mut self.bn1);
        fold(&mut self.conv2, &mut self.bn2);
        self.downsample.iter_mut().for_each(Shortcut::fuse);
    }

    pub(super) fn norms(&mut self) -> impl Iterator<Item = &mut Norm<B>> {
        let shortcut = self.downsample.iter_mut().flat_map(Shortcut::norms);
        self.bn1.iter_mut().chain(&mut self.bn2).chain(shortcut)
    }
}
