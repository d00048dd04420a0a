//! The residual blocks.

mod basic;
mod bottleneck;
mod pre_activation;

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};

pub use basic::BasicBlock;
pub use bottleneck::Bottleneck;
pub use pre_activation::{PreActBasicBlock, PreActBottleneck};

use crate::layers::Norm;
use crate::plan::BlockPlan;
use crate::{BlockKind, ResNetConfig};

/// One residual block of any kind.
#[derive(Module, Debug)]
pub enum Block<B: Backend> {
    /// Two 3x3 convolutions.
    Basic(BasicBlock<B>),
    /// 1x1, 3x3, 1x1 convolutions.
    Bottleneck(Bottleneck<B>),
    /// Two 3x3 convolutions, norm and activation before each.
    PreActBasic(PreActBasicBlock<B>),
    /// 1x1, 3x3, 1x1 convolutions, norm and activation before each.
    PreActBottleneck(PreActBottleneck<B>),
}

impl<B: Backend> Block<B> {
    pub(crate) fn new(config: &ResNetConfig, plan: &BlockPlan, device: &B::Device) -> Self {
        match plan.kind {
            BlockKind::Basic => Self::Basic(BasicBlock::new(config, plan, device)),
            BlockKind::Bottleneck => Self::Bottleneck(Bottleneck::new(config, plan, device)),
            BlockKind::PreActBasic => {
                Self::PreActBasic(PreActBasicBlock::new(config, plan, device))
            }
            BlockKind::PreActBottleneck => {
                Self::PreActBottleneck(PreActBottleneck::new(config, plan, device))
            }
        }
    }

    /// # Shapes
    /// - `x`: `[batch, in_channels, height, width]`
    /// - output: `[batch, out_channels, height / stride, width / stride]`, rounded up
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        match self {
            Self::Basic(block) => block.forward(x),
            Self::Bottleneck(block) => block.forward(x),
            Self::PreActBasic(block) => block.forward(x),
            Self::PreActBottleneck(block) => block.forward(x),
        }
    }

    pub(crate) fn fuse(&mut self) {
        match self {
            Self::Basic(block) => block.fuse(),
            Self::Bottleneck(block) => block.fuse(),
            Self::PreActBasic(block) => block.fuse(),
            Self::PreActBottleneck(block) => block.fuse(),
        }
    }

    pub(crate) fn set_norms(&mut self, set: &mut impl FnMut(&mut Norm<B>)) {
        match self {
            Self::Basic(block) => block.norms().for_each(set),
            Self::Bottleneck(block) => block.norms().for_each(set),
            Self::PreActBasic(block) => block.norms().for_each(set),
            Self::PreActBottleneck(block) => block.norms().for_each(set),
        }
    }
}
