//! The residual blocks. Each family has one file with its module.

mod basic;
mod bottleneck;
mod pre_activation;

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Tensor, backend::Backend};

pub use basic::BasicBlock;
pub use bottleneck::Bottleneck;
pub use pre_activation::{PreActBasicBlock, PreActBottleneck};

use crate::layers::Norm;
use crate::plan::{BlockConv, BlockPlan};
use crate::{BlockKind, ResNetConfig};

/// Declares the families. A row names a [`BlockKind`] and the module of its blocks.
macro_rules! families {
    ($($(#[$doc:meta])* $kind:ident => $block:ident;)*) => {
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
    Basic => BasicBlock;
    /// 1x1, 3x3, 1x1 convolutions.
    Bottleneck => Bottleneck;
    /// Two 3x3 convolutions, each after norm and activation.
    PreActBasic => PreActBasicBlock;
    /// 1x1, 3x3, 1x1 convolutions, each after norm and activation.
    PreActBottleneck => PreActBottleneck;
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
