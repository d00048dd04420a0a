//! Stochastic gradient descent. The momentum state of Burn 0.21's `Sgd` is private, so it cannot be
//! saved.

use burn::optim::{LearningRate, SimpleOptimizer};
use burn::record::Record;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// PyTorch's `SGD` without dampening.
#[derive(Clone, Debug)]
pub(crate) struct Sgd {
    pub(crate) momentum: f64,
    pub(crate) nesterov: bool,
    pub(crate) weight_decay: f64,
}

/// The state of one tensor.
#[derive(Record, Clone)]
pub(crate) struct SgdState<B: Backend, const D: usize> {
    pub(crate) step: usize,
    pub(crate) velocity: Tensor<B, D>,
}

impl<B: Backend> SimpleOptimizer<B> for Sgd {
    type State<const D: usize> = SgdState<B, D>;

    fn step<const D: usize>(
        &self,
        learning_rate: LearningRate,
        tensor: Tensor<B, D>,
        mut gradient: Tensor<B, D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<B, D>, Option<Self::State<D>>) {
        if self.weight_decay > 0.0 {
            gradient = tensor.clone() * self.weight_decay + gradient;
        }
        if self.momentum <= 0.0 {
            return (tensor - gradient * learning_rate, None);
        }
        let (step, velocity) = match state {
            Some(SgdState { step, velocity }) => {
                (step + 1, gradient.clone() + velocity * self.momentum)
            }
            None => (1, gradient.clone()),
        };
        let change = match self.nesterov {
            true => velocity.clone() * self.momentum + gradient,
            false => velocity.clone(),
        };
        let tensor = tensor - change * learning_rate;
        (tensor, Some(SgdState { step, velocity }))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &B::Device) -> Self::State<D> {
        SgdState {
            step: state.step,
            velocity: state.velocity.to_device(device),
        }
    }
}
