#![cfg_attr(not(feature = "std"), no_std)]
#![doc = include_str!("../README.md")]

extern crate alloc;

mod arch;
mod config;
mod cost;
mod layer_group;
mod memory;
mod names;
mod plan;

#[cfg(feature = "burn")]
mod block;
#[cfg(feature = "burn")]
mod cast;
#[cfg(feature = "burn")]
pub mod layers;
#[cfg(feature = "burn")]
mod network;
#[cfg(feature = "burn")]
mod resnet;
#[cfg(feature = "burn")]
mod shortcut;
#[cfg(feature = "burn")]
mod stem;

pub use arch::Arch;
pub use config::{
    Activation, AntiAlias, AttentionKind, BlockKind, ConfigError, GlobalPool, NormKind,
    ResNetConfig, ShortcutKind, StageConfig, StemKind, StemPool, StridePlacement,
};
pub use cost::Cost;
pub use layer_group::{LayerGroup, UnknownLayerGroup};
pub use memory::ByteSize;
pub use names::UnknownArch;
pub use plan::{BlockConv, BlockPlan, ConvPlan, Feature, NamedConv, ShortcutPlan, ShortcutPool};

#[cfg(feature = "burn")]
pub use cast::UnsupportedFloat;
#[cfg(feature = "burn")]
pub use layers::NormMode;
#[cfg(feature = "burn")]
pub use network::{Network, is_running_stat};
#[cfg(feature = "burn")]
pub use resnet::{Outputs, Pyramid, ResNet};
