//! Batch normalization with PyTorch's running statistics and modes.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

use super::RunningStat;
use resnet_fused::LayerNorm;

/// The mode of a batch norm on an autodiff backend. On other backends, every batch norm is in
/// evaluation mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormMode {
    /// Normalizes by the batch statistics and updates the running statistics: PyTorch's `train()`.
    #[default]
    Train,
    /// Normalizes by the running statistics. Weight and bias are still trained: PyTorch's `eval()`.
    Eval,
    /// Normalizes by the running statistics. Nothing is trained: torchvision's `FrozenBatchNorm2d`.
    Frozen,
}

/// Batch normalization of `[batch, channels, height, width]` per channel (Ioffe & Szegedy 2015).
///
/// `y = (x - E[x]) / sqrt(Var[x] + epsilon) * weight + bias`
///
/// This layer computes the same values as PyTorch. Burn's `BatchNorm` differs in three ways:
///
/// - It has no evaluation mode under autodiff.
/// - It updates the running variance with the biased estimate.
/// - It shares the running statistics between clones.
#[derive(Module, Debug)]
pub struct BatchNorm<B: Backend> {
    /// Scale, `[channels]`.
    pub weight: Param<Tensor<B, 1>>,
    /// Shift, `[channels]`.
    pub bias: Param<Tensor<B, 1>>,
    /// Running mean, `[channels]`.
    pub running_mean: RunningStat<B>,
    /// Running variance (unbiased), `[channels]`.
    pub running_var: RunningStat<B>,
    /// Weight of the batch statistics in the update of the running statistics.
    pub momentum: f64,
    /// Added to the variance before the square root.
    pub epsilon: f64,
    /// Mode on an autodiff backend.
    pub mode: NormMode,
}

impl<B: Backend> BatchNorm<B> {
    /// Creates the norm with PyTorch's defaults: weight 1, bias 0, running mean 0, running variance
    /// 1, momentum 0.1, epsilon 1e-5.
    pub fn new(channels: usize, device: &B::Device) -> Self {
        Self {
            weight: Initializer::Ones.init([channels], device),
            bias: Initializer::Zeros.init([channels], device),
            running_mean: RunningStat::new(Initializer::Zeros, channels, device),
            running_var: RunningStat::new(Initializer::Ones, channels, device),
            momentum: 0.1,
            epsilon: 1e-5,
            mode: NormMode::default(),
        }
    }

    /// Applies the norm.
    ///
    /// # Shapes
    /// - `x`, output: `[batch, channels, height, width]`
    ///
    /// # Panics
    ///
    /// Panics in training if a channel has only one value, because its variance is undefined.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        if self.trains(&x) {
            return self.forward_train(x);
        }
        let [n, _, h, w] = x.dims();
        let (scale, shift) = self.scale_and_shift();
        let x = rows(x) * per_row(scale, n) + per_row(shift, n);
        x.reshape([n as i32, -1, h as i32, w as i32])
    }

    fn forward_train(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [n, c, h, w] = x.dims();
        let count = self.check_count([n, c, h, w]);
        let channel_mean = |rows: Tensor<B, 2>| {
            let sums = rows.sum_dim(1).reshape([n, c]).sum_dim(0).reshape([c]);
            sums / count as f64
        };
        let x = rows(x);
        let mean = channel_mean(x.clone());
        let x = x - per_row(mean.clone(), n);
        let var = channel_mean(x.clone() * x.clone());
        self.update_running(mean, var.clone() * (count as f64 / (count - 1) as f64));
        let scale = self.weight.val() / (var + self.epsilon).sqrt();
        let x = x * per_row(scale, n) + per_row(self.bias.val(), n);
        x.reshape([n, c, h, w])
    }

    /// Returns whether the norm uses the batch statistics.
    pub(super) fn trains(&self, x: &Tensor<B, 4>) -> bool {
        B::ad_enabled(&x.device()) && self.mode == NormMode::Train
    }

    /// Returns the number of values per channel.
    ///
    /// Panics if it is below 2.
    pub(super) fn check_count(&self, [n, c, h, w]: [usize; 4]) -> usize {
        let count = n * h * w;
        assert!(
            count > 1,
            "batch norm in training: expected more than one value per channel, found input [{n}, {c}, {h}, {w}]; \
             use a larger batch or image, or `NormMode::Eval`"
        );
        count
    }

    /// Returns the inputs for a fused layer, or `None` if fused layers do not support this mode.
    pub(super) fn parts(&self, x: &Tensor<B, 4>) -> Option<LayerNorm<B>> {
        if self.trains(x) {
            return Some(LayerNorm::Batch {
                scale: self.weight.val(),
                shift: self.bias.val(),
                epsilon: self.epsilon,
            });
        }
        let learns = [&self.weight, &self.bias]
            .iter()
            .any(|param| param.is_require_grad());
        if learns && self.mode != NormMode::Frozen && B::ad_enabled(&x.device()) {
            return None;
        }
        let (scale, shift) = self.scale_and_shift();
        Some(LayerNorm::Running { scale, shift })
    }

    pub(super) fn update_running(&self, mean: Tensor<B, 1>, var: Tensor<B, 1>) {
        let blend = |old: Tensor<B, 1>, new: Tensor<B, 1>| {
            old * (1.0 - self.momentum) + new.detach() * self.momentum
        };
        self.running_mean
            .set(blend(self.running_mean.value(), mean));
        self.running_var.set(blend(self.running_var.value(), var));
    }

    /// Returns scale and shift, each `[channels]`, so that evaluation computes `x * scale + shift`.
    pub(crate) fn scale_and_shift(&self) -> (Tensor<B, 1>, Tensor<B, 1>) {
        let [weight, bias] = [&self.weight, &self.bias].map(|param| match self.mode {
            // `detach` alone returns a leaf that requires gradients again.
            NormMode::Frozen => param.val().detach().set_require_grad(false),
            _ => param.val(),
        });
        let scale = weight / (self.running_var.value() + self.epsilon).sqrt();
        let shift = bias - self.running_mean.value() * scale.clone();
        (scale, shift)
    }
}

/// Reshapes `[n, c, h, w]` to `[n * c, h * w]`. Every backend broadcasts along these rows fast.
pub(super) fn rows<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 2> {
    let [n, c, h, w] = x.dims();
    x.reshape([n * c, h * w])
}

/// Repeats `[c]` to `[n * c, 1]`, to match [`rows`].
pub(super) fn per_row<B: Backend>(values: Tensor<B, 1>, n: usize) -> Tensor<B, 2> {
    let [c] = values.dims();
    values.reshape([1, c]).repeat_dim(0, n).reshape([n * c, 1])
}
