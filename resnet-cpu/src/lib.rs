#![doc = include_str!("../README.md")]

mod arithmetic;
mod backend;
mod check;
mod conv;
mod delegate;
mod fused;
mod layout;
mod norm;
mod pool;

pub use backend::Cpu;
pub use conv::{Epilogue, Phase, conv2d_with};
pub use layout::into_channels_last;
pub use norm::{BatchNormGradients, BatchNormPass, Normed};
pub use resnet_kernels::simd;
