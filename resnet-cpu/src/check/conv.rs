//! Checks of convolutions and their gradients.

use burn_backend::ops::{ConvOptions, ConvTransposeOptions};
use burn_flex::FlexTensor;

use super::{count, memory, places, positive, refuse, same, sizes, span};

/// Returns the sizes of a convolution's output.
///
/// # Panics
///
/// Panics if the convolution is invalid or its output does not fit into memory.
pub(crate) fn conv<const D: usize>(
    name: &str,
    [x, weight]: [&FlexTensor; 2],
    bias: Option<&FlexTensor>,
    options: &ConvOptions<D>,
) -> Vec<usize> {
    /// Number of output pixels per im2col matrix of Flex.
    const TILE: usize = 512;
    let ConvOptions {
        stride,
        padding,
        dilation,
        groups,
    } = options;
    positive(
        name,
        &[
            ("a stride", stride),
            ("a dilation", dilation),
            ("groups", &[*groups]),
        ],
    );
    let input = sizes(name, "an input", x, D + 2);
    let kernel = sizes(name, "weights", weight, D + 2);
    let (channels, out) = (input[1], kernel[0]);
    grouped(name, channels, out, *groups);
    if kernel[1].checked_mul(*groups) != Some(channels) {
        let (expected, found) = (channels / groups, kernel[1]);
        refuse(
            name,
            format_args!(
                "expected weights for {expected} channels ({channels} in {groups} groups), found {found}"
            ),
        );
    }
    vector(name, "a bias", bias, out);
    let side = |axis: usize| {
        let (size, kernel) = (input[2 + axis], kernel[2 + axis]);
        let [stride, padding, dilation] = [stride, padding, dilation].map(|sides| sides[axis]);
        let places = places(size, kernel, stride, padding, dilation);
        places.unwrap_or_else(|| {
            refuse(
                name,
                format_args!(
                    "expected a kernel inside the padded input, found {kernel} taps with dilation {dilation} on {size} values with padding {padding}"
                ),
            )
        })
    };
    let mut output = vec![input[0], out];
    output.extend((0..D).map(side));
    let column = [count(&kernel[1..]).unwrap_or(usize::MAX), TILE];
    memory(name, &[x, weight], &[&output, &column]);
    output
}

/// Returns the sizes of a transposed convolution's output. Panics like [`conv`].
pub(crate) fn conv_transpose<const D: usize>(
    name: &str,
    [x, weight]: [&FlexTensor; 2],
    bias: Option<&FlexTensor>,
    options: &ConvTransposeOptions<D>,
) -> Vec<usize> {
    let ConvTransposeOptions {
        stride,
        padding,
        padding_out,
        dilation,
        groups,
    } = options;
    positive(
        name,
        &[
            ("a stride", stride),
            ("a dilation", dilation),
            ("groups", &[*groups]),
        ],
    );
    let input = sizes(name, "an input", x, D + 2);
    let kernel = sizes(name, "weights", weight, D + 2);
    let channels = input[1];
    if kernel[0] != channels {
        let found = kernel[0];
        refuse(
            name,
            format_args!("expected weights for {channels} channels, found {found}"),
        );
    }
    let out = kernel[1].saturating_mul(*groups);
    grouped(name, channels, out, *groups);
    vector(name, "a bias", bias, out);
    let side = |axis: usize| {
        let (size, kernel) = (input[2 + axis], kernel[2 + axis]);
        let [stride, padding, more, dilation] =
            [stride, padding, padding_out, dilation].map(|sides| sides[axis]);
        let output = || {
            size.checked_sub(1)?
                .checked_mul(stride)?
                .checked_add(span(kernel, dilation)?)?
                .checked_add(more)?
                .checked_sub(padding.checked_mul(2)?)
        };
        output().unwrap_or_else(|| {
            refuse(
                name,
                format_args!(
                    "expected an output of at least 0 values, found padding {padding} for {size} values with stride {stride} and {kernel} taps with dilation {dilation}"
                ),
            )
        })
    };
    let mut output = vec![input[0], out];
    output.extend((0..D).map(side));
    let mut columns = kernel[1..].to_vec();
    columns.extend(&input[2..]);
    memory(name, &[x, weight], &[&output, &columns]);
    output
}

