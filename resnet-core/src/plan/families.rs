//! The block families: the properties of each kind of block, and its convolutions.

use alloc::vec::Vec;

use super::{BlockConv, BlockPlan, ConvPlan};
use crate::{BlockKind, StridePlacement};

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

impl BlockKind {
    pub(crate) fn family(self) -> Family {
        match self {
            Self::Basic => Family {
                pre_activation: false,
                expands: false,
                grouped: false,
                convs: |plan| Vec::from(basic(plan)),
            },
            Self::Bottleneck => Family {
                pre_activation: false,
                expands: true,
                grouped: true,
                convs: |plan| Vec::from(bottleneck(plan)),
            },
            Self::PreActBasic => Family {
                pre_activation: true,
                expands: false,
                grouped: false,
                convs: |plan| Vec::from(pre_act_basic(plan)),
            },
            Self::PreActBottleneck => Family {
                pre_activation: true,
                expands: true,
                grouped: false,
                convs: |plan| Vec::from(pre_act_bottleneck(plan)),
            },
        }
    }
}

pub(crate) fn basic(plan: &BlockPlan) -> [BlockConv; 2] {
    let (stride, aliased) = plan.conv_stride();
    let first = ConvPlan::new(plan.in_channels, plan.width, 3)
        .stride(stride)
        .dilation(plan.first_dilation);
    let second = ConvPlan::new(plan.width, plan.out_channels, 3).dilation(plan.dilation);
    [
        BlockConv {
            aliased,
            ..BlockConv::then_norm("conv1", first, "bn1")
        },
        BlockConv::then_norm("conv2", second, "bn2"),
    ]
}

pub(crate) fn bottleneck(plan: &BlockPlan) -> [BlockConv; 3] {
    let (stride, aliased) = plan.conv_stride();
    let (first_stride, stride) = match plan.stride_placement {
        StridePlacement::Conv1x1 => (stride, 1),
        StridePlacement::Conv3x3 => (1, stride),
    };
    let first = ConvPlan::new(plan.in_channels, plan.width, 1).stride(first_stride);
    let second = ConvPlan::new(plan.width, plan.width, 3)
        .stride(stride)
        .dilation(plan.first_dilation)
        .groups(plan.groups);
    let third = ConvPlan::new(plan.width, plan.out_channels, 1);
    [
        BlockConv::then_norm("conv1", first, "bn1"),
        BlockConv {
            aliased,
            ..BlockConv::then_norm("conv2", second, "bn2")
        },
        BlockConv::then_norm("conv3", third, "bn3"),
    ]
}

pub(crate) fn pre_act_basic(plan: &BlockPlan) -> [BlockConv; 2] {
    let first = ConvPlan::new(plan.in_channels, plan.width, 3).stride(plan.stride);
    let second = ConvPlan::new(plan.width, plan.out_channels, 3);
    [
        BlockConv::after_norm("bn1", "conv1", first),
        BlockConv::after_norm("bn2", "conv2", second),
    ]
}

pub(crate) fn pre_act_bottleneck(plan: &BlockPlan) -> [BlockConv; 3] {
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
