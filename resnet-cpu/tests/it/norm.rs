use burn::backend::{Autodiff, Flex};
use burn::tensor::{Tensor, TensorPrimitive, activation};
use burn_flex::FlexTensor;
use proptest::prelude::*;
use resnet_cpu::{BatchNorm, BatchNormGradients, Normed};

use crate::{channels_last, difference, tensor};

type Reference<const D: usize> = Tensor<Autodiff<Flex>, D>;

fn reference<const D: usize>(x: &FlexTensor) -> Reference<D> {
    let inner = Tensor::<Flex, D>::from_primitive(TensorPrimitive::Float(x.clone()));
    Tensor::from_inner(inner).require_grad()
}

/// The output and the gradients of `x`, scale, shift and residual by Burn's own operations, with the ReLU's gradient where
/// `found` is above zero: what is near zero may be on the other side of it there.
fn expected(
    x: &FlexTensor,
    norm: &BatchNorm,
    grad: &FlexTensor,
    found: &FlexTensor,
) -> (FlexTensor, [Option<FlexTensor>; 4]) {
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
            let positive = reference::<4>(found).detach().greater_elem(0.0).float();
            (activation::relu(y.clone()), y * positive)
        }
        false => (y.clone(), y),
    };
    let output = output.inner().into_primitive().tensor();
    let gradients = (y * reference::<4>(grad).detach()).sum().backward();
    let flex = |x: Tensor<Flex, 4>| x.into_primitive().tensor();
    let vector = |x: &Reference<1>| x.grad(&gradients).map(|x| x.into_primitive().tensor());
    let of = [x.grad(&gradients).map(flex), vector(&scale), vector(&shift)];
    let [x, scale, shift] = of;
    let residual = residual
        .and_then(|residual| residual.grad(&gradients))
        .map(flex);
    (output, [x, scale, shift, residual])
}

fn run(x: FlexTensor, norm: BatchNorm, grad: FlexTensor) -> (Normed, BatchNormGradients) {
    let residual = norm.residual.is_some();
    let normed = norm.forward(x);
    (normed.clone(), normed.backward(grad, residual))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_batch_norm_is_that_of_burn(
        n in 1..5_usize, c in prop_oneof![1..40_usize, Just(600)], h in 4..17_usize, w in 3..17_usize,
        added: bool, relu: bool, side_by_side: bool, offset in -3.0..3.0_f32, seed in 0..1000_u64,
    ) {
        let mut x = tensor([n, c, h, w], seed);
        x.storage_mut::<f32>().iter_mut().for_each(|value| *value += offset);
        let norm = BatchNorm {
            scale: tensor([c], seed + 1),
            shift: tensor([c], seed + 2),
            epsilon: 1e-3,
            residual: added.then(|| tensor([n, c, h, w], seed + 3)),
            relu,
        };
        let grad = tensor([n, c, h, w], seed + 4);
        let lie = |x: &FlexTensor| if side_by_side { channels_last(x) } else { x.clone() };
        let given = BatchNorm { residual: norm.residual.as_ref().map(lie), ..norm.clone() };
        let shared = grad.clone();
        let (normed, found) = run(lie(&x), given, lie(&grad));
        let (output, gradients) = expected(&x, &norm, &grad, &normed.output);
        prop_assert!(difference(normed.output, output) < 1e-4);
        let found = [Some(found.x), Some(found.scale), Some(found.shift), found.residual];
        for (found, expected) in found.into_iter().zip(gradients) {
            prop_assert_eq!(found.is_some(), expected.is_some());
            if let (Some(found), Some(expected)) = (found, expected) {
                prop_assert!(difference(found, expected) < 1e-4);
            }
        }
        prop_assert!(difference(shared, tensor([n, c, h, w], seed + 4)) == 0.0);
    }
}

/// The variance of values far from zero is that of their distances.
#[test]
fn large_means_leave_the_variance_its_digits() {
    let mut x = tensor([8, 16, 32, 32], 1);
    let near = x.clone();
    x.storage_mut::<f32>()
        .iter_mut()
        .for_each(|value| *value = (*value * 64.0).round() / 64.0 + 1000.0);
    let mut same = near;
    same.storage_mut::<f32>()
        .iter_mut()
        .for_each(|value| *value = (*value * 64.0).round() / 64.0);
    let norm = || BatchNorm {
        scale: tensor([16], 2),
        shift: tensor([16], 3),
        epsilon: 1e-5,
        residual: None,
        relu: false,
    };
    let [far, near] = [x, same].map(|x| norm().forward(x).variance);
    assert!(difference(far, near) < 1e-5);
}

/// The gradients are sums over all cores, the same in every run.
#[test]
fn runs_give_the_same_numbers() {
    let run = || {
        let norm = BatchNorm {
            scale: tensor([64], 2),
            shift: tensor([64], 3),
            epsilon: 1e-5,
            residual: None,
            relu: true,
        };
        let (normed, gradients) = run(tensor([4, 64, 28, 28], 1), norm, tensor([4, 64, 28, 28], 4));
        [normed.output, gradients.x, gradients.scale, gradients.shift].map(crate::values)
    };
    assert_eq!(run(), run());
}
