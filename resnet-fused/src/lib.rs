#![cfg_attr(not(feature = "std"), no_std)]
#![doc = include_str!("../README.md")]

extern crate alloc;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::any::{Any, TypeId};

use burn_tensor::backend::Backend;
use burn_tensor::ops::ConvOptions;
use burn_tensor::{DType, Tensor};
use spin::Mutex;

/// `y = relu(norm(conv(x)) + residual)`; every part but `x` is optional.
#[derive(Clone, Debug)]
pub struct Layer<B: Backend> {
    /// Input, `[batch, in, height, width]`.
    pub x: Tensor<B, 4>,
    /// Convolution.
    pub conv: Option<LayerConv<B>>,
    /// Batch norm.
    pub norm: Option<LayerNorm<B>>,
    /// Residual, of the shape of the output.
    pub residual: Option<Tensor<B, 4>>,
    /// Whether the output is `max(y, 0)`.
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
    /// Normalizes by the statistics of the batch. Occurs on autodiff backends only.
    Batch {
        /// Scale of the normalized values, `[out]`.
        scale: Tensor<B, 1>,
        /// Shift of the normalized values, `[out]`.
        shift: Tensor<B, 1>,
        /// Added to the variance before the root.
        epsilon: f64,
    },
    /// Normalizes by the running statistics: `x * scale + shift`. Both are constants without gradients.
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
    /// Mean and unbiased variance of each channel, each `[out]`, outside of the autograd graph. Set for
    /// [`LayerNorm::Batch`].
    pub statistics: Option<[Tensor<B, 1>; 2]>,
}

/// Fused layers that a backend registers to replace Burn's op-by-op path. They give the same numbers, gradients
/// included.
#[derive(Clone, Debug)]
pub struct FusedLayers<B: Backend> {
    /// Whether `forward` computes in this float type.
    pub supports: fn(DType) -> bool,
    /// Computes one layer.
    pub forward: fn(Layer<B>) -> LayerOutput<B>,
}

static REGISTRY: Mutex<Vec<(TypeId, Box<dyn Any + Send + Sync>)>> = Mutex::new(Vec::new());

impl<B: Backend> FusedLayers<B> {
    /// Registers the layers for backend `B`. The first registration of a backend stays.
    pub fn register(self) {
        let mut registry = REGISTRY.lock();
        if !registry.iter().any(|(id, _)| *id == TypeId::of::<B>()) {
            registry.push((TypeId::of::<B>(), Box::new(self)));
        }
    }

    /// Returns the layers of backend `B`, if it registered any.
    pub fn registered() -> Option<Self> {
        let registry = REGISTRY.lock();
        let own = registry.iter().find(|(id, _)| *id == TypeId::of::<B>());
        own.and_then(|(_, own)| own.downcast_ref::<Self>()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::{Autodiff, Flex};

    // A type that no other test uses: registrations last as long as the program.
    type Other = Autodiff<Autodiff<Flex>>;

    #[test]
    fn a_backend_uses_its_own_layers_and_others_do_not() {
        let layers = |forward: fn(Layer<Other>) -> LayerOutput<Other>| FusedLayers {
            supports: |_| true,
            forward,
        };
        let shift = |layer: Layer<Other>| LayerOutput {
            output: layer.x + 1.0,
            statistics: None,
        };
        layers(shift).register();
        layers(|_| panic!("the first stays")).register();
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
