//! The shortcut `S` of a block `y = F(x) + S(x)`.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::{Tensor, backend::Backend, module};

use crate::ResNetConfig;
use crate::layers::{ConvNormAct, Norm, avg_pool_same, conv, conv_norm, fold};
use crate::plan::{BlockPlan, ShortcutPlan, ShortcutPool};

/// The shortcut of a block that changes the shape. Other blocks have the identity.
#[derive(Module, Debug)]
pub enum Shortcut<B: Backend> {
    /// 1x1 convolution and norm: `S(x) = bn(conv(x))` (He et al. 2015, option B).
    Projection(ConvNormAct<B>),
    /// Average pool, 1x1 convolution and norm (ResNet-D).
    PooledProjection(PooledProjection<B>),
    /// 1x1 convolution without norm, in pre-activation blocks.
    Conv(Conv2d<B>),
    /// Subsampling; new channels are zero.
    ZeroPad(ZeroPad<B>),
}

/// The ResNet-D shortcut `S(x) = bn(conv(pool(x)))` (He et al. 2018, figure 2c).
#[derive(Module, Debug)]
pub struct PooledProjection<B: Backend> {
    conv: Conv2d<B>,
    bn: Option<Norm<B>>,
    pool: ShortcutPool,
}

/// The parameter-free shortcut: every `stride`-th pixel, with zero channels added on both sides (He
/// et al. 2015, option A).
#[derive(Module, Debug)]
pub struct ZeroPad<B: Backend> {
    out_channels: usize,
    stride: usize,
    backend: core::marker::PhantomData<B>,
}

impl<B: Backend> Shortcut<B> {
    /// Creates the shortcut of a block, or `None` if the block has the identity.
    pub(crate) fn new(
        config: &ResNetConfig,
        block: &BlockPlan,
        device: &B::Device,
    ) -> Option<Self> {
        let norm = |channels: usize| Norm::new(config, channels, device);
        Some(match block.shortcut()? {
            ShortcutPlan::Conv(conv) => Self::Conv(conv.init(device)),
            ShortcutPlan::Projection(conv) => Self::Projection(ConvNormAct::from_parts(
                conv.init(device),
                Some(norm(conv.channels[1])),
            )),
            ShortcutPlan::PooledProjection { pool, conv } => {
                Self::PooledProjection(PooledProjection {
                    conv: conv.init(device),
                    bn: Some(norm(conv.channels[1])),
                    pool,
                })
            }
            ShortcutPlan::ZeroPad => Self::ZeroPad(ZeroPad {
                out_channels: block.out_channels,
                stride: block.stride,
                backend: core::marker::PhantomData,
            }),
        })
    }

    /// Applies the shortcut.
    ///
    /// # Shapes
    /// - `x`: `[batch, in_channels, height, width]`
    /// - output: `[batch, out_channels, height / stride, width / stride]`, rounded up
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        match self {
            Self::Projection(projection) => projection.forward(x),
            Self::PooledProjection(projection) => projection.forward(x),
            Self::Conv(projection) => conv(projection, x),
            Self::ZeroPad(pad) => pad.forward(x),
        }
    }

    pub(crate) fn fuse(&mut self) {
        match self {
            Self::Projection(projection) => projection.fuse(),
            Self::PooledProjection(projection) => fold(&mut projection.conv, &mut projection.bn),
            Self::Conv(_) | Self::ZeroPad(_) => {}
        }
    }

    pub(crate) fn norms(&mut self) -> impl Iterator<Item = &mut Norm<B>> {
        let norm = match self {
            Self::Projection(projection) => projection.norm_mut(),
            Self::PooledProjection(projection) => projection.bn.as_mut(),
            Self::Conv(_) | Self::ZeroPad(_) => None,
        };
        norm.into_iter()
    }
}

impl<B: Backend> PooledProjection<B> {
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
        // Subsamples with a 1x1 pool, because slices with steps have no gradient on LibTorch.
        let x = module::avg_pool2d(x, [1, 1], [self.stride; 2], [0, 0], true, false);
        let [n, c, h, w] = x.dims();
        let before = (self.out_channels - c) / 2;
        let zeros = |channels| Tensor::zeros([n, channels, h, w], (&x.device(), x.dtype()));
        let (before, after) = (zeros(before), zeros(self.out_channels - c - before));
        Tensor::cat(alloc::vec![before, x, after], 1)
    }
}
