use burn_backend::ops::{ActivationOps, FloatTensorOps};
use burn_flex::{Flex, FlexTensor};
use resnet_cpu::Cpu;

use crate::{channels_last, difference, tensor};

#[test]
fn channels_stay_side_by_side() {
    let x = tensor([2, 5, 4, 3], 1);
    let y = tensor([2, 5, 4, 3], 2);
    type Unary = fn(FlexTensor) -> FlexTensor;
    let unary: [[Unary; 2]; 5] = [
        [Cpu::float_exp, Flex::float_exp],
        [Cpu::float_neg, Flex::float_neg],
        [Cpu::relu, Flex::relu],
        [Cpu::sigmoid, Flex::sigmoid],
        [
            |x| Cpu::float_mul_scalar(x, 3.0.into()),
            |x| Flex::float_mul_scalar(x, 3.0.into()),
        ],
    ];
    for [own, flex] in unary {
        let found = own(channels_last(&x));
        assert_eq!(found.layout().strides()[1], 1);
        assert_eq!(difference(found, flex(x.clone())), 0.0);
    }
    type Binary = fn(FlexTensor, FlexTensor) -> FlexTensor;
    let binary: [[Binary; 2]; 4] = [
        [Cpu::float_add, Flex::float_add],
        [Cpu::float_sub, Flex::float_sub],
        [Cpu::float_div, Flex::float_div],
        [Cpu::relu_backward, Flex::relu_backward],
    ];
    for [own, flex] in binary {
        let expected = flex(x.clone(), y.clone());
        let sides = [channels_last(&x), channels_last(&y)];
        for (x, y) in [
            (sides[0].clone(), sides[1].clone()),
            (x.clone(), sides[1].clone()),
            (sides[0].clone(), y.clone()),
        ] {
            let found = own(x, y);
            assert_eq!(found.layout().strides()[1], 1);
            assert_eq!(difference(found, expected.clone()), 0.0);
        }
    }
}

/// Parts of tensors, broadcasts and shared values are as Flex has them.
#[test]
fn views_are_seen_as_such() {
    let x = channels_last(&tensor([3, 5, 4, 3], 1));
    let part = Flex::float_slice(
        x.clone(),
        &[(1..2).into(), (0..5).into(), (0..4).into(), (0..3).into()],
    );
    let whole = tensor([1, 5, 4, 3], 2);
    let expected = Flex::float_add(part.clone(), whole.clone());
    let found = Cpu::float_add(part, channels_last(&whole));
    assert_eq!(difference(found, expected), 0.0);
    let channel = tensor([1, 5, 1, 1], 3);
    let expected = Flex::float_mul(x.clone(), channel.clone());
    assert_eq!(
        difference(Cpu::float_mul(x.clone(), channel), expected),
        0.0
    );
    let before = crate::values(x.clone());
    let _ = Cpu::float_add(x.clone(), x.clone());
    assert_eq!(crate::values(x), before);
}
