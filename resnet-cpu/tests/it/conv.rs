//! Tests of convolutions and their gradients against Flex.

use burn_backend::Shape;
use burn_backend::ops::{ConvOptions, FloatTensorOps, ModuleOps};
use burn_flex::{Flex, FlexTensor};
use proptest::prelude::*;
use resnet_cpu::{Cpu, Epilogue, Phase, conv2d_with};

use crate::{Sums, channels_last, difference, forms, tensor, values};

#[derive(Clone, Debug)]
struct Case {
    x: [usize; 4],
    out: usize,
    kernel: [usize; 2],
    options: ConvOptions<2>,
    bias: bool,
    seed: u64,
}

impl Case {
    fn tensors(&self) -> (FlexTensor, FlexTensor, Option<FlexTensor>) {
        let [kh, kw] = self.kernel;
        let weight = tensor(
            [self.out, self.x[1] / self.options.groups, kh, kw],
            self.seed + 1,
        );
        let bias = self.bias.then(|| tensor([self.out], self.seed + 2));
        (tensor(self.x, self.seed), weight, bias)
    }
}

/// Convolutions that Winograd's algorithm supports.
fn threes() -> impl Strategy<Value = Case> {
    let channels = (1..7_usize, 1..9_usize);
    let sizes = (1..4_usize, 3..40_usize, 3..40_usize);
    let windows = prop_oneof![
        (0..3_usize, 0..3_usize).prop_map(|padding| (padding.into(), [1, 1])),
        (2..9_usize).prop_map(|dilation| ([dilation; 2], [dilation; 2])),
    ];
    (channels, sizes, windows, any::<bool>(), 0..1000_u64).prop_map(
        |((inputs, out), (n, h, w), (padding, dilation), bias, seed)| Case {
            x: [n, inputs * 16, h, w],
            out: out * 16,
            kernel: [3, 3],
            options: ConvOptions::new([1, 1], padding, dilation, 1),
            bias,
            seed,
        },
    )
}

fn sides() -> impl Strategy<Value = [usize; 2]> {
    (1..4_usize, 1..4_usize).prop_map(<[usize; 2]>::from)
}

