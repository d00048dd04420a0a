//! Checks of shapes and options before an operation reaches a kernel of this crate or of Flex.
//!
//! Flex trusts the shapes that it receives and computes sizes without overflow checks. These
//! functions check every windowed operation: convolutions, pools and resizing. They panic for an
//! invalid operation, because Burn's interface returns no errors.

mod conv;
mod pool;

use burn_flex::FlexTensor;
use resnet_kernels::fits_in_memory;
use resnet_kernels::sizes::{count, places, span};

pub(crate) use conv::{conv, conv_backward, conv_transpose, vector, weight_gradient, x_gradient};
pub(crate) use pool::{pool, pool_gradient, resized};

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
    if !needed().is_some_and(fits_in_memory) {
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
