//! What must hold before a kernel of this crate, or of Flex, sees an operation.
//!
//! Flex computes sizes without regard to overflow, and multiplies matrices as large as it is told their shapes are. Here sizes
//! are compared and computed with checks, for everything that either of them does with windows. An operation that cannot be
//! is a mistake of the program, which Burn's interface can tell by a panic only.

mod conv;
mod pool;

use burn_flex::FlexTensor;

pub(crate) use conv::{conv, conv_backward, conv_transpose, vector, weight_gradient, x_gradient};
pub(crate) use pool::{Pool, resized};

use crate::memory;

/// Ends an operation that cannot be done.
#[track_caller]
#[cold]
fn refuse(name: &str, message: impl core::fmt::Display) -> ! {
    panic!("{name}: {message}")
}

/// The sizes of a tensor that must have `rank` axes.
fn sizes(name: &str, what: &str, x: &FlexTensor, rank: usize) -> Vec<usize> {
    let shape = x.layout().shape().to_vec();
    if shape.len() != rank {
        let found = shape.len();
        refuse(
            name,
            format_args!("expected {what} of {rank} axes, found {found}: {shape:?}"),
        );
    }
    shape
}

/// Options that may not be zero.
fn positive(name: &str, options: &[(&str, &[usize])]) {
    for (what, values) in options {
        if values.contains(&0) {
            refuse(
                name,
                format_args!("expected {what} of at least 1, found {values:?}"),
            );
        }
    }
}

/// Values of a tensor with such sizes.
pub(crate) fn count(sizes: &[usize]) -> Option<usize> {
    if sizes.contains(&0) {
        return Some(0);
    }
    let product = |product: usize, size: &usize| product.checked_mul(*size);
    sizes.iter().try_fold(1, product)
}

/// Asks for memory for what is `made` of the `given` tensors, by its sizes, and for those among the given that stand for more
/// values than they hold: operations copy them. An empty tensor has the sizes of one as well, for Flex's loops go through them.
fn memory(name: &str, given: &[&FlexTensor], made: &[&[usize]]) {
    let size = given.iter().map(|x| x.dtype().size()).fold(4, usize::max);
    let bytes = |sizes: &[usize]| {
        let product = |product: usize, size: &usize| product.checked_mul(*size.max(&1));
        sizes.iter().try_fold(size, product)
    };
    let needed = || {
        let mut needed = 0_usize;
        for x in given {
            let copy = bytes(x.layout().shape())?;
            if copy > x.bytes().len() {
                needed = needed.checked_add(copy)?;
            }
        }
        for sizes in made {
            needed = needed.checked_add(bytes(sizes)?)?;
        }
        Some(needed)
    };
    if !needed().is_some_and(memory::has) {
        refuse(
            name,
            format_args!("expected tensors that fit into memory, found {made:?}"),
        );
    }
}

/// Refuses a tensor of other sizes.
pub(crate) fn same(name: &str, what: &str, x: &FlexTensor, expected: &[usize]) {
    let found = x.layout().shape().to_vec();
    if found != expected {
        refuse(
            name,
            format_args!("expected {what} of {expected:?}, found {found:?}"),
        );
    }
}

/// Where a window can be, by steps of `stride`. `None` where it does not fit or the sizes cannot be counted.
pub(crate) fn places(
    size: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
) -> Option<usize> {
    let padded = size.checked_add(padding.checked_mul(2)?)?;
    let free = padded.checked_sub(span(kernel, dilation)?)?;
    free.checked_div(stride)?.checked_add(1)
}

/// From the first to the last value under a window.
fn span(kernel: usize, dilation: usize) -> Option<usize> {
    kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)
}
