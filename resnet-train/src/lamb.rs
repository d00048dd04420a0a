//! LAMB, which Burn 0.21 lacks.

use burn::optim::{LearningRate, SimpleOptimizer};
use burn::record::Record;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

/// LAMB (You et al. 2019, algorithm 2), as implemented in timm: the Adam update plus weight decay,
/// scaled to the norm of the weight. Without weight decay it is not scaled.
#[derive(Clone, Debug)]
pub(crate) struct Lamb {
    pub(crate) betas: [f64; 2],
    pub(crate) epsilon: f64,
    pub(crate) weight_decay: f64,
}

/// The state of one tensor.
#[derive(Record, Clone)]
pub(crate) struct LambState<B: Backend, const D: usize> {
    pub(crate) step: usize,
    pub(crate) mean: Tensor<B, D>,
    pub(crate) square: Tensor<B, D>,
}

impl<B: Backend> SimpleOptimizer<B> for Lamb {
    type State<const D: usize> = LambState<B, D>;

    fn step<const D: usize>(
        &self,
        learning_rate: LearningRate,
        tensor: Tensor<B, D>,
        gradient: Tensor<B, D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<B, D>, Option<Self::State<D>>) {
        let [beta1, beta2] = self.betas;
        let state = state.unwrap_or_else(|| LambState {
            step: 0,
            mean: gradient.zeros_like(),
            square: gradient.zeros_like(),
        });
        let step = state.step + 1;
        let mean = state.mean * beta1 + gradient.clone() * (1.0 - beta1);
        let square = state.square * beta2 + gradient.clone() * gradient * (1.0 - beta2);
        let correction = |beta: f64| 1.0 - beta.powi(step as i32);
        let root = (square.clone() / correction(beta2)).sqrt();
        let mut change = mean.clone() / correction(beta1) / (root + self.epsilon);
        if self.weight_decay > 0.0 {
            change = change + tensor.clone() * self.weight_decay;
            change = change.clone() * trust(&tensor, change);
        }
        let tensor = tensor - change * learning_rate;
        (tensor, Some(LambState { step, mean, square }))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &B::Device) -> Self::State<D> {
        LambState {
            step: state.step,
            mean: state.mean.to_device(device),
            square: state.square.to_device(device),
        }
    }
}

/// Returns the trust ratio: the norm of the weight divided by the norm of its update, or 1 if
/// either is zero.
fn trust<B: Backend, const D: usize>(weight: &Tensor<B, D>, change: Tensor<B, D>) -> Tensor<B, D> {
    let norm = |tensor: Tensor<B, D>| (tensor.clone() * tensor).sum().sqrt();
    let (weight, change) = (norm(weight.clone()), norm(change));
    let none = weight.clone().mul(change.clone()).equal_elem(0.0);
    (weight / change).mask_fill(none, 1.0).reshape([1; D])
}
