//! Tests that a NaN or an infinity reaches only the outputs that depend on it.

use burn_backend::ops::{ConvOptions, FloatTensorOps, ModuleOps};
use burn_flex::{Flex, FlexTensor};
use resnet_cpu::{BatchNormPass, Cpu, Epilogue, Phase, conv2d_with};

use crate::conv::GRADIENTS;
use crate::{channels_last, tensor, values};

const ODD: [f32; 4] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30];

/// Returns a copy with one value replaced.
fn with(x: &FlexTensor, place: [usize; 4], value: f32) -> FlexTensor {
    let mut x = x.clone();
    let [_, c, h, w]: [usize; 4] = x.layout().shape().to_vec().try_into().unwrap();
    let [image, channel, row, column] = place;
    x.storage_mut::<f32>()[((image * c + channel) * h + row) * w + column] = value;
    x
}

/// Returns a copy with one channel set to zero.
fn without(x: FlexTensor, channel: usize) -> FlexTensor {
    let [n, c, h, w]: [usize; 4] = x.layout().shape().to_vec().try_into().unwrap();
    let place = [0..n, channel..channel + 1, 0..h, 0..w].map(burn_backend::Slice::from);
    let zeros = FlexTensor::zeros(burn_backend::Shape::from(vec![n, 1, h, w]), x.dtype());
    assert!(channel < c);
    Flex::float_slice_assign(x, &place, zeros)
}

/// Asserts that the same values are NaN and all other values are close.
fn assert_alike(found: FlexTensor, expected: FlexTensor, case: &str) {
    assert_eq!(found.layout().shape(), expected.layout().shape());
    for (index, (found, expected)) in values(found).into_iter().zip(values(expected)).enumerate() {
        let near = (found - expected).abs() <= 1e-4 * (1.0 + expected.abs());
        let alike = near || found == expected || found.is_nan() && expected.is_nan();
        assert!(
            alike,
            "{case}: expected {expected}, found {found} at {index}"
        );
    }
}

/// Sizes of the input, output channels, kernel, stride and groups. They cover all kernels, with
/// vectors of 4, 8 and 16 values.
const LAYERS: [([usize; 4], usize, usize, usize, usize); 9] = [
    ([2, 32, 9, 9], 32, 3, 1, 8),
    ([2, 32, 9, 9], 32, 3, 2, 4),
    ([2, 32, 9, 9], 64, 1, 1, 8),
    ([2, 64, 9, 9], 32, 3, 1, 16),
    ([2, 32, 9, 9], 32, 3, 1, 32),
    ([2, 32, 9, 9], 32, 3, 1, 2),
    ([2, 32, 24, 24], 32, 3, 1, 1),
    ([2, 32, 9, 9], 48, 1, 1, 1),
    ([2, 5, 9, 9], 35, 3, 1, 1),
];

fn options(kernel: usize, stride: usize, groups: usize) -> ConvOptions<2> {
    ConvOptions::new([stride; 2], [kernel / 2; 2], [1; 2], groups)
}

#[test]
fn convolutions_spread_nan_only_within_group_and_window() {
    for (sizes, out, kernel, stride, groups) in LAYERS {
        let options = || options(kernel, stride, groups);
        let (x, weight) = (
            tensor(sizes, 1),
            tensor([out, sizes[1] / groups, kernel, kernel], 2),
        );
        for odd in ODD {
            let place = [0, sizes[1] / 2 + 1, sizes[2] / 2, sizes[3] / 3];
            // The weight in the middle of the kernel, because the loops of Flex differ in
            // whether they multiply weights by the zeros of the padding.
            let odd_weight = with(&weight, [out / 2 + 1, 0, kernel / 2, kernel / 2], odd);
            for (x, weight) in [
                (with(&x, place, odd), weight.clone()),
                (x.clone(), odd_weight),
            ] {
                let expected = Flex::conv2d(x.clone(), weight.clone(), None, options());
                for x in [channels_last(&x), x] {
                    for phase in [Phase::Inference, Phase::Training] {
                        let found = conv2d_with(
                            x.clone(),
                            weight.clone(),
                            options(),
                            Epilogue::default(),
                            phase,
                        );
                        let case = format!("{sizes:?} {out} {groups} {phase:?} {odd}");
                        assert_alike(found, expected.clone(), &case);
                    }
                }
            }
        }
    }
}

