//! Activation functions.

use burn::tensor::{Tensor, activation, backend::Backend};

use crate::Activation;

impl Activation {
    /// Applies the function to every element.
    pub fn forward<B: Backend, const D: usize>(self, x: Tensor<B, D>) -> Tensor<B, D> {
        match self {
            Self::Relu => activation::relu(x),
            Self::Silu => activation::silu(x),
        }
    }
}
