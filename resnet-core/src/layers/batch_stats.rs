//! Batch normalization without running statistics.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Tensor, backend::Backend};

use super::batch_norm::{per_row, rows};

/// Batch normalization of `[batch, channels, height, width]` by the batch statistics, in training
/// and in evaluation: PyTorch's `BatchNorm2d(track_running_stats=False)`.
///
/// `y = (x - E[x]) / sqrt(Var[x] + epsilon) * weight + bias`, with the biased variance. The output
/// for an image depends on the other images of the batch.
#[derive(Module, Debug)]
pub struct BatchStatsNorm<B: Backend> {
    /// Scale, `[channels]`.
    pub weight: Param<Tensor<B, 1>>,
    /// Shift, `[channels]`.
    pub bias: Param<Tensor<B, 1>>,
    /// Added to the variance before the square root.
    pub epsilon: f64,
}

impl<B: Backend> BatchStatsNorm<B> {
    /// Creates the norm with weight 1, bias 0 and epsilon 1e-5.
    pub fn new(channels: usize, device: &B::Device) -> Self {
        Self {
            weight: Initializer::Ones.init([channels], device),
            bias: Initializer::Zeros.init([channels], device),
            epsilon: 1e-5,
        }
    }

    /// Applies the norm.
    ///
    /// # Shapes
    /// - `x`, output: `[batch, channels, height, width]`
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [n, c, h, w] = x.dims();
        let channel_mean = |rows: Tensor<B, 2>| {
            let sums = rows.sum_dim(1).reshape([n, c]).sum_dim(0).reshape([c]);
            sums / (n * h * w) as f64
        };
        let x = rows(x);
        let x = x.clone() - per_row(channel_mean(x), n);
        let var = channel_mean(x.clone() * x.clone());
        let scale = self.weight.val() / (var + self.epsilon).sqrt();
        let x = x * per_row(scale, n) + per_row(self.bias.val(), n);
        x.reshape([n, c, h, w])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;
    use burn::tensor::TensorData;

    #[test]
    fn a_batch_has_mean_zero_and_variance_one() {
        let norm = BatchStatsNorm::<Flex>::new(1, &Default::default());
        // Mean 2, biased variance 5: (x - 2) / sqrt(5 + 1e-5).
        let x = TensorData::new(vec![-1.0_f32, 1.0, 3.0, 5.0], [2, 1, 1, 2]);
        let y = norm.forward(Tensor::from_data(x, &Default::default()));
        let y: Vec<f32> = y.into_data().iter().collect();
        let expected = [-1.341_64, -0.447_21, 0.447_21, 1.341_64];
        for (y, expected) in y.iter().zip(expected) {
            assert!((y - expected).abs() < 1e-4, "{y} {expected}");
        }
    }
}
