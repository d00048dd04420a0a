//! Tests of batch norms against Burn's operations in double precision.

use burn::backend::{Autodiff, Flex};
use burn::tensor::{DType, Tensor, TensorPrimitive, activation};
use burn_flex::FlexTensor;
use proptest::prelude::*;
use resnet_cpu::{BatchNormGradients, BatchNormPass, Normed};

use crate::{difference, forms, tensor, values};

type Reference<const D: usize> = Tensor<Autodiff<Flex>, D>;

fn reference<const D: usize>(x: &FlexTensor) -> Reference<D> {
    let inner = Tensor::<Flex, D>::from_primitive(TensorPrimitive::Float(x.clone()));
    Tensor::from_inner(inner.cast(DType::F64)).require_grad()
}

fn single<const D: usize>(x: Tensor<Flex, D>) -> FlexTensor {
    x.cast(DType::F32).into_primitive().tensor()
}

/// Computes the output and the gradients of `x`, scale, shift and residual with Burn's operations
/// in double precision.
///
/// The ReLU passes gradients where `found` is positive, because a value near zero may have the
/// other sign in double precision.
fn expected(
    x: &FlexTensor,
    norm: &BatchNormPass,
    grad: &FlexTensor,
    found: &FlexTensor,
) -> (FlexTensor, [Option<FlexTensor>; 4]) {
    let _lock = crate::autograd_lock();
    let x: Reference<4> = reference(x);
    let [scale, shift] = [&norm.scale, &norm.shift].map(reference::<1>);
    let residual = norm.residual.as_ref().map(reference::<4>);
    let mean = |x: Reference<4>| x.mean_dim(0).mean_dim(2).mean_dim(3);
    let distance = x.clone() - mean(x.clone());
    let variance = mean(distance.clone() * distance.clone());
    let along = |values: &Reference<1>| values.clone().reshape([1, -1, 1, 1]);
    let y = distance / (variance + norm.epsilon).sqrt() * along(&scale) + along(&shift);
    let y = residual.iter().cloned().fold(y, Tensor::add);
    let (output, y) = match norm.relu {
        true => {
            let positive = reference::<4>(found).greater_elem(0.0).float();
            let positive = positive.cast(DType::F64);
            (activation::relu(y.clone()), y * positive)
        }
        false => (y.clone(), y),
    };
    let gradients = (y * reference::<4>(grad).detach()).sum().backward();
    let maps = |x: &Reference<4>| x.grad(&gradients).map(single);
    let vector = |x: &Reference<1>| x.grad(&gradients).map(single);
    let gradients = [
        maps(&x),
        vector(&scale),
        vector(&shift),
        residual.as_ref().and_then(maps),
    ];
    (single(output.inner()), gradients)
}

fn run(x: FlexTensor, norm: BatchNormPass, grad: FlexTensor) -> (Normed, BatchNormGradients) {
    let residual = norm.residual.is_some();
    let normed = norm.forward(x);
    (normed.clone(), normed.backward(grad, residual))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_batch_norms_match_burn(
        n in 1..5_usize, c in prop_oneof![1..40_usize, Just(600)], h in 4..17_usize, w in 3..17_usize,
        added: bool, relu: bool, form in 0..4_usize, offset in -3.0..3.0_f32, seed in 0..1000_u64,
    ) {
        let mut x = tensor([n, c, h, w], seed);
        x.storage_mut::<f32>().iter_mut().for_each(|value| *value += offset);
        let norm = BatchNormPass {
            scale: tensor([c], seed + 1),
            shift: tensor([c], seed + 2),
            epsilon: 1e-3,
            residual: added.then(|| tensor([n, c, h, w], seed + 3)),
            relu,
        };
        let grad = tensor([n, c, h, w], seed + 4);
        let lie = |x: &FlexTensor| forms(x)[form].clone();
        let given = BatchNormPass { residual: norm.residual.as_ref().map(lie), ..norm.clone() };
        let shared = grad.clone();
        let (normed, found) = run(lie(&x), given, lie(&grad));
        let (output, gradients) = expected(&x, &norm, &grad, &normed.output);
        prop_assert!(difference(normed.output, output) < 1e-5);
        let [of_x, of_scale, of_shift, of_residual] = gradients;
        prop_assert!(difference(found.x, of_x.unwrap()) < 1e-5);
        for (found, expected) in [(found.scale, of_scale), (found.shift, of_shift)] {
            let (found, expected) = (values(found), values(expected.unwrap()));
            prop_assert_eq!(found.len(), expected.len());
            let pairs = found.into_iter().zip(expected);
            let error = pairs.fold(0.0, |most: f32, (a, b)| most.max((a - b).abs()));
            // Sums of many values of magnitude one or less.
            prop_assert!(error / ((n * h * w) as f32) < 1e-6);
        }
        prop_assert_eq!(found.residual.is_some(), added);
        if let Some((found, expected)) = found.residual.zip(of_residual) {
            prop_assert!(difference(found, expected) < 1e-6);
        }
        prop_assert!(difference(shared, tensor([n, c, h, w], seed + 4)) == 0.0);
    }
}

/// The variance is accurate for values far from zero.
#[test]
fn variance_is_accurate_for_large_means() {
    let mut x = tensor([8, 16, 32, 32], 1);
    let near = x.clone();
    x.storage_mut::<f32>()
        .iter_mut()
        .for_each(|value| *value = (*value * 64.0).round() / 64.0 + 1000.0);
    let mut same = near;
    same.storage_mut::<f32>()
        .iter_mut()
        .for_each(|value| *value = (*value * 64.0).round() / 64.0);
    let norm = || BatchNormPass {
        scale: tensor([16], 2),
        shift: tensor([16], 3),
        epsilon: 1e-5,
        residual: None,
        relu: false,
    };
    let [far, near] = [x, same].map(|x| norm().forward(x).variance);
    assert!(difference(far, near) < 1e-5);
}

/// The sums of gradients are the same in every run, regardless of the threads.
#[test]
fn results_are_deterministic() {
    let run = || {
        let norm = BatchNormPass {
            scale: tensor([64], 2),
            shift: tensor([64], 3),
            epsilon: 1e-5,
            residual: None,
            relu: true,
        };
        let (normed, gradients) = run(tensor([4, 64, 28, 28], 1), norm, tensor([4, 64, 28, 28], 4));
        [normed.output, gradients.x, gradients.scale, gradients.shift].map(values)
    };
    assert_eq!(run(), run());
}
