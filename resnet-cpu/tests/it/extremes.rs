//! Tests of extreme sizes. Each call returns the right values or panics with a message. It never
//! causes undefined behavior, an abort or an impossible allocation.

use std::panic::{AssertUnwindSafe, catch_unwind};

use burn_backend::ops::{ConvOptions, ConvTransposeOptions, ModuleOps};
use burn_backend::{Shape, TensorData};
use burn_flex::{FlexTensor, Layout};
use proptest::prelude::*;
use resnet_cpu::{Cpu, Epilogue, Phase, conv2d_with};

use crate::reference::{Case, at, index, sums, values64};
use crate::{channels_last, forms, tensor, values};

/// Largest number of values that the test computes.
const SMALL: i128 = 1 << 14;
/// Number of values that exceeds the memory of every machine.
const LARGE: i128 = 1 << 44;

/// The expected result of a call.
enum Expected {
    /// An output of these sizes and values.
    Values([usize; 4], Vec<f64>),
    /// A panic, because the call has no valid output or not enough memory.
    Panic,
    /// Any result. The test skips the call, because it could take too long.
    TooLong,
}

impl Expected {
    /// Creates the expectation from the sizes of the output, if they exist, and a function for its
    /// values.
    fn of(sizes: Option<[i128; 4]>, value: impl Fn([i128; 4]) -> f64) -> Self {
        let Some(sizes) = sizes.filter(|sizes| sizes.iter().all(|size| *size >= 0)) else {
            return Self::Panic;
        };
        match around(sizes) {
            Some(around) if around <= SMALL => {
                let count: i128 = sizes.iter().product();
                let [n, c, h, w] = sizes;
                let places =
                    (0..count).map(|at| [at / w / h / c % n, at / w / h % c, at / w % h, at % w]);
                Self::Values(sizes.map(|size| size as usize), places.map(value).collect())
            }
            Some(around) if around < LARGE => Self::TooLong,
            _ => Self::Panic,
        }
    }

    /// Compares the expectation with the result of a call. If the sizes are `usual`, a panic fails.
    fn check(self, usual: bool, call: impl FnOnce() -> FlexTensor) -> Result<(), TestCaseError> {
        if let Self::TooLong = self {
            return Ok(());
        }
        let found = catch_unwind(AssertUnwindSafe(call));
        match (self, found) {
            (Self::Values(sizes, expected), Ok(found)) => {
                prop_assert_eq!(found.layout().shape().to_vec(), sizes);
                for (found, expected) in values(found).into_iter().zip(expected) {
                    let near = (f64::from(found) - expected).abs() <= 1e-4;
                    prop_assert!(
                        near || f64::from(found) == expected,
                        "{} {}",
                        found,
                        expected
                    );
                }
            }
            (Self::Values(..), Err(panic)) => {
                prop_assert!(!usual, "{}", message(&*panic));
                prop_assert!(is_checked(&*panic), "{}", message(&*panic));
            }
            (_, Ok(found)) => prop_assert!(false, "expected a panic, found {found:?}"),
            (_, Err(panic)) => prop_assert!(is_checked(&*panic), "{}", message(&*panic)),
        }
        Ok(())
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()))
        .unwrap_or_default()
}

/// Returns whether the message comes from a check of this crate, or from an overflow check of Flex
/// in a debug build.
fn is_checked(panic: &(dyn std::any::Any + Send)) -> bool {
    let message = message(panic);
    message.contains("expected") || cfg!(debug_assertions) && message.contains("overflow")
}

fn extreme() -> impl Strategy<Value = usize> {
    prop_oneof![
        12 => 0..5_usize,
        1 => Just(1 << 31),
        1 => Just(1 << 32),
        1 => Just((1 << 61) + 1),
        1 => Just(1 << 62),
        1 => Just((1 << 62) - 1),
        1 => Just(1 << 63),
        1 => Just(usize::MAX / 2),
        1 => Just(usize::MAX / 3 + 1),
        1 => Just(usize::MAX - 1),
        1 => Just(usize::MAX),
    ]
}