fn cases() -> impl Strategy<Value = Case> {
    let groups = prop_oneof![Just((1, 1, 1)), (1..5_usize, 1..9_usize, 1..40_usize)];
    let grouped = (
        prop_oneof![Just(2_usize), Just(4), Just(32)],
        1..9_usize,
        prop_oneof![Just(4_usize), Just(8), Just(16), Just(5)],
    );
    let channels = prop_oneof![
        (1..70_usize, 1..150_usize).prop_map(|(inputs, out)| (1, inputs, out)),
        groups,
        grouped,
    ];
    let sizes = (1..3_usize, 3..19_usize, 3..19_usize);
    let kernel = (1..5_usize, 1..5_usize);
    let padding = (0..3_usize, 0..3_usize);
    (
        channels,
        sizes,
        kernel,
        sides(),
        padding,
        sides(),
        any::<bool>(),
        0..1000_u64,
    )
        .prop_map(
            |(
                (groups, inputs, out),
                (n, h, w),
                (kh, kw),
                stride,
                padding,
                dilation,
                bias,
                seed,
            )| {
                let dilation = [(kh, h, 0), (kw, w, 1)].map(|(k, size, axis)| {
                    let most = if k > 1 { (size - 1) / (k - 1) } else { 3 };
                    dilation[axis].min(most.max(1))
                });
                Case {
                    x: [n, inputs * groups, h.max(kh), w.max(kw)],
                    out: out * groups,
                    kernel: [kh, kw],
                    options: ConvOptions::new(stride, padding.into(), dilation, groups),
                    bias,
                    seed,
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_convolutions_match_flex(case in cases()) {
        let (x, weight, bias) = case.tensors();
        let run = |x| Cpu::conv2d(x, weight.clone(), bias.clone(), case.options.clone());
        let given = [x.clone(), weight.clone()].into_iter().chain(bias.clone());
        let expected = Sums::of(given, |given| {
            let ([x, weight], bias) = given.split_first_chunk().unwrap();
            Flex::conv2d(x.clone(), weight.clone(), bias.first().cloned(), case.options.clone())
        });
        for x in forms(&x) {
            prop_assert!(expected.error(run(x)) < 1e-6);
        }
    }

    #[test]
    fn random_gradients_match_flex(case in cases()) {
        let (x, weight, _) = case.tensors();
        let options = &case.options;
        let output = Flex::conv2d(x.clone(), weight.clone(), None, options.clone());
        let grad = tensor(output.layout().shape().to_vec(), case.seed + 3);
        let [of_x, of_weight] = GRADIENTS.map(|[_, flex]| {
            Sums::of([x.clone(), weight.clone(), grad.clone()], |given| {
                let [x, weight, grad] = given else { unreachable!() };
                flex(x.clone(), weight.clone(), grad.clone(), options.clone())
            })
        });
        let [xs, weights, grads] = [&x, &weight, &grad].map(forms);
        let mixed = [(x, weight, channels_last(&grad))];
        let alike = xs.into_iter().zip(weights).zip(grads).map(|((x, weight), grad)| (x, weight, grad));
        for (x, weight, grad) in alike.chain(mixed) {
            let found = Cpu::conv2d_x_backward(x.clone(), weight.clone(), grad.clone(), options.clone());
            prop_assert!(of_x.error(found) < 1e-6);
            let found = Cpu::conv2d_weight_backward(x, weight.clone(), grad, options.clone());
            prop_assert!(of_weight.error(found) < 1e-6);
        }
    }

    #[test]
    fn epilogues_match_flex(case in prop_oneof![cases(), threes()], scaled: bool, added: bool, relu: bool, channels_last_residual: bool) {
        let (x, weight, bias) = case.tensors();
        let scale = scaled.then(|| tensor([case.out], case.seed + 4));
        let plain = Flex::conv2d(x.clone(), weight.clone(), None, case.options.clone());
        let residual = added.then(|| tensor(plain.layout().shape().to_vec(), case.seed + 3));
        let channels = |values: &FlexTensor| values.reshape(Shape::from(vec![1, case.out, 1, 1]));
        let factors = scale.iter().map(channels);
        let terms = bias.iter().map(channels).chain(residual.clone());
        let given = [x.clone(), weight.clone()].into_iter().chain(factors).chain(terms);
        let expected = Sums::of(given, |given| {
            let ([x, weight], rest) = given.split_first_chunk().unwrap();
            let (factors, terms) = rest.split_at(scaled as usize);
            let y = Flex::conv2d(x.clone(), weight.clone(), None, case.options.clone());
            let y = factors.iter().cloned().fold(y, Flex::float_mul);
            let y = terms.iter().cloned().fold(y, Flex::float_add);
            if relu { Flex::float_clamp_min(y, 0.0.into()) } else { y }
        });
        let residual = residual.map(|residual| if channels_last_residual { channels_last(&residual) } else { residual });
        let epilogue = Epilogue { scale, bias, residual, relu };
        let shared = epilogue.clone();
        let run = |x, epilogue| conv2d_with(x, weight.clone(), case.options.clone(), epilogue, Phase::Inference);
        let before = shared.residual.clone().map(values);
        let bound = if case.kernel == [3, 3] { 1e-5 } else { 1e-6 };
        for x in forms(&x) {
            prop_assert!(expected.error(run(x, shared.clone())) < bound);
        }
        prop_assert_eq!(shared.residual.map(values), before);
        prop_assert!(expected.error(run(x, epilogue)) < bound);
    }
}

pub(crate) type Gradient = fn(FlexTensor, FlexTensor, FlexTensor, ConvOptions<2>) -> FlexTensor;
pub(crate) const GRADIENTS: [[Gradient; 2]; 2] = [
    [Cpu::conv2d_x_backward, Flex::conv2d_x_backward],
    [Cpu::conv2d_weight_backward, Flex::conv2d_weight_backward],
];

fn plain(stride: usize, padding: usize, groups: usize) -> ConvOptions<2> {
    ConvOptions::new([stride; 2], [padding; 2], [1; 2], groups)
}

fn dilated(dilation: usize) -> ConvOptions<2> {
    ConvOptions::new([1; 2], [dilation; 2], [dilation; 2], 1)
}

/// Layers of ResNets, large enough for several cores and several tiles per part.
#[test]
fn layers_of_resnets_match_flex() {
    for (x, out, kernel, options) in [
        ([1, 3, 64, 64], 64, 7, plain(2, 3, 1)),
        ([2, 64, 56, 56], 64, 3, plain(1, 1, 1)),
        ([1, 256, 28, 28], 512, 1, plain(2, 0, 1)),
        ([1, 512, 7, 7], 512, 3, plain(1, 1, 1)),
        ([1, 512, 7, 7], 2048, 1, plain(1, 0, 1)),
        ([2, 128, 28, 28], 128, 3, plain(1, 1, 32)),
        ([1, 256, 28, 28], 256, 3, plain(2, 1, 32)),
        ([1, 512, 14, 14], 512, 3, plain(1, 1, 32)),
        ([1, 1024, 7, 7], 1024, 3, plain(1, 1, 32)),
        ([1, 256, 14, 14], 256, 3, plain(1, 1, 64)),
        ([1, 256, 33, 33], 256, 3, dilated(2)),
        ([1, 512, 33, 33], 64, 3, dilated(12)),
    ] {
        let inputs = x[1] / options.groups;
        let (x, weight) = (tensor(x, 1), tensor([out, inputs, kernel, kernel], 2));
        let run = || {
            conv2d_with(
                x.clone(),
                weight.clone(),
                options.clone(),
                Epilogue::default(),
                Phase::Inference,
            )
        };
        let found = run();
        assert_eq!(
            found.layout().strides()[1],
            1,
            "no kernel for {out} {options:?}"
        );
        assert_eq!(values(found.clone()), values(run()));
        let expected = Flex::conv2d(x.clone(), weight.clone(), None, options.clone());
        assert!(
            difference(found, expected.clone()) < 1e-5,
            "{out} {options:?}"
        );
        let grad = tensor(expected.layout().shape().to_vec(), 3);
        for both in GRADIENTS {
            let run = |gradient: Gradient| {
                gradient(x.clone(), weight.clone(), grad.clone(), options.clone())
            };
            let [found, expected] = both.map(run);
            assert_eq!(values(found.clone()), values(run(both[0])));
            assert!(difference(found, expected) < 1e-5, "{out} {options:?}");
        }
    }
}

#[test]
fn an_empty_batch_gives_an_empty_output() {
    for (channels, phase) in [
        (3, Phase::Inference),
        (16, Phase::Inference),
        (16, Phase::Training),
    ] {
        let options = plain(1, 1, 1);
        let weight = tensor([32, channels, 3, 3], 2);
        for x in forms(&tensor([0, channels, 8, 8], 1)) {
            let epilogue = Epilogue {
                residual: Some(tensor([0, 32, 8, 8], 3)),
                ..Epilogue::default()
            };
            let found = conv2d_with(x.clone(), weight.clone(), options.clone(), epilogue, phase);
            assert_eq!(found.layout().shape().to_vec(), [0, 32, 8, 8]);
            let of_x =
                Cpu::conv2d_x_backward(x.clone(), weight.clone(), found.clone(), options.clone());
            assert_eq!(of_x.layout().shape(), x.layout().shape());
            let of_weight = Cpu::conv2d_weight_backward(x, weight.clone(), found, options.clone());
            assert_eq!(values(of_weight), vec![0.0; 32 * channels * 9]);
        }
    }
}

#[test]
fn unsupported_convolutions_use_flex() {
    let options = plain(1, 1, 1);
    let (x, weight) = (tensor([1, 3, 8, 8], 1), tensor([4, 3, 3, 3], 2));
    let double = |x: &FlexTensor| Flex::float_cast(x.clone(), burn_backend::FloatDType::F64);
    let found = Cpu::conv2d(double(&x), double(&weight), None, options.clone());
    assert_eq!(found.dtype(), burn_backend::DType::F64);
    // A depthwise convolution.
    let (x, weight) = (tensor([1, 32, 8, 8], 1), tensor([32, 1, 3, 3], 2));
    let options = plain(1, 1, 32);
    let expected = Flex::conv2d(x.clone(), weight.clone(), None, options.clone());
    assert!(difference(Cpu::conv2d(x, weight, None, options), expected) < 1e-5);
}

/// The cache packs a tensor with other values again, even at the same address.
#[test]
fn changed_weights_are_packed_again() {
    let x = tensor([1, 16, 8, 8], 1);
    let mut weight = tensor([32, 16, 3, 3], 2);
    for step in 0..20 {
        let found = Cpu::conv2d(x.clone(), weight.clone(), None, plain(1, 1, 1));
        let expected = Flex::conv2d(x.clone(), weight.clone(), None, plain(1, 1, 1));
        assert!(difference(found, expected) < 1e-5, "{step}");
        weight = match step % 3 {
            // Flex modifies the tensor in place if it can.
            0 => Flex::float_mul_scalar(weight, 1.5.into()),
            1 => {
                let mut weight = weight;
                weight.storage_mut::<f32>()[step] += 1.0;
                weight
            }
            _ => {
                drop(weight);
                tensor([32, 16, 3, 3], step as u64)
            }
        };
    }
}

/// A NaN reaches only the outputs whose window covers it, with the direct kernel and in cases for
/// Winograd's algorithm.
#[test]
fn nan_reaches_only_outputs_of_its_window() {
    for (size, kernel) in [(4, 1), (24, 3)] {
        let mut x = channels_last(&tensor([1, 16, size, size], 1));
        let middle = size / 2 * (size + 1);
        x.storage_mut::<f32>()[middle * 16 + 5] = f32::NAN;
        let epilogue = Epilogue {
            relu: true,
            ..Epilogue::default()
        };
        let found = conv2d_with(
            x,
            tensor([16, 16, kernel, kernel], 2),
            plain(1, kernel / 2, 1),
            epilogue,
            Phase::Inference,
        );
        for (index, value) in values(found).into_iter().enumerate() {
            let at = [index / size % size, index % size];
            let away = at.map(|at| at.abs_diff(size / 2));
            let over = away.iter().all(|away| *away <= kernel / 2);
            assert_eq!(value.is_nan(), over, "{at:?}");
        }
    }
}
