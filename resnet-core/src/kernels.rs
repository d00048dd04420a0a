//! Functions of a backend in place of Burn's.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::any::{Any, TypeId};

use burn::tensor::backend::Backend;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, module};
use spin::Mutex;

/// Steps of a network that a backend does faster by functions of its own than by Burn's interface, which is one operation at a
/// time and, for gradients, made of other operations. They must give the same numbers, gradients included.
#[derive(Clone, Debug)]
pub struct Kernels<B: Backend> {
    /// A convolution without bias: input `[batch, in, height, width]`, weight `[out, in / groups, kernel, kernel]`.
    pub conv2d: fn(Tensor<B, 4>, Tensor<B, 4>, ConvOptions<2>) -> Tensor<B, 4>,
    /// A batch norm by the batch's statistics: input `[batch, channels, height, width]`, scale and shift `[channels]`, epsilon.
    pub batch_norm: BatchNormKernel<B>,
}

/// From input, scale, shift and epsilon.
pub type BatchNormKernel<B> = fn(Tensor<B, 4>, Tensor<B, 1>, Tensor<B, 1>, f64) -> Normalised<B>;

/// What a batch norm gives in training.
#[derive(Clone, Debug)]
pub struct Normalised<B: Backend> {
    /// `[batch, channels, height, width]`
    pub output: Tensor<B, 4>,
    /// The mean of each channel, `[channels]`, outside of any graph.
    pub mean: Tensor<B, 1>,
    /// The unbiased variance of each channel, `[channels]`, outside of any graph.
    pub variance: Tensor<B, 1>,
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

/// A convolution, by the backend's own function where there is one.
pub(crate) fn conv2d<B: Backend>(
    x: Tensor<B, 4>,
    weight: Tensor<B, 4>,
    bias: Option<Tensor<B, 1>>,
    options: ConvOptions<2>,
) -> Tensor<B, 4> {
    match (Kernels::registered(), bias) {
        (Some(kernels), None) => (kernels.conv2d)(x, weight, options),
        (_, bias) => module::conv2d(x, weight, bias, options),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::{Autodiff, Flex};

    // A backend of its own, as what is registered stays so for all tests.
    type Other = Autodiff<Autodiff<Flex>>;

    fn nothing(x: Tensor<Other, 4>, _: Tensor<Other, 4>, _: ConvOptions<2>) -> Tensor<Other, 4> {
        x
    }

    fn shift(
        x: Tensor<Other, 4>,
        weight: Tensor<Other, 1>,
        bias: Tensor<Other, 1>,
        _: f64,
    ) -> Normalised<Other> {
        Normalised {
            output: x + 1.0,
            mean: weight,
            variance: bias,
        }
    }

    #[test]
    fn a_backend_uses_its_own_functions_and_others_do_not() {
        let device = Default::default();
        let kernels = Kernels::<Other> {
            conv2d: nothing,
            batch_norm: shift,
        };
        kernels.register();
        assert!(Kernels::<Flex>::registered().is_none());
        let options = ConvOptions::new([1; 2], [0; 2], [1; 2], 1);
        let x = Tensor::<Other, 4>::ones([1, 1, 2, 2], &device);
        let twice = Tensor::full([1, 1, 1, 1], 2.0, &device);
        let own = conv2d(x.clone(), twice.clone(), None, options.clone());
        assert_eq!(own.sum().into_scalar(), 4.0);
        let x = x.inner();
        let burns = conv2d(x, twice.inner(), None, options);
        assert_eq!(burns.sum().into_scalar(), 8.0);
    }
}
