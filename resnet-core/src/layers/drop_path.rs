//! Stochastic depth.

use burn::tensor::{Distribution, Tensor, backend::Backend};

/// Applies stochastic depth (Huang et al. 2016).
///
/// In training, drops each sample with `probability` and scales the other samples by
/// `1 / (1 - probability)`. Backends without autodiff return `x` unchanged.
///
/// # Shapes
/// - `x`, output: `[batch, channels, height, width]`
pub fn drop_path<B: Backend>(x: Tensor<B, 4>, probability: f64) -> Tensor<B, 4> {
    if probability == 0.0 || !B::ad_enabled(&x.device()) {
        return x;
    }
    let keep = 1.0 - probability;
    let kept = Tensor::random(
        [x.dims()[0], 1, 1, 1],
        Distribution::Bernoulli(keep),
        (&x.device(), x.dtype()),
    );
    x * (kept / keep)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::{Autodiff, Flex};

    #[test]
    fn training_drops_whole_samples_and_preserves_the_mean() {
        let x = Tensor::<Autodiff<Flex>, 4>::ones([400, 1, 1, 2], &Default::default());
        let y = drop_path(x, 0.25).into_data().to_vec::<f32>().unwrap();
        assert!(y.iter().all(|v| *v == 0.0 || (*v - 4.0 / 3.0).abs() < 1e-6));
        assert!(y.chunks(2).all(|sample| sample[0] == sample[1]));
        let mean = y.iter().sum::<f32>() / 800.0;
        assert!((mean - 1.0).abs() < 0.15, "{mean}");
    }

    #[test]
    fn evaluation_returns_the_input() {
        let x = Tensor::<Flex, 4>::ones([8, 1, 1, 1], &Default::default());
        assert_eq!(drop_path(x.clone(), 0.9).into_data(), x.into_data());
    }
}
