//! Activations, computed by Flex.

use burn_backend::Scalar;
use burn_backend::ops::ActivationOps;
use burn_backend::tensor::FloatTensor;
use burn_flex::Flex;

use crate::Cpu;

impl ActivationOps<Cpu> for Cpu {
    elementwise! {
        fn leaky_relu([tensor], negative_slope: Scalar);
        fn relu([tensor]);
        fn relu_backward([output, grad]);
        fn gelu([tensor]);
        fn gelu_backward([x, grad]);
        fn sigmoid([tensor]);
        fn sigmoid_backward([output, grad]);
        fn hard_sigmoid([tensor], alpha: Scalar, beta: Scalar);
        fn log_sigmoid([tensor]);
        fn log_sigmoid_backward([x, grad]);
    }

    delegate! {
        fn prelu(tensor: FloatTensor<Self>, alpha: FloatTensor<Self>) -> FloatTensor<Self>;
        fn softmax(tensor: FloatTensor<Self>, dim: usize) -> FloatTensor<Self>;
    }
}
