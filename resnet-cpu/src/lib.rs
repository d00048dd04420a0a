#![doc = include_str!("../README.md")]

mod arithmetic;
mod backend;
mod check;
mod conv;
mod delegate;
mod fused;
mod layout;
mod memory;
mod norm;
mod parallel;
mod pool;
mod resize;
mod simd;
mod threads;

pub use backend::Cpu;
pub use conv::{Epilogue, Phase, conv2d_with};
pub use layout::into_channels_last;
pub use norm::{BatchNormGradients, BatchNormPass, Normed};
pub use simd::simd;
