//! Tests of every kernel on few values, small enough for Miri.

use burn_backend::ops::{ConvOptions, ModuleOps};
use burn_flex::FlexTensor;
use resnet_cpu::{BatchNormPass, Cpu, Epilogue, Phase, conv2d_with};

use crate::reference::{Case, at, index, sums, values64};
use crate::{channels_last, tensor, values};

/// Input, output channels, kernel, stride, padding, dilation and groups.
const CASES: [([usize; 4], [usize; 6]); 11] = [
    // A partly filled vector, more channels than a panel, more pixels than a tile.
    ([1, 2, 3, 4], [3, 2, 1, 1, 1, 1]),
    ([2, 3, 3, 3], [21, 1, 1, 0, 1, 1]),
    ([1, 2, 5, 6], [9, 3, 2, 1, 1, 1]),
    ([1, 2, 5, 5], [8, 2, 1, 2, 2, 1]),
    ([1, 1, 4, 4], [1, 3, 1, 3, 1, 1]),
    // Groups of one vector, half a vector and a quarter of a vector.
    ([1, 4, 3, 3], [16, 3, 1, 1, 1, 2]),
    ([1, 16, 3, 3], [16, 2, 2, 1, 1, 4]),
    ([1, 8, 3, 3], [16, 1, 1, 0, 1, 4]),
    ([1, 16, 3, 3], [32, 3, 1, 1, 1, 2]),
    // Winograd's algorithm with tiles of 2x2 and 4x4 outputs.
    ([1, 8, 5, 5], [8, 3, 1, 1, 1, 1]),
    ([1, 16, 12, 13], [16, 3, 1, 1, 1, 1]),
];

fn assert_near(found: FlexTensor, expected: &[f64], case: &str) {
    let found = values64(&found);
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.into_iter().zip(expected) {
        assert!(
            (found - expected).abs() < 1e-4,
            "{case}: expected {expected}, found {found}"
        );
    }
}

#[test]
fn convolutions_and_gradients() {
    for (x, [out, kernel, stride, padding, dilation, groups]) in CASES {
        let options = || ConvOptions::new([stride; 2], [padding; 2], [dilation; 2], groups);
        let case = Case {
            x,
            weight: [out, x[1] / groups, kernel, kernel],
            options: options(),
        };
        let output = case.output().unwrap();
        let sizes = output.map(|size| size as usize);
        let [x, weight, grad] =
            [(case.x, 1), (case.weight, 2), (sizes, 3)].map(|(sizes, seed)| tensor(sizes, seed));
        let [scale, bias] = [4, 5].map(|seed| tensor([out], seed));
        let residual = tensor(sizes, 6);
        let [xs, weights, grads] = [&x, &weight, &grad].map(values64);
        let plain = sums(&case, output, sizes, |place, input, weight| {
            let product = at(&xs, case.x, input) * at(&weights, case.weight, weight);
            (index(sizes, place), product)
        });
        let name = format!("{case:?}");
        for x in [channels_last(&x), x.clone()] {
            let found = Cpu::conv2d(x.clone(), weight.clone(), None, options());
            assert_near(found, &plain, &name);
            let [scales, biases] = [&scale, &bias].map(values64);
            let area = sizes[2] * sizes[3];
            assert_eq!(plain.len(), sizes.iter().product::<usize>());
            let after: Vec<_> = plain
                .iter()
                .zip(values64(&residual))
                .enumerate()
                .map(|(at, (sum, residual))| {
                    let channel = at / area % out;
                    (sum * scales[channel] + biases[channel] + residual).max(0.0)
                })
                .collect();
            // A channels-first residual, and a channels-last one whose memory the output reuses.
            for residual in [residual.clone(), channels_last(&residual)] {
                let epilogue = Epilogue {
                    scale: Some(scale.clone()),
                    bias: Some(bias.clone()),
                    residual: Some(residual),
                    relu: true,
                };
                let found = conv2d_with(
                    x.clone(),
                    weight.clone(),
                    options(),
                    epilogue,
                    Phase::Inference,
                );
                assert_near(found, &after, &name);
            }
        }
        let of_x = sums(&case, output, case.x, |place, input, weight| {
            let product = at(&grads, sizes, place) * at(&weights, case.weight, weight);
            (index(case.x, input), product)
        });
        let of_weight = sums(&case, output, case.weight, |place, input, weight| {
            let product = at(&grads, sizes, place) * at(&xs, case.x, input);
            (index(case.weight, weight), product)
        });
        // Without a kernel, Flex computes the gradient with instructions that Miri lacks.
        if cfg!(miri) && stride > 1 && dilation > 1 || padding >= kernel * dilation {
            continue;
        }
        let grad = channels_last(&grad);
        let found = Cpu::conv2d_x_backward(x.clone(), weight.clone(), grad.clone(), options());
        assert_near(found, &of_x, &name);
        let found = Cpu::conv2d_weight_backward(x, weight, grad, options());
        assert_near(found, &of_weight, &name);
    }
}

#[test]
fn pools_and_norms() {
    let x = channels_last(&tensor([2, 9, 5, 4], 1));
    let found = Cpu::max_pool2d_with_indices(x.clone(), [3, 3], [2, 2], [1, 1], [1, 1], false);
    let plain = Cpu::max_pool2d(x.clone(), [3, 3], [2, 2], [1, 1], [1, 1], false);
    assert_eq!(values(plain), values(found.output.clone()));
    let grad = channels_last(&tensor([2, 9, 3, 2], 2));
    let total: f64 = values64(&grad).into_iter().sum();
    let of_x = Cpu::max_pool2d_with_indices_backward(
        x.clone(),
        [3, 3],
        [2, 2],
        [1, 1],
        [1, 1],
        false,
        grad,
        found.indices,
    );
    assert!((values64(&of_x.x_grad).into_iter().sum::<f64>() - total).abs() < 1e-4);
    let mean = Cpu::avg_pool2d(x.clone(), [5, 4], [1, 1], [0, 0], true, false);
    let area = |values: &[f64]| values.iter().sum::<f64>() / 20.0;
    let expected: Vec<_> = values64(&x).chunks(20).map(area).collect();
    assert_near(mean.clone(), &expected, "mean");
    let norm = BatchNormPass {
        scale: tensor([9], 3),
        shift: tensor([9], 4),
        epsilon: 1e-5,
        residual: Some(x.clone()),
        relu: true,
    };
    let normed = norm.forward(x.clone());
    let of_channel = |c: usize| (expected[c] + expected[9 + c]) / 2.0;
    assert_near(
        normed.mean.clone(),
        &(0..9).map(of_channel).collect::<Vec<_>>(),
        "means",
    );
    let gradients = normed.backward(x, true);
    assert_eq!(values(gradients.x).len(), 360);
}

#[test]
fn nearest_resize() {
    use burn_backend::ops::{InterpolateMode, InterpolateOptions};
    let x = tensor([2, 3, 2, 3], 1);
    let from = values(x.clone());
    for x in [channels_last(&x), x] {
        let options = InterpolateOptions::new(InterpolateMode::Nearest);
        let found = values(Cpu::interpolate(x, [4, 5], options));
        for (place, found) in found.into_iter().enumerate() {
            let (map, y, x) = (place / 20, place / 5 % 4, place % 5);
            assert_eq!(found, from[map * 6 + y / 2 * 3 + x * 3 / 5]);
        }
    }
}