/// Checks a convolution and the gradient of its output.
pub(crate) fn conv_backward<const D: usize>(
    name: &str,
    [x, weight, grad]: [&FlexTensor; 3],
    options: &ConvOptions<D>,
) {
    let output = conv(name, [x, weight], None, options);
    same(name, "a gradient", grad, &output);
}

/// Checks the gradient of the input for Flex, after [`conv_backward`]. Flex computes a transposed
/// convolution of the output's gradient.
pub(crate) fn x_gradient<const D: usize>(
    name: &str,
    [x, weight, grad]: [&FlexTensor; 3],
    options: &ConvOptions<D>,
) {
    strides(name, x, options);
    let input = x.layout().shape();
    let mut columns = weight.layout().shape()[1..].to_vec();
    columns.extend(&grad.layout().shape()[2..]);
    memory(name, &[weight, grad], &[input, &columns]);
}

/// Checks the gradient of the weights for Flex, after [`conv_backward`]. Flex convolves the input
/// with the output's gradient and crops the result to the kernel size.
pub(crate) fn weight_gradient<const D: usize>(
    name: &str,
    [x, weight, grad]: [&FlexTensor; 3],
    options: &ConvOptions<D>,
) {
    /// Before the crop, the result may have `LARGER` times as many values as the given tensors,
    /// plus `FEW`.
    const LARGER: usize = 64;
    const FEW: usize = 1 << 22;
    strides(name, x, options);
    let [input, kernel_sizes, output] = [x, weight, grad].map(|x| x.layout().shape());
    let mut sums = kernel_sizes[..2].to_vec();
    for axis in 0..D {
        // The gradient swaps stride and dilation of the forward convolution.
        let [stride, padding, dilation] =
            [options.dilation, options.padding, options.stride].map(|sides| sides[axis]);
        let (size, kernel) = (input[2 + axis], output[2 + axis]);
        sums.push(places(size, kernel, stride, padding, dilation).unwrap_or(usize::MAX));
    }
    // If the stride is much larger than the kernel, Flex crops most of the result.
    let made = count(&sums).unwrap_or(usize::MAX);
    let given = [input, kernel_sizes, output].map(|sizes| count(sizes).unwrap_or(usize::MAX));
    let given = given.into_iter().fold(0, usize::saturating_add);
    if made > given.saturating_mul(LARGER).saturating_add(FEW) {
        let (stride, padding) = (options.stride, options.padding);
        refuse(
            name,
            format_args!(
                "expected a stride near the kernel size, found {stride:?} with padding {padding:?}"
            ),
        );
    }
    memory(name, &[x, grad], &[&sums]);
}

/// Panics if a size overflows `isize`, the type that Burn's gradient functions use.
fn strides<const D: usize>(name: &str, x: &FlexTensor, options: &ConvOptions<D>) {
    for axis in 0..D {
        let size = x.layout().shape()[2 + axis];
        let [stride, padding] = [options.stride, options.padding].map(|sides| sides[axis]);
        let sum = size
            .checked_add(stride)
            .and_then(|sum| sum.checked_add(padding.checked_mul(2)?));
        if sum.is_none_or(|sum| sum > isize::MAX as usize) {
            refuse(
                name,
                format_args!(
                    "expected sizes below 2^63, found stride {stride} and padding {padding} on {size} values"
                ),
            );
        }
    }
}

/// Panics unless a tensor has one value per channel.
pub(crate) fn vector(name: &str, what: &str, values: Option<&FlexTensor>, channels: usize) {
    if let Some(values) = values {
        same(name, what, values, &[channels]);
    }
}

/// Panics unless the groups divide the channels.
fn grouped(name: &str, channels: usize, out: usize, groups: usize) {
    let divided = channels.is_multiple_of(groups) && out.is_multiple_of(groups);
    let split = divided && (groups == 1 || groups <= channels);
    if !split {
        refuse(
            name,
            format_args!(
                "expected groups that divide {channels} and {out} channels, found {groups}"
            ),
        );
    }
}
