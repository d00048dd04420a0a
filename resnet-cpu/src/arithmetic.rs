//! Elementwise arithmetic on large tensors with all cores, for optimizers and losses.

use burn_backend::{Bytes, DType, Scalar, TensorMetadata};
use burn_flex::{FlexTensor, Layout};
use resnet_kernels::{parallel, vectorize};

/// Number of values below which more cores give no speedup.
const SMALL: usize = 64 * 1024;

/// Number of values that one core takes at a time.
const BLOCK: usize = 16 * 1024;

/// Applies `operation` to two large contiguous tensors of the same shape. Calls `otherwise` for
/// other tensors.
pub(crate) fn of_two(
    [mut lhs, mut rhs]: [FlexTensor; 2],
    operation: impl Fn(f32, f32) -> f32 + Sync,
    otherwise: impl FnOnce(FlexTensor, FlexTensor) -> FlexTensor,
) -> FlexTensor {
    if !is_large(&lhs) || !is_large(&rhs) || lhs.shape() != rhs.shape() {
        return otherwise(lhs, rhs);
    }
    if let Some(out) = lhs.try_storage_mut() {
        each(out, rhs.storage(), |to, b| *to = operation(*to, b));
        return lhs;
    }
    if let Some(out) = rhs.try_storage_mut() {
        each(out, lhs.storage(), |to, a| *to = operation(a, *to));
        return rhs;
    }
    let mut out = lhs.storage().to_vec();
    each(&mut out, rhs.storage(), |to, b| *to = operation(*to, b));
    contiguous(out, &lhs)
}

/// Applies `operation` to each value of a large contiguous tensor and a scalar. Calls `otherwise`
/// for other tensors.
pub(crate) fn with_scalar(
    lhs: FlexTensor,
    rhs: Scalar,
    operation: impl Fn(f32, f32) -> f32 + Sync,
    otherwise: impl FnOnce(FlexTensor, Scalar) -> FlexTensor,
) -> FlexTensor {
    let number = rhs.elem::<f64>() as f32;
    of_one(
        lhs,
        |value| operation(value, number),
        |lhs| otherwise(lhs, rhs),
    )
}

/// Applies `operation` to each value of a large contiguous tensor. Calls `otherwise` for other
/// tensors.
pub(crate) fn of_one(
    mut x: FlexTensor,
    operation: impl Fn(f32) -> f32 + Sync,
    otherwise: impl FnOnce(FlexTensor) -> FlexTensor,
) -> FlexTensor {
    if !is_large(&x) {
        return otherwise(x);
    }
    if let Some(out) = x.try_storage_mut::<f32>() {
        blocks(out, |_, to| {
            to.iter_mut().for_each(|to| *to = operation(*to))
        });
        return x;
    }
    let mut out = vec![0.0; x.storage::<f32>().len()];
    each(&mut out, x.storage(), |to, value| *to = operation(value));
    contiguous(out, &x)
}

/// Returns whether a tensor is large enough for several cores, contiguous, and covers its whole
/// storage.
fn is_large(x: &FlexTensor) -> bool {
    x.dtype() == DType::F32
        && x.layout().num_elements() >= SMALL
        && x.is_contiguous()
        && x.storage::<f32>().len() == x.layout().num_elements()
}

fn contiguous(values: Vec<f32>, like: &FlexTensor) -> FlexTensor {
    let layout = Layout::contiguous(like.shape());
    FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
}

#[inline(always)]
fn each(out: &mut [f32], with: &[f32], work: impl Fn(&mut f32, f32) + Sync) {
    blocks(out, |start, out| {
        let pairs = out.iter_mut().zip(&with[start..]);
        pairs.for_each(|(to, value)| work(to, *value));
    });
}

#[inline(always)]
fn blocks(out: &mut [f32], work: impl Fn(usize, &mut [f32]) + Sync) {
    parallel::chunks(out, out.len(), BLOCK, |_, start, block| {
        vectorize(
            #[inline(always)]
            || work(start, block),
        );
    });
}
