//! Group normalization.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Tensor, backend::Backend};

use super::batch_norm::{per_row, rows};

/// Group normalization of `[batch, channels, height, width]` (Wu & He 2018).
///
/// `y = (x - E[x]) / sqrt(Var[x] + epsilon) * weight + bias`. The statistics cover all positions of
/// `channels / groups` channels of one sample.
///
/// Burn's `GroupNorm` names weight and bias `gamma` and `beta`; checkpoints use `weight` and
/// `bias`.
#[derive(Module, Debug)]
pub struct GroupNorm<B: Backend> {
    /// Scale, `[channels]`.
    pub weight: Param<Tensor<B, 1>>,
    /// Shift, `[channels]`.
    pub bias: Param<Tensor<B, 1>>,
    /// Number of channel groups.
    pub groups: usize,
    /// Added to the variance before the square root.
    pub epsilon: f64,
}

impl<B: Backend> GroupNorm<B> {
    /// Creates the norm with weight 1, bias 0 and epsilon 1e-5.
    pub fn new(channels: usize, groups: usize, device: &B::Device) -> Self {
        Self {
            weight: Initializer::Ones.init([channels], device),
            bias: Initializer::Zeros.init([channels], device),
            groups,
            epsilon: 1e-5,
        }
    }

    /// Applies the norm.
    ///
    /// # Shapes
    /// - `x`, output: `[batch, channels, height, width]`
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [n, c, h, w] = x.dims();
        let x = x.reshape([n * self.groups, c / self.groups * h * w]);
        let x = x.clone() - x.mean_dim(1);
        let var = (x.clone() * x.clone()).mean_dim(1);
        let x = x / (var + self.epsilon).sqrt();
        let x = rows(x.reshape([n, c, h, w])) * per_row(self.weight.val(), n)
            + per_row(self.bias.val(), n);
        x.reshape([n, c, h, w])
    }
}
