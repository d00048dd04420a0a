#![cfg_attr(not(feature = "std"), no_std)]
#![doc = include_str!("../README.md")]

extern crate alloc;

mod bags;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::any::Any;

use burn_tensor::backend::Backend;
use burn_tensor::ops::ConvOptions;
use burn_tensor::{DType, Tensor};
use spin::Mutex;

pub use bags::{Bags, EmbeddingBag};

/// A layer `y = relu(norm(conv(x)) + residual)`. Every part except `x` is optional.
#[derive(Clone, Debug)]
pub struct Layer<B: Backend> {
    /// Input, `[batch, in, height, width]`.
    pub x: Tensor<B, 4>,
    /// Convolution.
    pub conv: Option<LayerConv<B>>,
    /// Batch norm.
    pub norm: Option<LayerNorm<B>>,
    /// Residual, with the shape of the output.
    pub residual: Option<Tensor<B, 4>>,
    /// Whether to apply a ReLU.
    pub relu: bool,
}

/// The convolution of a [`Layer`].
#[derive(Clone, Debug)]
pub struct LayerConv<B: Backend> {
    /// Weight, `[out, in / groups, kernel, kernel]`.
    pub weight: Tensor<B, 4>,
    /// Bias, `[out]`.
    pub bias: Option<Tensor<B, 1>>,
    /// Stride, padding, dilation and groups.
    pub options: ConvOptions<2>,
}

/// The batch norm of a [`Layer`].
#[derive(Clone, Debug)]
pub enum LayerNorm<B: Backend> {
    /// Normalizes by the batch statistics. It occurs only on autodiff backends.
    Batch {
        /// Scale of the normalized values, `[out]`.
        scale: Tensor<B, 1>,
        /// Shift of the normalized values, `[out]`.
        shift: Tensor<B, 1>,
        /// Added to the variance before the square root.
        epsilon: f64,
    },
    /// Normalizes by the running statistics: `x * scale + shift`. Both tensors are constants
    /// without gradients.
    Running {
        /// Scale of the convolution, `[out]`.
        scale: Tensor<B, 1>,
        /// Shift of the convolution, `[out]`.
        shift: Tensor<B, 1>,
    },
}

/// The result of a [`Layer`].
#[derive(Clone, Debug)]
pub struct LayerOutput<B: Backend> {
    /// Output, `[batch, out, height, width]`.
    pub output: Tensor<B, 4>,
    /// Mean and unbiased variance of each channel, each `[out]`, detached from the autograd graph.
    /// Set for [`LayerNorm::Batch`].
    pub statistics: Option<[Tensor<B, 1>; 2]>,
}

/// Fused layers that a backend registers to replace Burn's op-by-op path.
///
/// They return the same outputs and gradients as Burn's operations.
#[derive(Clone, Debug)]
pub struct FusedLayers<B: Backend> {
    /// Returns whether `forward` supports this float type.
    pub supports: fn(DType) -> bool,
    /// Computes one layer.
    pub forward: fn(Layer<B>) -> LayerOutput<B>,
}

impl<B: Backend> FusedLayers<B> {
    /// Registers the layers for backend `B`. Only the first registration of a backend takes effect.
    pub fn register(self) {
        register(self);
    }

    /// Returns the layers of backend `B`, or `None` if it has not registered any.
    pub fn registered() -> Option<Self> {
        registered()
    }
}

impl<B: Backend> EmbeddingBag<B> {
    /// Registers the operation for backend `B`. Only the first registration of a backend takes
    /// effect.
    pub fn register(self) {
        register(self);
    }

    /// Returns the operation of backend `B`, or `None` if it has not registered one.
    pub fn registered() -> Option<Self> {
        registered()
    }
}

/// What backends have registered, one value per type.
static REGISTRY: Mutex<Vec<Box<dyn Any + Send + Sync>>> = Mutex::new(Vec::new());

fn register<T: Any + Send + Sync>(own: T) {
    let mut registry = REGISTRY.lock();
    if !registry.iter().any(|other| other.is::<T>()) {
        registry.push(Box::new(own));
    }
}

fn registered<T: Any + Clone>() -> Option<T> {
    let registry = REGISTRY.lock();
    let mut own = registry.iter().filter_map(|own| own.downcast_ref::<T>());
    own.next().cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::{Autodiff, Flex};

    // No other test uses this type, because registrations last as long as the process.
    type Other = Autodiff<Autodiff<Flex>>;

    #[test]
    fn layers_are_registered_per_backend() {
        let layers = |forward: fn(Layer<Other>) -> LayerOutput<Other>| FusedLayers {
            supports: |_| true,
            forward,
        };
        let shift = |layer: Layer<Other>| LayerOutput {
            output: layer.x + 1.0,
            statistics: None,
        };
        layers(shift).register();
        layers(|_| panic!("a second registration")).register();
        assert!(FusedLayers::<Flex>::registered().is_none());
        let layer = Layer {
            x: Tensor::ones([1, 1, 2, 2], &Default::default()),
            conv: None,
            norm: None,
            residual: None,
            relu: false,
        };
        let own = FusedLayers::<Other>::registered().unwrap();
        assert_eq!((own.forward)(layer).output.sum().into_scalar(), 8.0);
    }
}
