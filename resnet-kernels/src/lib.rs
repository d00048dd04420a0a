#![cfg_attr(not(feature = "std"), no_std)]
#![doc = include_str!("../README.md")]

extern crate alloc;

pub mod conv;
pub mod elementwise;
pub mod int8;
pub mod layout;
mod linear;
mod memory;
pub mod norm;
pub mod parallel;
pub mod pool;
pub mod resize;
mod scratch;
mod simd;
pub mod sizes;
#[cfg(feature = "std")]
mod threads;

pub use linear::linear;
pub use memory::fits_in_memory;
pub use simd::{simd, vectorize};
