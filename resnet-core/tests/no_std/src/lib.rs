//! A `no_std` user of `resnet-core` that builds and runs a network with `core` and `alloc`.
//!
//! Build it with `cargo build --manifest-path resnet-core/tests/no_std/Cargo.toml`. Pass `--target`
//! for a bare-metal or wasm target if one is installed. On hosted targets, Burn's dependency
//! `cubecl-common` 0.10 links `web-time` and therefore `std`, regardless of features. On targets
//! without an operating system it does not.
#![no_std]

use burn::backend::Flex;
use burn::tensor::Tensor;
use resnet_core::{Arch, ResNet};

/// Returns the number of classes of a ResNet-18.
pub fn resnet18_classes() -> usize {
    let device = Default::default();
    let model: ResNet<Flex> = Arch::ResNet18.config().init(&device);
    model.forward(Tensor::zeros([1, 3, 32, 32], &device)).dims()[1]
}
