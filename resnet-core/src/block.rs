//! The residual blocks. A family is one file: what its blocks consist of ([`Family`]), and the module that computes them.

mod basic;
mod bottleneck;
mod pre_activation;

use alloc::vec::Vec;

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Tensor, backend::Backend};

pub use basic::BasicBlock;
pub use bottleneck::Bottleneck;
pub use pre_activation::{PreActBasicBlock, PreActBottleneck};

use crate::layers::Norm;
use crate::plan::{BlockConv, BlockPlan};
use crate::{BlockKind, ResNetConfig};

/// What holds for all blocks of a kind.
#[derive(Clone, Copy)]
pub(crate) struct Family {
    /// Norm and activation come before the convolutions.
    pub(crate) pre_activation: bool,
    /// The output has `expansion` times the width.
    pub(crate) expands: bool,
    /// The width follows from cardinality and base width.
    pub(crate) grouped: bool,
    /// The convolutions of the residual branch.
    pub(crate) convs: fn(&BlockPlan) -> Vec<BlockConv>,
}

/// The table of families: a row is a [`BlockKind`], the module of its blocks, and its [`Family`].
macro_rules! families {
    ($($(#[$doc:meta])* $kind:ident => $block:ident, $family:path;)*) => {
        impl BlockKind {
            pub(crate) fn family(self) -> Family {
                match self {
                    $(Self::$kind => $family,)*
                }
            }
        }

        /// One residual block of any kind.
        #[derive(Module, Debug)]
        pub enum Block<B: Backend> {
            $($(#[$doc])* $kind($block<B>),)*
        }

        impl<B: Backend> Block<B> {
            pub(crate) fn new(config: &ResNetConfig, plan: &BlockPlan, device: &B::Device) -> Self {
                match plan.kind {
                    $(BlockKind::$kind => Self::$kind($block::new(config, plan, device)),)*
                }
            }

            /// # Shapes
            /// - `x`: `[batch, in_channels, height, width]`
            /// - output: `[batch, out_channels, height / stride, width / stride]`, rounded up
            pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
                match self {
                    $(Self::$kind(block) => block.forward(x),)*
                }
            }

            pub(crate) fn fuse(&mut self) {
                match self {
                    $(Self::$kind(block) => block.fuse(),)*
                }
            }

            pub(crate) fn each_norm(&mut self, each: &mut dyn FnMut(&mut Norm<B>)) {
                match self {
                    $(Self::$kind(block) => block.norms().for_each(each),)*
                }
            }
        }
    };
}

families! {
    /// Two 3x3 convolutions.
    Basic => BasicBlock, basic::FAMILY;
    /// 1x1, 3x3, 1x1 convolutions.
    Bottleneck => Bottleneck, bottleneck::FAMILY;
    /// Two 3x3 convolutions, norm and activation before each.
    PreActBasic => PreActBasicBlock, pre_activation::BASIC;
    /// 1x1, 3x3, 1x1 convolutions, norm and activation before each.
    PreActBottleneck => PreActBottleneck, pre_activation::BOTTLENECK;
}

/// A convolution and its norm as the plan has them. `last` is the norm whose weight starts at 0 where the config asks for
/// it.
fn conv_and_norm<B: Backend>(
    config: &ResNetConfig,
    plan: &BlockConv,
    last: bool,
    device: &B::Device,
) -> (Conv2d<B>, Option<Norm<B>>) {
    let norm = Norm::new(config, plan.norm_channels, device);
    let norm = match last && config.zero_init_last {
        true => norm.zero_init(),
        false => norm,
    };
    (plan.conv.init(device), Some(norm))
}
