//! Pooling without parameters.

use burn::tensor::ops::{ConvOptions, PadMode};
use burn::tensor::{Tensor, TensorData, backend::Backend, module};

use crate::{AntiAlias, GlobalPool};

/// Applies a 3x3 max pool with padding 1.
pub fn max_pool<B: Backend>(x: Tensor<B, 4>, stride: usize) -> Tensor<B, 4> {
    module::max_pool2d(x, [3, 3], [stride; 2], [1, 1], [1, 1], false)
}

/// Applies the anti-aliasing layer with `stride` that follows a convolution of stride 1.
pub fn anti_alias<B: Backend>(kind: AntiAlias, x: Tensor<B, 4>, stride: usize) -> Tensor<B, 4> {
    match kind {
        AntiAlias::None => x,
        AntiAlias::AvgPool => module::avg_pool2d(x, [stride; 2], [stride; 2], [0, 0], true, false),
        AntiAlias::Blur => blur(x, stride),
    }
}

/// Convolves each channel with `[1 2 1]^T [1 2 1] / 16` and reflects the borders (Zhang 2019).
fn blur<B: Backend>(x: Tensor<B, 4>, stride: usize) -> Tensor<B, 4> {
    let channels = x.dims()[1];
    let taps = [1.0, 2.0, 1.0, 2.0, 4.0, 2.0, 1.0, 2.0, 1.0_f32].map(|tap| tap / 16.0);
    let kernel = TensorData::new(taps.to_vec(), [1, 1, 3, 3]);
    let kernel = Tensor::from_data(kernel, (&x.device(), x.dtype()));
    let x = x.pad((1, 1, 1, 1), PadMode::Reflect);
    let options = ConvOptions::new([stride; 2], [0, 0], [1, 1], channels);
    module::conv2d(x, kernel.repeat_dim(0, channels), None, options)
}

/// Applies a 2x2 average pool with stride 1 that keeps the size.
///
/// It pads a row and a column of zeros after the last ones and counts them in the average. This is
/// timm's `AvgPool2dSame`, in the shortcut of dilated ResNet-D networks.
pub fn avg_pool_same<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    let x = x.pad((0, 1, 0, 1), PadMode::Constant(0.0));
    module::avg_pool2d(x, [2, 2], [1, 1], [0, 0], true, false)
}

/// Pools each channel to one value.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - output: `[batch, channels]`; twice as many channels for pools that concatenate
pub fn global_pool<B: Backend>(kind: GlobalPool, x: Tensor<B, 4>) -> Tensor<B, 2> {
    let [n, c, h, w] = x.dims();
    let x = x.reshape([n, c, h * w]);
    let mean = |x: Tensor<B, 3>| x.mean_dim(2).reshape([n, c]);
    let max = |x: Tensor<B, 3>| x.max_dim(2).reshape([n, c]);
    match kind {
        GlobalPool::Avg => mean(x),
        GlobalPool::Max => max(x),
        GlobalPool::AvgMax => (mean(x.clone()) + max(x)) * 0.5,
        GlobalPool::CatAvgMax => Tensor::cat(alloc::vec![mean(x.clone()), max(x)], 1),
        GlobalPool::CatMaxAvg => Tensor::cat(alloc::vec![max(x.clone()), mean(x)], 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;

    fn row(values: [f32; 4]) -> Tensor<Flex, 4> {
        Tensor::<Flex, 1>::from_floats(values, &Default::default()).reshape([1, 1, 2, 2])
    }

    #[test]
    fn global_pools_of_one_to_four() {
        let pooled = |kind| {
            global_pool(kind, row([1.0, 2.0, 3.0, 4.0]))
                .into_data()
                .to_vec::<f32>()
                .unwrap()
        };
        assert_eq!(pooled(GlobalPool::Avg), [2.5]);
        assert_eq!(pooled(GlobalPool::Max), [4.0]);
        assert_eq!(pooled(GlobalPool::AvgMax), [3.25]);
        assert_eq!(pooled(GlobalPool::CatAvgMax), [2.5, 4.0]);
        assert_eq!(pooled(GlobalPool::CatMaxAvg), [4.0, 2.5]);
    }

    #[test]
    fn same_average_pool_counts_the_zero_padding() {
        // (1+2+3+4)/4, (2+4)/4, (3+4)/4, 4/4
        let pooled = avg_pool_same(row([1.0, 2.0, 3.0, 4.0]))
            .into_data()
            .to_vec::<f32>()
            .unwrap();
        assert_eq!(pooled, [2.5, 1.5, 1.75, 1.0]);
    }

    #[test]
    fn blur_keeps_a_constant_feature_map() {
        let blurred = anti_alias(AntiAlias::Blur, row([3.0; 4]), 2)
            .into_data()
            .to_vec::<f32>()
            .unwrap();
        assert_eq!(blurred, [3.0]);
    }
}
