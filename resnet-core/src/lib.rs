#![cfg_attr(not(feature = "std"), no_std)]
#![doc = include_str!("../README.md")]

extern crate alloc;

mod arch;
mod block;
mod cast;
mod config;
mod cost;
mod layers;
mod memory;
mod names;
mod plan;
mod resnet;
mod shortcut;
mod state_dict;
mod stem;

pub use arch::Arch;
pub use block::{BasicBlock, Block, Bottleneck, PreActBasicBlock, PreActBottleneck};
pub use cast::UnsupportedFloat;
pub use config::{
    Activation, AntiAlias, AttentionKind, BlockKind, ConfigError, GlobalPool, NormKind,
    ResNetConfig, ShortcutKind, StageConfig, StemKind, StemPool, StridePlacement,
};
pub use cost::Cost;
pub use layers::{
    Attention, BatchNorm, BatchStatsNorm, EfficientChannelAttention, GroupNorm, Norm, NormMode,
    RunningStat, SqueezeExcite,
};
pub use names::UnknownArch;
pub use plan::{BlockPlan, Feature};
pub use resnet::{Outputs, ResNet};
pub use shortcut::{Projection, Shortcut, ZeroPad};
pub use stem::{ConvPool, DeepStem, Stem};