fn extremes() -> impl Strategy<Value = [usize; 2]> {
    prop_oneof![
        (extreme(), 0..3_usize).prop_map(|(one, other)| [one, other]),
        (0..3_usize, extreme()).prop_map(|(one, other)| [one, other]),
        (extreme(), extreme()).prop_map(|(one, other)| [one, other]),
    ]
}

/// Input channels per group, output channels per group, and groups.
fn channels() -> impl Strategy<Value = [usize; 3]> {
    prop_oneof![
        (1..4_usize, 1..4_usize, 1..3_usize)
            .prop_map(|(inputs, out, groups)| [inputs, out, groups]),
        (1..3_usize, 1..4_usize).prop_map(|(inputs, out)| [inputs * 16, out * 16, 1]),
        Just([4, 4, 8]),
        Just([1, 1, 16]),
    ]
}

fn cases() -> impl Strategy<Value = Case> {
    let sizes = (0..3_usize, 1..6_usize, 1..6_usize);
    let kernel = (1..4_usize, 1..4_usize);
    // Sometimes the groups do not match the channels.
    let groups = prop_oneof![20 => Just(None), 1 => extreme().prop_map(Some)];
    let options = (extremes(), extremes(), extremes(), groups);
    (channels(), sizes, kernel, options).prop_map(
        |([inputs, out, groups], (n, h, w), (kh, kw), (stride, padding, dilation, other))| Case {
            x: [n, inputs * groups, h, w],
            weight: [out * groups, inputs, kh, kw],
            options: ConvOptions {
                stride,
                padding,
                dilation,
                groups: other.unwrap_or(groups),
            },
        },
    )
}

impl Case {
    fn is_usual(&self) -> bool {
        let ConvOptions {
            stride,
            padding,
            dilation,
            ..
        } = &self.options;
        [stride, padding, dilation]
            .iter()
            .all(|sides| sides.iter().all(|side| *side < 8))
    }
}

fn is_small(sizes: [i128; 4]) -> bool {
    around(sizes).is_some_and(|around| around <= SMALL)
}

