//! The pre-activation blocks.

use alloc::vec::Vec;

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Tensor, backend::Backend};

use super::{Family, conv_and_norm};
use crate::layers::{ConvPlan, Norm, conv, conv_norm_act, drop_path, fold, norm_act};
use crate::plan::{BlockConv, BlockPlan};
use crate::shortcut::Shortcut;
use crate::{Activation, ResNetConfig, StridePlacement};

pub(super) const BASIC: Family = Family {
    pre_activation: true,
    expands: false,
    grouped: false,
    convs: |plan| Vec::from(basic(plan)),
};

pub(super) const BOTTLENECK: Family = Family {
    pre_activation: true,
    expands: true,
    grouped: false,
    convs: |plan| Vec::from(bottleneck(plan)),
};

fn basic(plan: &BlockPlan) -> [BlockConv; 2] {
    let first = ConvPlan::new(plan.in_channels, plan.width, 3).stride(plan.stride);
    let second = ConvPlan::new(plan.width, plan.out_channels, 3);
    [
        BlockConv::after_norm("bn1", "conv1", first),
        BlockConv::after_norm("bn2", "conv2", second),
    ]
}

fn bottleneck(plan: &BlockPlan) -> [BlockConv; 3] {
    let (first_stride, stride) = match plan.stride_placement {
        StridePlacement::Conv1x1 => (plan.stride, 1),
        StridePlacement::Conv3x3 => (1, plan.stride),
    };
    let first = ConvPlan::new(plan.in_channels, plan.width, 1).stride(first_stride);
    let second = ConvPlan::new(plan.width, plan.width, 3).stride(stride);
    let third = ConvPlan::new(plan.width, plan.out_channels, 1);
    [
        BlockConv::after_norm("bn1", "conv1", first),
        BlockConv::after_norm("bn2", "conv2", second),
        BlockConv::after_norm("bn3", "conv3", third),
    ]
}

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
        let [first, second] = basic(plan);
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
        let [first, second, third] = bottleneck(plan);
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
