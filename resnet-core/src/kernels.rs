//! A layer as a backend's own step, in place of Burn's operations.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::any::{Any, TypeId};

use burn::tensor::backend::Backend;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Tensor};
use spin::Mutex;

/// `y = relu(norm(conv(x)) + residual)`, of which any part but `x` may be missing.
#[derive(Clone, Debug)]
pub struct Layer<B: Backend> {
    /// `[batch, in, height, width]`
    pub x: Tensor<B, 4>,
    /// The convolution.
    pub conv: Option<LayerConv<B>>,
    /// The batch norm.
    pub norm: Option<LayerNorm<B>>,
    /// Of the shape of the output.
    pub residual: Option<Tensor<B, 4>>,
    /// Whether the output is `max(y, 0)`.
    pub relu: bool,
}

/// The convolution of a [`Layer`].
#[derive(Clone, Debug)]
pub struct LayerConv<B: Backend> {
    /// `[out, in / groups, kernel, kernel]`
    pub weight: Tensor<B, 4>,
    /// `[out]`
    pub bias: Option<Tensor<B, 1>>,
    /// Stride, padding, dilation and groups.
    pub options: ConvOptions<2>,
}

/// The batch norm of a [`Layer`]; scale and shift are each `[out]`.
#[derive(Clone, Debug)]
pub enum LayerNorm<B: Backend> {
    /// By the batch's own statistics: on autodiff backends only.
    Batch {
        /// Factor of what has mean 0 and variance 1.
        scale: Tensor<B, 1>,
        /// Added to it.
        shift: Tensor<B, 1>,
        /// Added to the variance before the root.
        epsilon: f64,
    },
    /// By the running statistics, `x * scale + shift`. Both are constants: nothing asks for their gradients.
    Running {
        /// Factor of the convolution.
        scale: Tensor<B, 1>,
        /// Added to it.
        shift: Tensor<B, 1>,
    },
}

/// What a [`Layer`] gives.
#[derive(Clone, Debug)]
pub struct LayerOutput<B: Backend> {
    /// `[batch, out, height, width]`
    pub output: Tensor<B, 4>,
    /// With a norm by the batch's own statistics: the mean and the unbiased variance of each channel, each `[out]`, outside of any graph.
    pub statistics: Option<[Tensor<B, 1>; 2]>,
}

/// What a backend does faster by functions of its own than by Burn's interface, which is one operation at a time and, for
/// gradients, made of other operations. They must give the same numbers, gradients included.
#[derive(Clone, Debug)]
pub struct Kernels<B: Backend> {
    /// Whether `layer` is for floats of this type.
    pub takes: fn(DType) -> bool,
    /// One layer of a network.
    pub layer: fn(Layer<B>) -> LayerOutput<B>,
}

static KERNELS: Mutex<Vec<(TypeId, Box<dyn Any + Send + Sync>)>> = Mutex::new(Vec::new());

impl<B: Backend> Kernels<B> {
    /// From now on networks on this backend use them. Of two for the same backend the first stays.
    pub fn register(self) {
        let mut kernels = KERNELS.lock();
        if !kernels.iter().any(|(id, _)| *id == TypeId::of::<B>()) {
            kernels.push((TypeId::of::<B>(), Box::new(self)));
        }
    }

    pub(crate) fn registered() -> Option<Self> {
        let kernels = KERNELS.lock();
        let own = kernels.iter().find(|(id, _)| *id == TypeId::of::<B>());
        own.and_then(|(_, own)| own.downcast_ref::<Self>()).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::{Autodiff, Flex};

    // A backend of its own, as what is registered stays so for all tests.
    type Other = Autodiff<Autodiff<Flex>>;

    #[test]
    fn a_backend_uses_its_own_functions_and_others_do_not() {
        let kernels = |layer: fn(Layer<Other>) -> LayerOutput<Other>| Kernels {
            takes: |_| true,
            layer,
        };
        let shift = |layer: Layer<Other>| LayerOutput {
            output: layer.x + 1.0,
            statistics: None,
        };
        kernels(shift).register();
        kernels(|_| panic!("the first stays")).register();
        assert!(Kernels::<Flex>::registered().is_none());
        let layer = Layer {
            x: Tensor::ones([1, 1, 2, 2], &Default::default()),
            conv: None,
            norm: None,
            residual: None,
            relu: false,
        };
        let own = Kernels::<Other>::registered().unwrap();
        assert_eq!((own.layer)(layer).output.sum().into_scalar(), 8.0);
    }
}
