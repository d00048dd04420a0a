//! The residual blocks. Each family has one file with its [`Family`] and its module.

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

/// The properties that all blocks of a kind share.
#[derive(Clone, Copy)]
pub(crate) struct Family {
    /// Whether norm and activation come before the convolutions.
    pub(crate) pre_activation: bool,
    /// Whether the output has `expansion` times as many channels as the block's width.
    pub(crate) expands: bool,
    /// Whether `cardinality` and `base_width` set the block's width.
    pub(crate) grouped: bool,
    /// Returns the convolutions of the residual branch.
    pub(crate) convs: fn(&BlockPlan) -> Vec<BlockConv>,
}

/// Declares the families. A row names a [`BlockKind`], the module of its blocks and its [`Family`].
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

            /// Applies the block.
            ///
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
    /// Two 3x3 convolutions, each after norm and activation.
    PreActBasic => PreActBasicBlock, pre_activation::BASIC;
    /// 1x1, 3x3, 1x1 convolutions, each after norm and activation.
    PreActBottleneck => PreActBottleneck, pre_activation::BOTTLENECK;
}

/// Creates a convolution and its norm from the plan.
///
/// `last` marks the last norm of the block; its weight starts at 0 if `zero_init_last` is set.
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