#[test]
fn gradients_spread_nan_only_within_group_and_window() {
    for (sizes, out, kernel, stride, groups) in LAYERS {
        let options = || options(kernel, stride, groups);
        let (x, weight) = (
            tensor(sizes, 1),
            tensor([out, sizes[1] / groups, kernel, kernel], 2),
        );
        let output = Flex::conv2d(x.clone(), weight.clone(), None, options());
        let grad = tensor(output.layout().shape().to_vec(), 3);
        for odd in ODD {
            let odd_x = with(&x, [1, sizes[1] / 2 + 1, sizes[2] / 2, sizes[3] / 3], odd);
            let odd_grad = with(&grad, [0, out / 3, 2, 1], odd);
            let odd_weight = with(&weight, [out / 2 + 1, 0, kernel / 2, 0], odd);
            // An odd weight affects only one channel of the input gradient. The test does not
            // compare this channel, because the kernels differ in products with the padding.
            let of_weight = (out / 2 + 1) / (out / groups) * (sizes[1] / groups);
            for (x, weight, grad, but) in [
                (odd_x, weight.clone(), grad.clone(), None),
                (x.clone(), weight.clone(), odd_grad, None),
                (x.clone(), odd_weight, grad.clone(), Some(of_weight)),
            ] {
                for [own, flex] in GRADIENTS {
                    let compared = |gradient: FlexTensor| match but {
                        Some(channel) if gradient.layout().shape().to_vec() == sizes => {
                            without(gradient, channel)
                        }
                        _ => gradient,
                    };
                    let expected = flex(x.clone(), weight.clone(), grad.clone(), options());
                    let expected = compared(expected);
                    for grad in [channels_last(&grad), grad.clone()] {
                        let found = own(x.clone(), weight.clone(), grad, options());
                        let case = format!("{sizes:?} {out} {groups} {odd}");
                        assert_alike(compared(found), expected.clone(), &case);
                    }
                }
            }
        }
    }
}

#[test]
fn pools_spread_nan_only_within_channel_and_window() {
    let x = tensor([2, 19, 9, 9], 1);
    let window = ([3, 3], [2, 2], [1, 1], [1, 1]);
    let (kernel, stride, padding, dilation) = window;
    for odd in ODD {
        let x = with(&x, [0, 7, 4, 4], odd);
        let max = |run: fn(_, _, _, _, _, _) -> FlexTensor, x: FlexTensor| {
            run(x, kernel, stride, padding, dilation, false)
        };
        assert_alike(
            max(Cpu::max_pool2d, channels_last(&x)),
            max(Flex::max_pool2d, x.clone()),
            "max",
        );
        let mean = |run: fn(_, _, _, _, _, _) -> FlexTensor, x: FlexTensor| {
            run(x, kernel, stride, [0, 0], true, false)
        };
        assert_alike(
            mean(Cpu::avg_pool2d, channels_last(&x)),
            mean(Flex::avg_pool2d, x.clone()),
            "mean",
        );
        let found = Cpu::max_pool2d_with_indices(
            channels_last(&x),
            kernel,
            stride,
            padding,
            dilation,
            false,
        );
        let grad = with(&tensor([2, 19, 5, 5], 2), [1, 3, 2, 2], odd);
        let backward = |x, grad, indices| {
            Cpu::max_pool2d_with_indices_backward(
                x, kernel, stride, padding, dilation, false, grad, indices,
            )
            .x_grad
        };
        let expected =
            Flex::max_pool2d_with_indices(x.clone(), kernel, stride, padding, dilation, false);
        assert_alike(
            backward(channels_last(&x), channels_last(&grad), found.indices),
            backward(x.clone(), grad.clone(), expected.indices),
            "gradient",
        );
    }
}

#[test]
fn batch_norms_spread_nan_only_within_channel() {
    let sizes = [2, 19, 9, 9];
    let norm = || BatchNormPass {
        scale: tensor([19], 2),
        shift: tensor([19], 3),
        epsilon: 1e-5,
        residual: None,
        relu: false,
    };
    let (x, grad) = (tensor(sizes, 1), tensor(sizes, 4));
    let run = |x: &FlexTensor, grad: &FlexTensor| {
        let normed = norm().forward(channels_last(x));
        let output = normed.output.clone();
        [output, normed.backward(channels_last(grad), false).x]
    };
    let clean = run(&x, &grad).map(values);
    for odd in &ODD[..3] {
        let place = [1, 7, 4, 4];
        for (x, grad) in [
            (with(&x, place, *odd), grad.clone()),
            (x.clone(), with(&grad, place, *odd)),
        ] {
            for (found, clean) in run(&x, &grad).map(values).iter().zip(&clean) {
                assert_eq!(found.len(), clean.len());
                for (index, (found, clean)) in found.iter().zip(clean).enumerate() {
                    assert!(index / 81 % 19 == 7 || found == clean, "{odd} at {index}");
                }
            }
        }
    }
}

/// The epilogue of a convolution works per channel.
#[test]
fn epilogues_spread_nan_only_within_channel() {
    let (x, weight) = (tensor([1, 32, 9, 9], 1), tensor([32, 4, 3, 3], 2));
    for odd in ODD {
        let mut scale = tensor([32], 3);
        scale.storage_mut::<f32>()[9] = odd;
        let residual = with(&tensor([1, 32, 9, 9], 4), [0, 21, 3, 3], odd);
        let epilogue = Epilogue {
            scale: Some(scale.clone()),
            bias: None,
            residual: Some(residual.clone()),
            relu: false,
        };
        let found = conv2d_with(
            x.clone(),
            weight.clone(),
            options(3, 1, 8),
            epilogue,
            Phase::Inference,
        );
        let y = Flex::conv2d(x.clone(), weight.clone(), None, options(3, 1, 8));
        let y = Flex::float_mul(
            y,
            scale.reshape(burn_backend::Shape::from(vec![1, 32, 1, 1])),
        );
        assert_alike(found, Flex::float_add(y, residual), "epilogue");
    }
}
