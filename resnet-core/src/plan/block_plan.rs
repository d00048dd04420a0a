//! The convolutions and the shortcut of a residual block.

use alloc::vec::Vec;

use super::ConvPlan;
use crate::{AntiAlias, AttentionKind, BlockKind, ShortcutKind, StridePlacement};

/// The plan of a residual block.
///
/// [`convs`](Self::convs) and [`shortcut`](Self::shortcut) list the layers of the block.
/// Initialization, costs, `resnet-engine` and the ONNX reader use them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BlockPlan {
    /// Kind of the block.
    pub kind: BlockKind,
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels between the convolutions.
    pub width: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Stride of the block.
    pub stride: usize,
    /// Dilation of the first 3x3 convolution. It equals the dilation of the previous block.
    pub first_dilation: usize,
    /// Dilation of the other 3x3 convolutions.
    pub dilation: usize,
    /// Groups of the 3x3 convolution of a bottleneck.
    pub groups: usize,
    /// The convolution of a bottleneck that has the stride.
    pub stride_placement: StridePlacement,
    /// Anti-aliasing layer that replaces the stride, if this block has one.
    pub anti_alias: AntiAlias,
    /// Kind of the shortcut, if the block changes the shape.
    pub shortcut_kind: ShortcutKind,
    /// Channel attention at the end of the residual branch.
    pub attention: AttentionKind,
    /// Probability that training drops the residual branch, from 0 to 1.
    pub drop_path: f64,
}

/// A convolution of a block's residual branch, with its norm.
///
/// Post-activation blocks compute `act(norm(conv(x)))`. Their last activation follows the sum with
/// the shortcut. Pre-activation blocks ([`BlockKind::is_pre_activation`]) compute
/// `conv(act(norm(x)))`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockConv {
    /// Key of the convolution in the block.
    pub name: &'static str,
    /// Channels, kernel, stride, dilation and groups.
    pub conv: ConvPlan,
    /// Key of the norm in the block.
    pub norm: &'static str,
    /// Channels of the norm.
    pub norm_channels: usize,
    /// Whether anti-aliasing follows the activation.
    pub aliased: bool,
}

impl BlockConv {
    /// Creates a convolution before its norm.
    pub(super) const fn then_norm(name: &'static str, conv: ConvPlan, norm: &'static str) -> Self {
        Self {
            name,
            conv,
            norm,
            norm_channels: conv.channels[1],
            aliased: false,
        }
    }

    /// Creates a convolution after its norm.
    pub(super) const fn after_norm(norm: &'static str, name: &'static str, conv: ConvPlan) -> Self {
        Self {
            name,
            conv,
            norm,
            norm_channels: conv.channels[0],
            aliased: false,
        }
    }
}

/// The layers of a block's shortcut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShortcutPlan {
    /// 1x1 convolution and norm.
    Projection(ConvPlan),
    /// Pool, 1x1 convolution and norm. The pool takes an index in the keys even if it is
    /// [`ShortcutPool::None`].
    PooledProjection {
        /// The pool.
        pool: ShortcutPool,
        /// The convolution.
        conv: ConvPlan,
    },
    /// 1x1 convolution without norm.
    Conv(ConvPlan),
    /// Subsampling; new channels are zero.
    ZeroPad,
}

/// The average pool of a ResNet-D shortcut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShortcutPool {
    /// No pool, because the block keeps the size.
    None,
    /// 2x2 pool.
    Avg {
        /// Stride of the pool.
        stride: usize,
    },
    /// 2x2 pool with stride 1 that keeps the size, in a dilated stage: timm's `AvgPool2dSame`.
    AvgSame,
}

impl BlockPlan {
    /// Returns whether the block changes the shape.
    pub fn changes_shape(&self) -> bool {
        self.stride != 1 || self.in_channels != self.out_channels
    }

    /// Returns the convolutions of the residual branch, from input to output.
    ///
    /// ```
    /// let plan = resnet_core::Arch::ResNet50.config().plan();
    /// let convs = plan[1][0].convs();
    /// let names: Vec<_> = convs.iter().map(|c| (c.name, c.conv.kernel, c.conv.stride)).collect();
    /// assert_eq!(names, [("conv1", 1, 1), ("conv2", 3, 2), ("conv3", 1, 1)]);
    /// ```
    pub fn convs(&self) -> Vec<BlockConv> {
        (self.kind.family().convs)(self)
    }

    /// Returns the shortcut, or `None` for the identity.
    pub fn shortcut(&self) -> Option<ShortcutPlan> {
        let conv = ConvPlan::new(self.in_channels, self.out_channels, 1);
        let strided = conv.stride(self.stride);
        let pool = match (self.dilation, self.stride) {
            (1, 1) => ShortcutPool::None,
            (1, stride) => ShortcutPool::Avg { stride },
            _ => ShortcutPool::AvgSame,
        };
        self.changes_shape().then_some(match self.shortcut_kind {
            ShortcutKind::ZeroPad => ShortcutPlan::ZeroPad,
            _ if self.kind.is_pre_activation() => ShortcutPlan::Conv(strided),
            ShortcutKind::Projection => ShortcutPlan::Projection(strided),
            ShortcutKind::AvgPoolProjection => ShortcutPlan::PooledProjection { pool, conv },
        })
    }

    /// Returns the stride of the convolution, and whether an anti-aliasing layer replaces that
    /// stride.
    pub(super) fn conv_stride(&self) -> (usize, bool) {
        match self.anti_alias {
            AntiAlias::None => (self.stride, false),
            _ => (1, true),
        }
    }
}
