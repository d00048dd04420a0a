//! Batch normalization with PyTorch's running statistics and modes.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

use super::RunningStat;
use resnet_fused::LayerNorm;

/// How a batch norm behaves on an autodiff backend. On any other backend it evaluates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormMode {
    /// Normalise by the batch's statistics and update the running ones: PyTorch's `train()`.
    #[default]
    Train,
    /// Normalise by the running statistics; weight and bias still learn: PyTorch's `eval()`.
    Eval,
    /// Normalise by the running statistics; nothing learns: torchvision's `FrozenBatchNorm2d`.
    Frozen,
}

/// Batch normalisation of `[batch, channels, height, width]` over all but the channels:
///
/// `y = (x - E[x]) / sqrt(Var[x] + epsilon) * weight + bias`
///
/// Ioffe & Szegedy 2015. Burn's own has no evaluation under autodiff, updates the running variance
/// by the biased estimate, and shares the running statistics between clones; this one does what
/// PyTorch does.
#[derive(Module, Debug)]
pub struct BatchNorm<B: Backend> {
    /// Scale, `[channels]`.
    pub weight: Param<Tensor<B, 1>>,
    /// Shift, `[channels]`.
    pub bias: Param<Tensor<B, 1>>,
    /// Running mean, `[channels]`.
    pub running_mean: RunningStat<B>,
    /// Running unbiased variance, `[channels]`.
    pub running_var: RunningStat<B>,
    /// Share of a batch's statistics in the running ones.
    pub momentum: f64,
    /// Added to the variance before the root.
    pub epsilon: f64,
    /// What it does on an autodiff backend.
    pub mode: NormMode,
}

impl<B: Backend> BatchNorm<B> {
    /// Weight 1, bias 0, running mean 0 and variance 1; momentum 0.1 and epsilon 1e-5, PyTorch's defaults.
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

    /// # Shapes
    /// - `x`, output: `[batch, channels, height, width]`
    ///
    /// # Panics
    ///
    /// In training, if a channel has a single value: its variance is unknown.
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

    /// Whether it normalises by the batch's statistics.
    pub(super) fn trains(&self, x: &Tensor<B, 4>) -> bool {
        B::ad_enabled(&x.device()) && self.mode == NormMode::Train
    }

    /// The values that a channel has.
    pub(super) fn check_count(&self, [n, c, h, w]: [usize; 4]) -> usize {
        let count = n * h * w;
        assert!(
            count > 1,
            "batch norm in training: expected more than one value per channel, found input [{n}, {c}, {h}, {w}]; \
             use a larger batch or image, or `NormMode::Eval`"
        );
        count
    }

    /// What a step of the backend's own needs of it, if the backend can do it.
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

    /// The evaluated norm as `x * scale + shift`, each `[channels]`.
    pub(crate) fn scale_and_shift(&self) -> (Tensor<B, 1>, Tensor<B, 1>) {
        let [weight, bias] = [&self.weight, &self.bias].map(|param| match self.mode {
            // `detach` alone makes a leaf that asks for gradients again.
            NormMode::Frozen => param.val().detach().set_require_grad(false),
            _ => param.val(),
        });
        let scale = weight / (self.running_var.value() + self.epsilon).sqrt();
        let shift = bias - self.running_mean.value() * scale.clone();
        (scale, shift)
    }
}

/// `[n, c, h, w]` as `[n * c, h * w]`: one row a channel, the broadcast that every backend does fast.
pub(super) fn rows<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 2> {
    let [n, c, h, w] = x.dims();
    x.reshape([n * c, h * w])
}

/// `[c]` as `[n * c, 1]`, to go with [`rows`].
pub(super) fn per_row<B: Backend>(values: Tensor<B, 1>, n: usize) -> Tensor<B, 2> {
    let [c] = values.dims();
    values.reshape([1, c]).repeat_dim(0, n).reshape([n * c, 1])
}
