//! Checks of pools and resizing.

use burn_flex::FlexTensor;
use resnet_kernels::pool::Window;

use super::{count, memory, positive, refuse, same, sizes, span};

/// Longest side of a window that may exceed the feature map. Loops over the taps of a longer window
/// would take too long.
const LONG: usize = 1024;

/// Returns the sizes of a pool's output.
///
/// # Panics
///
/// Panics if the pool is invalid or its output does not fit into memory.
pub(crate) fn pool(name: &str, window: &Window, x: &FlexTensor) -> Vec<usize> {
    let Window {
        kernel,
        stride,
        padding,
        dilation,
        ..
    } = window;
    positive(
        name,
        &[
            ("a kernel", kernel),
            ("a stride", stride),
            ("a dilation", dilation),
        ],
    );
    let input = sizes(name, "a map", x, 4);
    let side = |axis: usize| {
        let size = input[2 + axis];
        let [kernel, stride, padding, dilation] =
            [kernel, stride, padding, dilation].map(|sides| sides[axis]);
        let places = places(window, axis, size).filter(|_| kernel <= size.max(LONG));
        places.unwrap_or_else(|| {
            refuse(
                name,
                format_args!(
                    "expected a kernel of at most {} taps and sizes below 2^63, found {kernel} taps with dilation {dilation} and stride {stride} on {size} values with padding {padding}",
                    size.max(LONG)
                ),
            )
        })
    };
    let output = vec![input[0], input[1], side(0), side(1)];
    // The indices have 64 bits.
    let places = [&output[..], &[2]].concat();
    memory(name, &[x], &[&output, &places]);
    output
}

/// Returns the number of windows that Flex computes. With `ceil`, it is at least one, even if no
/// window fits.
fn places(window: &Window, axis: usize, size: usize) -> Option<usize> {
    let [kernel, stride, padding, dilation] = [
        window.kernel,
        window.stride,
        window.padding,
        window.dilation,
    ]
    .map(|sides| sides[axis]);
    let padded = size.checked_add(padding.checked_mul(2)?)?;
    let spanned = span(kernel, dilation)?;
    let places = match padded.checked_sub(spanned) {
        None => usize::from(window.ceil),
        Some(free) if window.ceil => free.div_ceil(stride).checked_add(1)?,
        Some(free) => free / stride + 1,
    };
    let last = places.saturating_sub(1).checked_mul(stride)?;
    let end = last.checked_add(spanned)?.max(padded);
    // Flex computes positions as signed integers relative to the first value.
    (end.saturating_sub(padding) <= isize::MAX as usize).then_some(places)
}

/// Checks a pool and the gradient of its output.
pub(crate) fn pool_gradient(name: &str, window: &Window, x: &FlexTensor, grad: &FlexTensor) {
    same(name, "a gradient", grad, &pool(name, window, x));
}

/// Checks the sizes of a resize operation.
pub(crate) fn resized(name: &str, x: &FlexTensor, size: [usize; 2]) {
    let input = sizes(name, "a map", x, 4);
    let output = [input[0], input[1], size[0], size[1]];
    for (from, to) in input[2..].iter().zip(size) {
        if count(&[*from, to.saturating_add(1)]).is_none() {
            refuse(
                name,
                format_args!(
                    "expected sizes whose product fits into a `usize`, found {from} to {to} values"
                ),
            );
        }
    }
    memory(name, &[x], &[&output]);
}
