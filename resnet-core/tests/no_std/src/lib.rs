//! A `no_std` user of `resnet-core`: builds a network and runs it with `core` and `alloc` alone.
//!
//! `cargo build --manifest-path resnet-core/tests/no_std/Cargo.toml`, with `--target` for a bare-metal
//! target or wasm where one is installed. (On a hosted target Burn's own `cubecl-common` 0.10 links
//! `web-time`, and with it `std`, whatever the features; on targets without an operating system it does not.)
#![no_std]

use burn::backend::Flex;
use burn::tensor::Tensor;
use resnet_core::{Arch, ResNet};

/// The classes that a ResNet-18 tells apart.
pub fn resnet18_classes() -> usize {
    let device = Default::default();
    let model: ResNet<Flex> = Arch::ResNet18.config().init(&device);
    model.forward(Tensor::zeros([1, 3, 32, 32], &device)).dims()[1]
}
