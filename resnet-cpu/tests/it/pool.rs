//! Tests of pools, their gradients and resizing against Flex.

use burn_backend::ops::{InterpolateMode, InterpolateOptions, ModuleOps};
use burn_flex::{Flex, FlexTensor};
use proptest::prelude::*;
use resnet_cpu::Cpu;

use crate::{channels_last, difference, forms, tensor};

/// A feature map and the seed of its values.
fn maps() -> impl Strategy<Value = (FlexTensor, u64)> {
    let sizes = (1..3_usize, 1..40_usize, 4..17_usize, 0..5_usize);
    (sizes, 0..1000_u64)
        .prop_map(|((n, c, size, wide), seed)| (tensor([n, c, size, size + wide], seed), seed))
}

/// Kernel, stride, padding and dilation.
fn windows() -> impl Strategy<Value = [[usize; 2]; 4]> {
    (1..4_usize, 1..4_usize, 0..2_usize, 1..3_usize).prop_map(
        |(kernel, stride, padding, dilation)| {
            [kernel, stride, padding.min(kernel / 2), dilation].map(|side| [side; 2])
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_pools_match_flex(
        (x, _) in maps(), [kernel, stride, padding, dilation] in windows(), ceil: bool, include: bool,
    ) {
        for given in forms(&x) {
            let found = Cpu::max_pool2d(given.clone(), kernel, stride, padding, dilation, ceil);
            let expected = Flex::max_pool2d(x.clone(), kernel, stride, padding, dilation, ceil);
            prop_assert!(difference(found, expected) == 0.0);
            let found = Cpu::avg_pool2d(given, kernel, stride, padding, include, ceil);
            let expected = Flex::avg_pool2d(x.clone(), kernel, stride, padding, include, ceil);
            prop_assert!(difference(found, expected) < 1e-6);
        }
    }

    #[test]
    fn random_nearest_resizes_match_flex((x, _) in maps(), height in 1..40_usize, width in 1..40_usize) {
        for given in forms(&x) {
            let options = || InterpolateOptions::new(InterpolateMode::Nearest);
            let found = Cpu::interpolate(given, [height, width], options());
            let expected = Flex::interpolate(x.clone(), [height, width], options());
            prop_assert!(difference(found, expected) == 0.0);
        }
    }

    #[test]
    fn gradients_of_random_pools_match_flex(
        (x, seed) in maps(), [kernel, stride, padding, dilation] in windows(), ceil: bool, include: bool,
    ) {
        let max = Flex::max_pool2d_with_indices(x.clone(), kernel, stride, padding, dilation, ceil);
        let of_max = tensor(max.output.layout().shape().to_vec(), seed + 1);
        let expected = Flex::max_pool2d_with_indices_backward(
            x.clone(), kernel, stride, padding, dilation, ceil, of_max.clone(), max.indices.clone(),
        );
        let mean = Flex::avg_pool2d(x.clone(), kernel, stride, padding, include, ceil);
        let of_mean = tensor(mean.layout().shape().to_vec(), seed + 2);
        let expected_of_mean = Flex::avg_pool2d_backward(x.clone(), of_mean.clone(), kernel, stride, padding, include, ceil);
        for (given, of_mean) in forms(&x).into_iter().zip(forms(&of_mean)) {
            let found = Cpu::max_pool2d_with_indices(given.clone(), kernel, stride, padding, dilation, ceil);
            prop_assert!(difference(found.output, max.output.clone()) == 0.0);
            let indices = |indices: FlexTensor| indices.into_data().to_vec::<i64>().unwrap();
            prop_assert_eq!(indices(found.indices.clone()), indices(max.indices.clone()));
            for grad in forms(&of_max) {
                let found = Cpu::max_pool2d_with_indices_backward(
                    given.clone(), kernel, stride, padding, dilation, ceil, grad, found.indices.clone(),
                );
                prop_assert!(difference(found.x_grad, expected.x_grad.clone()) < 1e-6);
            }
            let found = Cpu::avg_pool2d_backward(given, of_mean, kernel, stride, padding, include, ceil);
            prop_assert!(difference(found, expected_of_mean.clone()) < 1e-6);
        }
    }
}

type Sides = [usize; 2];
type MaxPool = fn(FlexTensor, Sides, Sides, Sides, Sides, bool) -> FlexTensor;

#[test]
fn an_empty_batch_gives_an_empty_output() {
    for x in forms(&tensor([0, 16, 8, 8], 1)) {
        let found = Cpu::max_pool2d(x.clone(), [3, 3], [2, 2], [1, 1], [1, 1], false);
        assert_eq!(found.layout().shape().to_vec(), [0, 16, 4, 4]);
        let found = Cpu::avg_pool2d(x, [2, 2], [2, 2], [0, 0], true, false);
        assert_eq!(found.layout().shape().to_vec(), [0, 16, 4, 4]);
    }
}

/// Every tap of some windows is in the padding.
#[test]
fn windows_without_a_value_match_flex() {
    let x = tensor([1, 2, 1, 3], 1);
    let pool = |run: MaxPool, x: &FlexTensor| {
        crate::values(run(x.clone(), [2, 2], [1, 1], [1, 1], [2, 2], false))
    };
    let expected = pool(Flex::max_pool2d, &x);
    assert_eq!(pool(Cpu::max_pool2d, &channels_last(&x)), expected);
}