/// Returns the number of values of a tensor, counting sizes of zero as one.
fn around(sizes: [i128; 4]) -> Option<i128> {
    let product = |product: i128, size: &i128| product.checked_mul(*size.max(&1));
    sizes.iter().try_fold(1, product)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn convolutions(case in cases(), biased: bool, form in 0..2_usize, phase in prop_oneof![Just(Phase::Inference), Just(Phase::Training)]) {
        let (x, weight) = (tensor(case.x, 1), tensor(case.weight, 2));
        let bias = biased.then(|| tensor([case.weight[0]], 3));
        let [xs, weights] = [&x, &weight].map(values64);
        let biases = bias.as_ref().map(values64);
        let output = case.output();
        let small = output.filter(|sizes| is_small(*sizes));
        let sums = small.map(|output| {
            let sizes = output.map(|size| size as usize);
            sums(&case, output, sizes, |place, input, weight| {
                (index(sizes, place), at(&xs, case.x, input) * at(&weights, case.weight, weight))
            })
        });
        let expected = || Expected::of(output, |place| {
            let (sizes, sums) = (small.unwrap().map(|size| size as usize), sums.as_ref().unwrap());
            let bias = biases.as_ref().map_or(0.0, |biases| biases[place[1] as usize]);
            sums[index(sizes, place).unwrap()] + bias
        });
        let x = forms(&x)[form].clone();
        let options = case.options.clone();
        expected().check(case.is_usual(), || {
            let epilogue = Epilogue { bias: bias.clone(), ..Epilogue::default() };
            conv2d_with(x.clone(), weight.clone(), options.clone(), epilogue, phase)
        })?;
        expected().check(case.is_usual(), || Cpu::conv2d(x, weight, bias, options))?;
    }

    #[test]
    fn gradients(case in cases(), form in 0..2_usize) {
        let output = case.output();
        let Some(output) = output.filter(|sizes| is_small(*sizes)) else {
            // Without a valid output there is no gradient.
            let grad = tensor([case.x[0], case.weight[0], 2, 2], 3);
            let (x, weight) = (tensor(case.x, 1), tensor(case.weight, 2));
            let gradient = |gradient: crate::conv::Gradient| gradient(x.clone(), weight.clone(), grad.clone(), case.options.clone());
            Expected::Panic.check(false, || gradient(Cpu::conv2d_x_backward))?;
            return Expected::Panic.check(false, || gradient(Cpu::conv2d_weight_backward));
        };
        let sizes = output.map(|size| size as usize);
        let [x, weight, grad] = [(case.x, 1), (case.weight, 2), (sizes, 3)].map(|(sizes, seed)| tensor(sizes, seed));
        let [xs, weights, grads] = [&x, &weight, &grad].map(values64);
        let of_x = sums(&case, output, case.x, |place, input, weight| {
            (index(case.x, input), at(&grads, sizes, place) * at(&weights, case.weight, weight))
        });
        let of_weight = sums(&case, output, case.weight, |place, input, weight| {
            (index(case.weight, weight), at(&grads, sizes, place) * at(&xs, case.x, input))
        });
        let [x, weight, grad] = [x, weight, grad].map(|x| forms(&x)[form].clone());
        let options = case.options.clone();
        Expected::Values(case.x, of_x).check(case.is_usual(), || {
            Cpu::conv2d_x_backward(x.clone(), weight.clone(), grad.clone(), options.clone())
        })?;
        Expected::Values(case.weight, of_weight).check(case.is_usual(), || {
            Cpu::conv2d_weight_backward(x, weight, grad, options)
        })?;
    }

    #[test]
    fn transposed_convolutions(case in cases(), more in extremes()) {
        // The input has the output channels of the convolution.
        let [n, _, h, w] = case.x;
        let input = [n, case.weight[0], h, w];
        let (x, weight) = (tensor(input, 1), tensor(case.weight, 2));
        let [xs, weights] = [&x, &weight].map(values64);
        let ConvOptions { stride, padding, dilation, groups } = case.options.clone();
        let options = ConvTransposeOptions { stride, padding, padding_out: more, dilation, groups };
        let side = |axis: usize| {
            let [size, kernel, stride, padding, more, dilation] =
                [input[2 + axis], case.weight[2 + axis], stride[axis], padding[axis], more[axis], dilation[axis]].map(|size| size as i128);
            (size - 1) * stride + dilation * (kernel - 1) + 1 + more - 2 * padding
        };
        let out = case.weight[1] as i128 * groups as i128;
        let fits = groups > 0 && input[1].is_multiple_of(groups) && groups <= input[1] && !stride.contains(&0) && !dilation.contains(&0);
        let output = fits.then(|| [n as i128, out, side(0), side(1)]);
        // Burn cannot count some intermediate sizes.
        let counted = output.filter(|_| (0..2).all(|axis| side(axis) + 2 * padding[axis] as i128 <= usize::MAX as i128));
        let small = counted.filter(|sizes| sizes.iter().all(|size| *size >= 0) && is_small(*sizes));
        let sums = small.map(|output| {
            let case = Case { x: output.map(|size| size as usize), ..case.clone() };
            let input = input.map(|size| size as i128);
            sums(&case, input, case.x, |place, to, weight| {
                (index(case.x, to), at(&xs, input.map(|size| size as usize), place) * at(&weights, case.weight, weight))
            })
        });
        let usual = case.is_usual() && more.iter().all(|side| *side < 8);
        Expected::of(counted, |place| sums.as_ref().unwrap()[index(small.unwrap().map(|size| size as usize), place).unwrap()])
            .check(usual, || Cpu::conv_transpose2d(x, weight, None, options))?;
    }

    #[test]
    fn pools(
        sizes in (0..3_usize, prop_oneof![1..4_usize, Just(16)], 1..6_usize, 1..6_usize),
        kernel in extremes(), stride in extremes(), padding in extremes(), dilation in extremes(), ceil: bool, include: bool, channels_last_input: bool,
    ) {
        let (n, c, h, w) = sizes;
        let sizes = [n, c, h, w];
        let x = tensor(sizes, 1);
        let xs = values64(&x);
        let given = if channels_last_input { channels_last(&x) } else { x.clone() };
        let all = [kernel, stride, padding, dilation];
        let usual = all.iter().all(|sides| sides.iter().all(|side| *side < 8));
        let output = |dilation: [usize; 2]| {
            let side = |axis: usize| {
                let [size, kernel, stride, padding, dilation] =
                    [sizes[2 + axis], kernel[axis], stride[axis], padding[axis], dilation[axis]].map(|size| size as i128);
                if [kernel, stride, dilation].contains(&0) {
                    return None;
                }
                let free = size + 2 * padding - dilation.saturating_mul(kernel - 1) - 1;
                match (free < 0, ceil) {
                    (true, _) => Some(i128::from(ceil)),
                    (false, true) => Some((free + stride - 1) / stride + 1),
                    (false, false) => Some(free / stride + 1),
                }
            };
            Some([n as i128, c as i128, side(0)?, side(1)?])
        };
        // Returns the positions of the map under a window, and the number of positions including
        // padding.
        let under = |[n, c, y, x]: [i128; 4], dilation: [usize; 2]| {
            let axis = |axis: usize, at: i128| {
                let [size, kernel, stride, padding, dilation] =
                    [sizes[2 + axis], kernel[axis], stride[axis], padding[axis], dilation[axis]].map(|size| size as i128);
                let start = at * stride - padding;
                let taps = (0..size).filter(move |at| {
                    let tap = (at - start) / dilation;
                    (at - start) % dilation == 0 && (0..kernel).contains(&tap)
                });
                let end = (start + kernel).min(size + padding);
                (taps, end - start)
            };
            let ((rows, down), (columns, right)) = (axis(0, y), axis(1, x));
            let columns = columns.collect::<Vec<_>>();
            let places = rows.flat_map(|y| columns.iter().map(move |x| [n, c, y, *x])).collect::<Vec<_>>();
            (places, down.saturating_mul(right).max(1))
        };
        let max = || Expected::of(output(dilation), |place| {
            let values = under(place, dilation).0.into_iter().map(|place| at(&xs, sizes, place));
            values.fold(f64::NEG_INFINITY, f64::max)
        });
        max().check(usual, || Cpu::max_pool2d(given.clone(), kernel, stride, padding, dilation, ceil))?;
        let mut indices = None;
        max().check(usual, || {
            let found = Cpu::max_pool2d_with_indices(given.clone(), kernel, stride, padding, dilation, ceil);
            indices = Some(found.indices);
            found.output
        })?;
        Expected::of(output([1, 1]), |place| {
            let (places, all) = under(place, [1, 1]);
            let count = if include { all as f64 } else { places.len().max(1) as f64 };
            places.into_iter().map(|place| at(&xs, sizes, place)).sum::<f64>() / count
        }).check(usual, || Cpu::avg_pool2d(given.clone(), kernel, stride, padding, include, ceil))?;
        // The gradient of a max pool goes to the maximum; an average pool distributes it.
        if let (Some(indices), Some(output)) = (indices, output(dilation)) {
            let grad = tensor(output.map(|size| size as usize), 2);
            let total: f64 = values64(&grad).into_iter().zip(indices.clone().into_data().to_vec::<i64>().unwrap())
                .map(|(grad, index)| if index < 0 { 0.0 } else { grad }).sum();
            let found = catch_unwind(AssertUnwindSafe(|| {
                Cpu::max_pool2d_with_indices_backward(given.clone(), kernel, stride, padding, dilation, ceil, grad, indices).x_grad
            }));
            prop_assert!(found.is_ok() || !usual);
            if let Ok(found) = found {
                prop_assert!((values64(&found).into_iter().sum::<f64>() - total).abs() < 1e-3);
            }
        }
        if let Some(output) = output([1, 1]).filter(|sizes| is_small(*sizes)) {
            let grad = tensor(output.map(|size| size as usize), 2);
            let grads = values64(&grad);
            let mut shared = vec![0.0; sizes.iter().product()];
            for (position, grad) in grads.iter().enumerate().map(|(at, grad)| (at as i128, *grad)) {
                let [_, _, oh, ow] = output;
                let c = c as i128;
                let (places, _) = under([position / ow / oh / c, position / ow / oh % c, position / ow % oh, position % ow], [1, 1]);
                let count = if include { kernel[0] as f64 * kernel[1] as f64 } else { places.len().max(1) as f64 };
                for place in places {
                    shared[index(sizes, place).unwrap()] += grad / count;
                }
            }
            Expected::Values(sizes, shared).check(usual, || {
                Cpu::avg_pool2d_backward(given, grad, kernel, stride, padding, include, ceil)
            })?;
        }
    }
}

