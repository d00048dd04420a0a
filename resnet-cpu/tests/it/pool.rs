use burn_backend::ops::ModuleOps;
use burn_flex::Flex;
use proptest::prelude::*;
use resnet_cpu::Cpu;

use crate::{channels_last, difference, tensor};

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_pool_is_that_of_flex(
        n in 1..3_usize, c in 1..40_usize, size in 4..17_usize, wide in 0..5_usize,
        kernel in 1..4_usize, stride in 1..4_usize, padding in 0..2_usize, dilation in 1..3_usize,
        ceil: bool, include: bool, seed in 0..1000_u64,
    ) {
        let padding = padding.min(kernel / 2);
        let x = tensor([n, c, size, size + wide], seed);
        let [kernel, stride, padding, dilation] = [kernel, stride, padding, dilation].map(|side| [side; 2]);
        for given in [x.clone(), channels_last(&x)] {
            let found = Cpu::max_pool2d(given.clone(), kernel, stride, padding, dilation, ceil);
            let expected = Flex::max_pool2d(x.clone(), kernel, stride, padding, dilation, ceil);
            prop_assert!(difference(found, expected) == 0.0);
            let found = Cpu::avg_pool2d(given, kernel, stride, padding, include, ceil);
            let expected = Flex::avg_pool2d(x.clone(), kernel, stride, padding, include, ceil);
            prop_assert!(difference(found, expected) < 1e-6);
        }
    }
}
