//! Activations, gates and copies of channels-last feature maps.

use crate::sizes::Dims;
use crate::{parallel, vectorize};

/// Number of values that one core takes at a time.
const BLOCK: usize = 16 * 1024;

/// Returns `1 / (1 + exp(-x))`.
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + libm::expf(-x))
}

/// Computes `x * sigmoid(x)` in place.
pub fn silu(values: &mut [f32]) {
    let length = values.len();
    parallel::chunks(values, length, BLOCK, |_, _, values| {
        values.iter_mut().for_each(|x| *x *= sigmoid(*x));
    });
}

/// Computes `x * sigmoid(gate) + residual`, then the ReLU if `relu` is true. The gate has one value
/// per channel and image.
///
/// # Shapes
/// - `x`, `residual`, `out`: `[batch, height, width, channels]` for `dims`, `[batch, channels, height,
///   width]`
/// - `gate`: `[batch, channels]`; it is overwritten
///
/// # Panics
///
/// Panics if the number of values is wrong.
pub fn gate(
    x: &[f32],
    dims: Dims,
    gate: &mut [f32],
    residual: Option<&[f32]>,
    relu: bool,
    out: &mut [f32],
) {
    let [n, c, h, w] = dims;
    let count = n * h * w * c;
    assert_eq!(gate.len(), n * c, "gates");
    assert_eq!([x.len(), out.len()], [count; 2], "values");
    assert!(residual.is_none_or(|residual| residual.len() == count));
    gate.iter_mut().for_each(|gate| *gate = sigmoid(*gate));
    let low = if relu { 0.0 } else { f32::NEG_INFINITY };
    // Keeps NaN.
    let limit = |value: f32| if value < low { low } else { value };
    parallel::chunks(out, h * w * c, w * c, |image, start, out| {
        let from = image * h * w * c + start;
        let gate = &gate[image * c..][..c];
        vectorize(
            #[inline(always)]
            || {
                let pixels = out
                    .chunks_exact_mut(c)
                    .zip(x[from..][..w * c].chunks_exact(c));
                for (pixel, (out, x)) in pixels.enumerate() {
                    let values = out.iter_mut().zip(x).zip(gate);
                    match residual {
                        None => values.for_each(|((out, x), gate)| *out = limit(x * gate)),
                        Some(residual) => {
                            let residual = &residual[from + pixel * c..][..c];
                            let values = values.zip(residual);
                            values.for_each(|(((out, x), gate), residual)| {
                                *out = limit(x * gate + residual);
                            });
                        }
                    }
                }
            },
        );
    });
}

/// Convolves the channels of each image with a kernel of odd length, padded with zeros.
///
/// # Shapes
/// - `x`, `out`: `[batch, channels]`
///
/// # Panics
///
/// Panics if the lengths differ or `channels` is zero.
pub fn channel_conv(x: &[f32], channels: usize, kernel: &[f32], out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "values");
    let padding = kernel.len() / 2;
    let images = x.chunks_exact(channels).zip(out.chunks_exact_mut(channels));
    for (x, out) in images {
        for (channel, out) in out.iter_mut().enumerate() {
            let taps = kernel.iter().enumerate();
            let products = taps.filter_map(|(tap, weight)| {
                let place = (channel + tap).checked_sub(padding)?;
                Some(weight * x.get(place)?)
            });
            *out = products.sum();
        }
    }
}

/// Copies every `stride`-th pixel, and adds channels of the value `zero` on both sides: `before` before
/// the channels of `x`, the rest after them.
///
/// # Shapes
/// - `x`: `[batch, height, width, channels]` for `dims`, `[batch, channels, height, width]`
/// - `out`: `[batch, (height - 1) / stride + 1, (width - 1) / stride + 1, channels']`
///
/// # Panics
///
/// Panics if the number of values is wrong.
pub fn subsample<T: Copy + Send + Sync>(
    x: &[T],
    dims: Dims,
    stride: usize,
    [before, channels]: [usize; 2],
    zero: T,
    out: &mut [T],
) {
    let [n, c, h, w] = dims;
    let [height, width] = [h, w].map(|side| (side - 1) / stride + 1);
    assert_eq!(x.len(), n * h * w * c, "values of the input");
    assert_eq!(
        out.len(),
        n * height * width * channels,
        "values of the output"
    );
    let row = width * channels;
    parallel::chunks(out, height * row, row, |image, start, out| {
        let from = (image * h + start / row * stride) * w;
        for (column, out) in out.chunks_exact_mut(channels).enumerate() {
            out.fill(zero);
            let pixel = &x[(from + column * stride) * c..][..c];
            out[before..][..c].copy_from_slice(pixel);
        }
    });
}