/// As in Flex, the window of the middle output covers the whole input.
#[test]
fn huge_padding_and_strides() {
    let ones = |sizes| FlexTensor::from_data(TensorData::ones::<f32, [usize; 4]>(sizes));
    for (stride, padding, side) in [
        (1 << 60, 1 << 61, 5),
        (1 << 61, 1 << 62, 5),
        (1 << 62, 1 << 62, 3),
        (usize::MAX, 7, 1),
    ] {
        let options = ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1);
        for channels in [1, 16] {
            // Flex computes these with signed sizes. Overflow panics in debug builds and is
            // harmless in release builds.
            if cfg!(debug_assertions) && channels == 16 && padding == 1 << 62 {
                continue;
            }
            let (x, weight) = (ones([1, channels, 1, 1]), ones([channels, channels, 1, 1]));
            let found = Cpu::conv2d(x, weight, None, options.clone());
            assert_eq!(found.layout().shape().to_vec(), [1, channels, side, side]);
            let all = (channels * channels) as f32;
            let expected = if side == 1 { 0.0 } else { all };
            assert_eq!(values(found).into_iter().sum::<f32>(), expected);
        }
    }
}

/// Flex trusts the sizes of the matrices that it multiplies.
#[test]
fn mismatched_shapes_panic() {
    let options = || ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
    let (x, weight) = (tensor([1, 4, 5, 5], 1), tensor([8, 4, 3, 3], 2));
    let panics = |call: &dyn Fn() -> FlexTensor| {
        let panic = catch_unwind(AssertUnwindSafe(call)).expect_err("a panic");
        let message = message(&*panic);
        assert!(message.contains("expected"), "{message}");
        message
    };
    // Wrong channel counts for every code path of Flex. Without a check, it reads past the input.
    for (channels, kernel) in [(5, 3), (3, 3), (4096, 1), (0, 3)] {
        panics(&|| {
            Cpu::conv2d(
                x.clone(),
                tensor([8, channels, kernel, kernel], 2),
                None,
                options(),
            )
        });
    }
    let message = panics(&|| Cpu::conv2d(x.clone(), tensor([8, 5, 3, 3], 2), None, options()));
    assert_eq!(
        message,
        "conv2d: expected weights for 4 channels (4 in 1 groups), found 5"
    );
    for bias in [7, 9, 1] {
        panics(&|| {
            Cpu::conv2d(
                x.clone(),
                weight.clone(),
                Some(tensor([bias], 3)),
                options(),
            )
        });
    }
    panics(&|| Cpu::conv2d(tensor([4, 5, 5], 1), weight.clone(), None, options()));
    panics(&|| Cpu::conv2d(tensor([1, 4, 5, 5, 1], 1), weight.clone(), None, options()));
    let scale = Epilogue {
        scale: Some(tensor([1], 3)),
        ..Epilogue::default()
    };
    let residual = Epilogue {
        residual: Some(tensor([1, 8, 1, 1], 3)),
        ..Epilogue::default()
    };
    for epilogue in [scale, residual] {
        panics(&|| {
            conv2d_with(
                x.clone(),
                weight.clone(),
                options(),
                epilogue.clone(),
                Phase::Inference,
            )
        });
    }
    for grad in [[1, 8, 4, 4], [1, 8, 2, 3], [2, 8, 3, 3], [1, 7, 3, 3]] {
        let grad = tensor(grad, 3);
        panics(&|| Cpu::conv2d_x_backward(x.clone(), weight.clone(), grad.clone(), options()));
        panics(&|| Cpu::conv2d_weight_backward(x.clone(), weight.clone(), grad.clone(), options()));
        panics(&|| {
            Cpu::avg_pool2d_backward(x.clone(), grad.clone(), [3, 3], [1, 1], [0, 0], true, false)
        });
    }
    // Three times these groups wraps around to one in 64 bits.
    let wrapping = ConvOptions {
        groups: 0xaaaa_aaaa_aaaa_aaab,
        ..options()
    };
    panics(&|| {
        Cpu::conv2d(
            tensor([1, 1, 5, 5], 1),
            tensor([8, 3, 3, 3], 2),
            None,
            wrapping.clone(),
        )
    });
    let transposed = ConvTransposeOptions::new([1, 1], [0, 0], [0, 0], [1, 1], 1);
    panics(&|| Cpu::conv_transpose2d(x.clone(), weight.clone(), None, transposed.clone()));
    let line = ConvOptions::new([1], [0], [1], 1);
    panics(&|| {
        Cpu::conv1d(
            tensor([1, 4, 5], 1),
            tensor([8, 64, 1], 2),
            None,
            line.clone(),
        )
    });
    panics(&|| {
        Cpu::conv1d_x_backward(
            tensor([1, 4, 5], 1),
            tensor([8, 4, 1], 2),
            tensor([1, 8, 7], 3),
            line.clone(),
        )
    });
    panics(&|| {
        Cpu::interpolate(
            x.clone(),
            [1 << 31, 1 << 32],
            burn_backend::ops::InterpolateOptions::new(burn_backend::ops::InterpolateMode::Nearest),
        )
    });
    panics(&|| Cpu::adaptive_avg_pool2d(x.clone(), [usize::MAX, 2]));
}

