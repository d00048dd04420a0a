//! The pre-activation blocks.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Tensor, backend::Backend};

use super::conv_and_norm;
use crate::layers::{Norm, conv, conv_norm_act, drop_path, fold, norm_act};
use crate::plan::{self, BlockPlan};
use crate::shortcut::Shortcut;
use crate::{Activation, ResNetConfig};

/// Pre-activation basic block (He et al. 2016, figure 1b). Wide ResNets use it as well (Zagoruyko &
/// Komodakis 2016, figure 1c).
///
/// `y = F(a) + S(a)` with `a = act(bn1(x))` and `F = conv2 ∘ act ∘ bn2 ∘ conv1`. If the block keeps
/// the shape, the shortcut is `x` itself.
#[derive(Module, Debug)]
pub struct PreActBasicBlock<B: Backend> {
    bn1: Option<Norm<B>>,
    conv1: Conv2d<B>,
    bn2: Option<Norm<B>>,
    conv2: Conv2d<B>,
    downsample: Option<Shortcut<B>>,
    act: Activation,
    drop_path: f64,
}

impl<B: Backend> PreActBasicBlock<B> {
    pub(super) fn new(config: &ResNetConfig, plan: &BlockPlan, device: &B::Device) -> Self {
        let [first, second] = plan::pre_act_basic(plan);
        let (conv1, bn1) = conv_and_norm(config, &first, false, device);
        let (conv2, bn2) = conv_and_norm(config, &second, true, device);
        Self {
            bn1,
            conv1,
            bn2,
            conv2,
            downsample: Shortcut::new(config, plan, device),
            act: config.activation,
            drop_path: plan.drop_path,
        }
    }

    /// Applies the block.
    ///
    /// # Shapes
    /// - `x`: `[batch, in_channels, height, width]`
    /// - output: `[batch, out_channels, height / stride, width / stride]`, rounded up
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let a = norm_act(&self.bn1, self.act, x.clone());
        let shortcut = match &self.downsample {
            Some(downsample) => downsample.forward(a.clone()),
            None => x,
        };
        let y = conv_norm_act(&self.conv1, &self.bn2, self.act, a);
        let y = conv(&self.conv2, y);
        drop_path(y, self.drop_path) + shortcut
    }

    pub(super) fn fuse(&mut self) {
        fold(&mut self.conv1, &mut self.bn2);
    }

    pub(super) fn norms(&mut self) -> impl Iterator<Item = &mut Norm<B>> {
        self.bn1.iter_mut().chain(&mut self.bn2)
    }
}

/// Pre-activation bottleneck block (He et al. 2016, "Identity Mappings in Deep Residual Networks").
///
/// `y = F(a) + S(a)` with `a = act(bn1(x))` and
/// `F = conv3 ∘ act ∘ bn3 ∘ conv2 ∘ act ∘ bn2 ∘ conv1`. If the block keeps the shape, the shortcut
/// is `x` itself.
#[derive(Module, Debug)]
pub struct PreActBottleneck<B: Backend> {
    bn1: Option<Norm<B>>,
    conv1: Conv2d<B>,
    bn2: Option<Norm<B>>,
    conv2: Conv2d<B>,
    bn3: Option<Norm<B>>,
    conv3: Conv2d<B>,
    downsample: Option<Shortcut<B>>,
    act: Activation,
    drop_path: f64,
}

impl<B: Backend> PreActBottleneck<B> {
    pub(super) fn new(config: &ResNetConfig, plan: &BlockPlan, device: &B::Device) -> Self {
        let [first, second, third] = plan::pre_act_bottleneck(plan);
        let (conv1, bn1) = conv_and_norm(config, &first, false, device);
        let (conv2, bn2) = conv_and_norm(config, &second, false, device);
        let (conv3, bn3) = conv_and_norm(config, &third, true, device);
        Self {
            bn1,
            conv1,
            bn2,
            conv2,
            bn3,
            conv3,
            downsample: Shortcut::new(config, plan, device),
            act: config.activation,
            drop_path: plan.drop_path,
        }
    }

    /// Applies the block.
    ///
    /// # Shapes
    /// - `x`: `[batch, in_channels, height, width]`
    /// - output: `[batch, out_channels, height / stride, width / stride]`, rounded up
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let a = norm_act(&self.bn1, self.act, x.clone());
        let shortcut = match &self.downsample {
            Some(downsample) => downsample.forward(a.clone()),
            None => x,
        };
        let y = conv_norm_act(&self.conv1, &self.bn2, self.act, a);
        let y = conv_norm_act(&self.conv2, &self.bn3, self.act, y);
        let y = conv(&self.conv3, y);
        drop_path(y, self.drop_path) + shortcut
    }

    pub(super) fn fuse(&mut self) {
        fold(&mut self.conv1, &mut self.bn2);
        fold(&mut self.conv2, &mut self.bn3);
    }

    pub(super) fn norms(&mut self) -> impl Iterator<Item = &mut Norm<B>> {
        self.bn1
            .iter_mut()
            .chain(&mut self.bn2)
            .chain(&mut self.bn3)
    }
}
