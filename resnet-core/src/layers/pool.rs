//! Pooling without parameters.

use burn::tensor::ops::{ConvOptions, PadMode};
use burn::tensor::{Tensor, TensorData, backend::Backend, module};

use crate::{AntiAlias, GlobalPool};

/// 3x3 max pool with padding 1.
pub fn max_pool<B: Backend>(x: Tensor<B, 4>, stride: usize) -> Tensor<B, 4> {
    module::max_pool2d(x, [3, 3], [stride; 2], [1, 1], [1, 1], false)
}

/// The anti-aliased step of `stride` that follows a convolution of stride 1.
pub fn anti_alias<B: Backend>(kind: AntiAlias, x: Tensor<B, 4>, stride: usize) -> Tensor<B, 4> {
    match kind {
        AntiAlias::None => x,
        AntiAlias::AvgPool => module::avg_pool2d(x, [stride; 2], [stride; 2], [0, 0], true, false),
        AntiAlias::Blur => blur(x, stride),
    }
}

/// Each channel convolved with `[1 2 1]^T [1 2 1] / 16`, reflected at the border (Zhang 2019).
fn blur<B: Backend>(x: Tensor<B, 4>, stride: usize) -> Tensor<B, 4> {
    let channels = x.dims()[1];
    let taps = [1.0, 2.0, 1.0, 2.0, 4.0, 2.0, 1.0, 2.0, 1.0_f32].map(|tap| tap / 16.0);
    let kernel = TensorData::new(taps.to_vec(), [1, 1, 3, 3]);
    let kernel = Tensor::from_data(kernel, (&x.device(), x.dtype()));
    let x = x.pad((1, 1, 1, 1), PadMode::Reflect);
    let options = ConvOptions::new([stride; 2], [0, 0], [1, 1], channels);
    module::conv2d(x, kernel.repeat_dim(0, channels), None, options)
}

/// 2x2 average pool of stride 1 that keeps the size: a row and a column of zeros come after the
/// last, and count (timm's `AvgPool2dSame`, the dilated ResNet-D shortcut).
pub fn avg_pool_same<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    let x = x.pad((0, 1, 0, 1), PadMode::Constant(0.0));
    module::avg_pool2d(x, [2, 2], [1, 1], [0, 0], true, false)
}

/// One value a channel.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - output: `[batch, channels]`, twice as many for the pools that concatenate
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
    fn same_average_pool_counts_the_zeros_after_the_border() {
        // (1+2+3+4)/4, (2+4)/4, (3+4)/4, 4/4
        let pooled = avg_pool_same(row([1.0, 2.0, 3.0, 4.0]))
            .into_data()
            .to_vec::<f32>()
            .unwrap();
        assert_eq!(pooled, [2.5, 1.5, 1.75, 1.0]);
    }

    #[test]
    fn blur_keeps_a_constant_map() {
        let blurred = anti_alias(AntiAlias::Blur, row([3.0; 4]), 2)
            .into_data()
            .to_vec::<f32>()
            .unwrap();
        assert_eq!(blurred, [3.0]);
    }
}
