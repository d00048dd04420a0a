//! Checks of shapes and options before an operation reaches a kernel of this crate or of Flex.
//!
//! Flex trusts the shapes that it receives and computes sizes without overflow checks. These
//! functions check every windowed operation: convolutions, pools and resizing. They panic for an
//! invalid operation, because Burn's interface returns no errors.

mod conv;
mod pool;

use burn_flex::FlexTensor;

pub(crate) use conv::{conv, conv_backward, conv_transpose, vector, weight_gradient, x_gradient};
pub(crate) use pool::{Pool, resized};

use crate::memory;

/// Panics with a message about an invalid operation.
#[track_caller]
#[cold]
fn refuse(name: &str, message: impl core::fmt::Display) -> ! {
    panic!("{name}: {message}")
}

/// Returns the sizes of a tensor. Panics unless it has `rank` dimensions.
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

/// Panics if an option is zero.
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

/// Returns the number of values of a tensor with these sizes, or `None` if it overflows.
pub(crate) fn count(sizes: &[usize]) -> Option<usize> {
    if sizes.contains(&0) {
        return Some(0);
    }
    let product = |product: usize, size: &usize| product.checked_mul(*size);
    sizes.iter().try_fold(1, product)
}

/// Panics if the `made` tensors, listed by their sizes, do not fit into memory.
///
/// A `given` tensor counts if it is a view with more elements than its storage, because operations
/// copy it. A size of zero counts as one, because Flex loops over the other sizes of an empty
/// tensor.
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

/// Panics unless a tensor has the expected sizes.
pub(crate) fn same(name: &str, what: &str, x: &FlexTensor, expected: &[usize]) {
    let found = x.layout().shape().to_vec();
    if found != expected {
        refuse(
            name,
            format_args!("expected {what} of {expected:?}, found {found:?}"),
        );
    }
}

/// Returns the number of window positions along an axis. Returns `None` if the window does not fit
/// or a size overflows.
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

/// Returns the number of values from the first to the last tap of a window.
fn span(kernel: usize, dilation: usize) -> Option<usize> {
    kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)
}
