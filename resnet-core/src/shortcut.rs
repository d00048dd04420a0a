use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Tensor, backend::Backend, module};

use crate::layers::{ConvPlan, Norm, avg_pool_same, conv_norm, fold};
use crate::plan::BlockPlan;
use crate::{ResNetConfig, ShortcutKind};

/// The shortcut `S` of a block `y = F(x) + S(x)` whose output has another shape than its input.
#[derive(Module, Debug)]
pub enum Shortcut<B: Backend> {
    /// 1x1 convolution and norm, after an average pool in ResNet-D.
    Projection(Projection<B>),
    /// Subsampling, new channels zero.
    ZeroPad(ZeroPad<B>),
}

/// `S(x) = bn(conv(pool(x)))` (He et al. 2015, option B; with the pool He et al. 2018, figure 2c).
#[derive(Module, Debug)]
pub struct Projection<B: Backend> {
    conv: Conv2d<B>,
    bn: Option<Norm<B>>,
    pool: ShortcutPool,
}

/// `S(x)` = every `stride`-th pixel, the channels padded with zeros on both sides (He et al. 2015, option A).
#[derive(Module, Debug)]
pub struct ZeroPad<B: Backend> {
    out_channels: usize,
    stride: usize,
    backend: core::marker::PhantomData<B>,
}

/// The average pool of a ResNet-D shortcut: none where the size stays, timm's "same" where the stage is dilated.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ShortcutPool {
    None,
    Avg { stride: usize },
    AvgSame,
}

impl<B: Backend> Shortcut<B> {
    /// The shortcut of a post-activation block, or none where the identity does.
    pub(crate) fn new(
        config: &ResNetConfig,
        block: &BlockPlan,
        device: &B::Device,
    ) -> Option<Self> {
        let pool = match (block.dilation, block.stride) {
            (1, 1) => ShortcutPool::None,
            (1, stride) => ShortcutPool::Avg { stride },
            _ => ShortcutPool::AvgSame,
        };
        let conv = ConvPlan::new(block.in_channels, block.out_channels, 1);
        let bn = || Some(Norm::new(config, block.out_channels, device));
        block.changes_shape().then(|| match config.shortcut {
            ShortcutKind::Projection => {
                let conv = conv.stride(block.stride).init(device);
                Self::Projection(Projection {
                    conv,
                    bn: bn(),
                    pool: ShortcutPool::None,
                })
            }
            ShortcutKind::AvgPoolProjection => Self::Projection(Projection {
                conv: conv.init(device),
                bn: bn(),
                pool,
            }),
            ShortcutKind::ZeroPad => Self::zero_pad(block),
        })
    }

    /// The shortcut of a pre-activation block: its projection has no norm.
    pub(crate) fn pre_activation(
        config: &ResNetConfig,
        block: &BlockPlan,
        device: &B::Device,
    ) -> Option<Self> {
        block.changes_shape().then(|| match config.shortcut {
            ShortcutKind::ZeroPad => Self::zero_pad(block),
            _ => {
                let conv =
                    ConvPlan::new(block.in_channels, block.out_channels, 1).stride(block.stride);
                Self::Projection(Projection {
                    conv: conv.init(device),
                    bn: None,
                    pool: ShortcutPool::None,
                })
            }
        })
    }

    fn zero_pad(block: &BlockPlan) -> Self {
        Self::ZeroPad(ZeroPad {
            out_channels: block.out_channels,
            stride: block.stride,
            backend: core::marker::PhantomData,
        })
    }

    /// # Shapes
    /// - `x`: `[batch, in_channels, height, width]`
    /// - output: `[batch, out_channels, height / stride, width / stride]`, rounded up
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        match self {
            Self::Projection(projection) => projection.forward(x),
            Self::ZeroPad(pad) => pad.forward(x),
        }
    }

    pub(crate) fn fuse(&mut self) {
        if let Self::Projection(Projection { conv, bn, .. }) = self {
            fold(conv, bn);
        }
    }

    pub(crate) fn norms(&mut self) -> impl Iterator<Item = &mut Norm<B>> {
        let bn = match self {
            Self::Projection(projection) => projection.bn.as_mut(),
            Self::ZeroPad(_) => None,
        };
        bn.into_iter()
    }
}

impl<B: Backend> Projection<B> {
    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let x = match self.pool {
            ShortcutPool::None => x,
            ShortcutPool::Avg { stride } => {
                module::avg_pool2d(x, [2, 2], [stride; 2], [0, 0], false, true)
            }
            ShortcutPool::AvgSame => avg_pool_same(x),
        };
        conv_norm(&self.conv, &self.bn, x)
    }
}

impl<B: Backend> ZeroPad<B> {
    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        // Every `stride`-th pixel. A slice with steps has no gradient on LibTorch.
        let x = module::avg_pool2d(x, [1, 1], [self.stride; 2], [0, 0], true, false);
        let [n, c, h, w] = x.dims();
        let before = (self.out_channels - c) / 2;
        let zeros = |channels| Tensor::zeros([n, channels, h, w], (&x.device(), x.dtype()));
        let (before, after) = (zeros(before), zeros(self.out_channels - c - before));
        Tensor::cat(alloc::vec![before, x, after], 1)
    }
}