/// Expanded tensors have more values than their storage.
#[test]
fn expanded_tensors_panic() {
    let options = || ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
    for sizes in [
        [1_usize, 1, 1 << 32, 1 << 32],
        [1 << 32, 1, 1 << 32, 1],
        [1, 1, 1 << 62, 4],
        [1, 1, 1 << 46, 1],
        [1 << 63, 1, 2, 1],
    ] {
        let layout = Layout::new(Shape::from(sizes.to_vec()), vec![0; 4], 0);
        let x = tensor([1], 1).with_layout(layout);
        let calls: [&dyn Fn() -> FlexTensor; 5] = [
            &|| Cpu::conv2d(x.clone(), tensor([16, 1, 1, 1], 2), None, options()),
            &|| Cpu::conv2d(tensor([16, 1, 1, 1], 2), x.clone(), None, options()),
            &|| Cpu::max_pool2d(x.clone(), [1, 1], [1, 1], [0, 0], [1, 1], false),
            &|| Cpu::avg_pool2d(x.clone(), [1, 1], [1, 1], [0, 0], true, false),
            &|| {
                Cpu::conv_transpose2d(
                    x.clone(),
                    tensor([1, 1, 1, 1], 2),
                    None,
                    ConvTransposeOptions::new([1, 1], [0, 0], [0, 0], [1, 1], 1),
                )
            },
        ];
        for call in calls {
            let panic = catch_unwind(AssertUnwindSafe(call)).expect_err("a panic");
            assert!(is_checked(&*panic), "{}", message(&*panic));
        }
    }
}
