//! Tests of elementwise operations and layouts against Flex.

use burn_backend::ops::{ActivationOps, FloatTensorOps};
use burn_backend::{Scalar, Slice, TensorData};
use burn_flex::{Flex, FlexTensor};
use resnet_cpu::Cpu;

use crate::{channels_last, difference, forms, tensor, values};

#[test]
fn channels_last_maps_keep_their_layout() {
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

/// Slices, broadcasts and shared values give the same results as in Flex.
#[test]
fn views_and_shared_tensors_match_flex() {
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

/// Parallel arithmetic equals Flex bit by bit and leaves shared tensors unchanged.
#[test]
fn large_arithmetic_is_exact() {
    type Binary = fn(FlexTensor, FlexTensor) -> FlexTensor;
    let binary: [[Binary; 2]; 4] = [
        [Cpu::float_add, Flex::float_add],
        [Cpu::float_sub, Flex::float_sub],
        [Cpu::float_mul, Flex::float_mul],
        [Cpu::float_div, Flex::float_div],
    ];
    type Scalars = fn(FlexTensor, Scalar) -> FlexTensor;
    let scalar: [[Scalars; 2]; 4] = [
        [Cpu::float_add_scalar, Flex::float_add_scalar],
        [Cpu::float_sub_scalar, Flex::float_sub_scalar],
        [Cpu::float_mul_scalar, Flex::float_mul_scalar],
        [Cpu::float_div_scalar, Flex::float_div_scalar],
    ];
    type Unary = fn(FlexTensor) -> FlexTensor;
    let unary: [[Unary; 2]; 3] = [
        [Cpu::float_exp, Flex::float_exp],
        [Cpu::float_log, Flex::float_log],
        [Cpu::float_sqrt, Flex::float_sqrt],
    ];
    // More than a block, and not a multiple of a block.
    let shape = [3, 7, 61, 53];
    let special = |seed| {
        let mut values = crate::values(tensor(shape, seed));
        values[0] = f32::NAN;
        values[16_385 * seed as usize] = 0.0;
        values[50_000] = f32::INFINITY;
        FlexTensor::from_data(TensorData::new(values, shape))
    };
    let bits = |x| -> Vec<u32> { crate::values(x).into_iter().map(f32::to_bits).collect() };
    let (x, y) = (special(1), special(2));
    let alone = |x: &FlexTensor| FlexTensor::from_data(x.clone().into_data());
    for [own, flex] in binary {
        let expected = bits(flex(x.clone(), y.clone()));
        for (x, y) in [
            (x.clone(), y.clone()),
            (alone(&x), y.clone()),
            (x.clone(), alone(&y)),
            (alone(&x), alone(&y)),
            (channels_last(&x), channels_last(&y)),
            (channels_last(&x), y.clone()),
        ] {
            assert!(bits(own(x, y)) == expected);
        }
        assert!(bits(own(x.clone(), x.clone())) == bits(flex(x.clone(), x.clone())));
        let row = tensor([1, 7, 1, 53], 3);
        assert!(bits(own(x.clone(), row.clone())) == bits(flex(x.clone(), row)));
    }
    for [own, flex] in unary {
        let expected = bits(flex(x.clone()));
        for x in [x.clone(), alone(&x), channels_last(&x)] {
            assert!(bits(own(x)) == expected);
        }
    }
    for [own, flex] in scalar {
        for number in [0.1.into(), 3.into(), f64::MAX.into()] {
            let expected = bits(flex(x.clone(), number));
            for x in [x.clone(), alone(&x), channels_last(&x)] {
                assert!(bits(own(x, number)) == expected);
            }
        }
    }
    assert!(bits(x) == bits(special(1)) && bits(y) == bits(special(2)));
}

#[test]
fn a_single_row_of_a_matrix_product_is_as_exact_as_several() {
    for [depth, columns] in [[2048, 1000], [300, 257], [64, 10], [7, 1]] {
        let (x, weight) = (tensor([8, depth], 1), tensor([depth, columns], 2));
        let batch = values(Cpu::float_matmul(x.clone(), weight.clone()));
        let (inputs, weights) = (values(x.clone()), values(weight.clone()));
        for row in 0..8 {
            let part = [(row..row + 1).into(), (0..depth).into()];
            let single = values(Cpu::float_matmul(
                Flex::float_slice(x.clone(), &part),
                weight.clone(),
            ));
            let exact = |column: usize| -> f64 {
                let products = (0..depth).map(|i| {
                    f64::from(inputs[row * depth + i]) * f64::from(weights[i * columns + column])
                });
                products.sum()
            };
            let exact: Vec<f64> = (0..columns).map(exact).collect();
            let largest = exact
                .iter()
                .fold(0.0_f64, |most, value| most.max(value.abs()));
            for found in [&single[..], &batch[row * columns..][..columns]] {
                let errors = found.iter().zip(&exact);
                let error =
                    errors.fold(0.0_f64, |most, (a, b)| most.max((f64::from(*a) - b).abs()));
                assert!(error <= 1e-6 * largest, "{error:e} of {largest:e}");
            }
        }
    }
}

#[test]
fn maps_of_every_layout_are_joined() {
    let shapes = [[2, 3, 4, 5], [2, 1, 4, 5], [2, 6, 4, 5]];
    let [a, b, c] = [1, 2, 3].map(|seed| tensor(shapes[seed - 1], seed as u64));
    let expected = Flex::float_cat(vec![a.clone(), b.clone(), c.clone()], 1);
    for a in forms(&a) {
        for c in forms(&c) {
            let found = Cpu::float_cat(vec![a.clone(), b.clone(), c], 1);
            assert_eq!(difference(found, expected.clone()), 0.0);
        }
        let rows = Cpu::float_cat(vec![a.clone(), a.clone()], 2);
        let expected = Flex::float_cat(vec![a.clone(), a], 2);
        assert_eq!(difference(rows, expected), 0.0);
    }
    let joined = Cpu::float_cat(vec![channels_last(&a), c], 1);
    assert_eq!(joined.layout().strides()[1], 1, "the layout is kept");
}

#[test]
fn slices_are_read_and_written_in_every_layout() {
    let (map, part) = (tensor([3, 8, 6, 7], 1), tensor([2, 3, 4, 5], 2));
    let places = [1..3, 4..7, 1..5, 2..7].map(Slice::from);
    let expected = Flex::float_slice_assign(map.clone(), &places, part.clone());
    for own in forms(&map) {
        for part in forms(&part) {
            let found = Cpu::float_slice_assign(own.clone(), &places, part);
            assert_eq!(difference(found, expected.clone()), 0.0);
        }
        assert_eq!(difference(own.clone(), map.clone()), 0.0, "a shared map");
        let shape = [2, 60].into();
        let slice = Cpu::float_slice(own.clone(), &places);
        let expected = Flex::float_slice(map.clone(), &places);
        let found = Cpu::float_reshape(slice.clone(), [2, 60].into());
        let reshaped = Flex::float_reshape(expected.clone(), shape);
        assert_eq!(difference(found, reshaped), 0.0);
        assert_eq!(
            difference(resnet_cpu::into_channels_last(slice), expected),
            0.0
        );
    }
    let some = [Slice::from(1..2), Slice::from(..)];
    let image = tensor([1, 8, 6, 7], 3);
    let found = Cpu::float_slice_assign(map.clone(), &some, channels_last(&image));
    let expected = Flex::float_slice_assign(map.clone(), &some, image);
    assert_eq!(difference(found, expected), 0.0);
    let backward = [Slice::from(..), Slice::from_range_stepped(0..8, -1)];
    let found = Cpu::float_slice_assign(map.clone(), &backward, channels_last(&map));
    let expected = Flex::float_slice_assign(map.clone(), &backward, map.clone());
    assert_eq!(difference(found, expected), 0.0);
    let turned = [0, 2].into_iter().fold(channels_last(&map), |map, axis| {
        Cpu::float_flip(map, &[axis])
    });
    let expected = Flex::float_flip(map, &[0, 2]);
    assert_eq!(
        difference(resnet_cpu::into_channels_last(turned), expected),
        0.0
    );
}
