#![cfg_attr(not(feature = "std"), no_std)]
#![doc = include_str!("../README.md")]

extern crate alloc;

mod arch;
mod block;
mod cast;
mod config;
mod cost;
mod layer_group;
pub mod layers;
mod memory;
mod names;
mod network;
mod plan;
mod resnet;
mod shortcut;
mod stem;

pub use arch::Arch;
pub use cast::UnsupportedFloat;
pub use config::{
    Activation, AntiAlias, AttentionKind, BlockKind, ConfigError, GlobalPool, NormKind,
    ResNetConfig, ShortcutKind, StageConfig, StemKind, StemPool, StridePlacement,
};
pub use cost::Cost;
pub use layer_group::{LayerGroup, UnknownLayerGroup};
pub use layers::NormMode;
pub use memory::ByteSize;
pub use names::UnknownArch;
pub use network::{Network, is_running_stat};
pub use plan::{BlockConv, BlockPlan, Feature, NamedConv, ShortcutPlan, ShortcutPool};
pub use resnet::{Outputs, Pyramid, ResNet};
