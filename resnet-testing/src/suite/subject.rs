//! The networks that the suite checks: a `ResNet`, and a custom `Network` that contains one.

use std::convert::Infallible;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Tensor, backend::Backend};
use resnet_core::layers::Norm;
use resnet_core::{LayerGroup, Network, ResNet, ResNetConfig};

use crate::keyed;

/// A network that the suite can run.
pub(super) trait Subject<B: Backend>: Network<B> {
    fn build(config: &ResNetConfig, device: &B::Device) -> Self;

    fn logits(&self, x: Tensor<B, 4>) -> Tensor<B, 2>;

    /// Returns PyTorch's key for an entry of this network.
    fn torch_key(key: &str) -> &str {
        key
    }

    /// Creates the network with weights generated from `seed`.
    fn keyed(config: &ResNetConfig, seed: u64, device: &B::Device) -> Self {
        let value = |key: &str, shape: &[usize]| {
            let value = keyed::parameter(seed, Self::torch_key(key), shape);
            Ok::<_, Infallible>(Some(value))
        };
        let filled = Self::build(config, device).load_state(value);
        filled.unwrap_or_else(|never| match never {})
    }
}

impl<B: Backend> Subject<B> for ResNet<B> {
    fn build(config: &ResNetConfig, device: &B::Device) -> Self {
        config.init(device)
    }

    fn logits(&self, x: Tensor<B, 4>) -> Tensor<B, 2> {
        self.forward(x)
    }
}

/// A custom `Network` with the same outputs: a `ResNet` without a classifier, and its own
/// classifier.
#[derive(Module, Debug)]
pub(super) struct Headed<B: Backend> {
    backbone: ResNet<B>,
    fc: Linear<B>,
}

impl<B: Backend> Network<B> for Headed<B> {
    fn each_norm(&mut self, each: &mut dyn FnMut(&mut Norm<B>)) {
        self.backbone.each_norm(each);
    }

    fn fuse(mut self) -> Self {
        self.backbone = self.backbone.fuse();
        self
    }

    fn layer_group(&self, key: &str) -> LayerGroup {
        self.backbone.layer_group(Self::torch_key(key))
    }
}

impl<B: Backend> Subject<B> for Headed<B> {
    fn build(config: &ResNetConfig, device: &B::Device) -> Self {
        let head = LinearConfig::new(config.num_features(), config.num_classes);
        Self {
            backbone: config.clone().with_num_classes(0).init(device),
            fc: head.init(device),
        }
    }

    fn logits(&self, x: Tensor<B, 4>) -> Tensor<B, 2> {
        self.fc.forward(self.backbone.forward(x))
    }

    fn torch_key(key: &str) -> &str {
        key.strip_prefix("backbone.").unwrap_or(key)
    }
}
