//! Operations on maps of integers.

use super::Quantization;
use super::requantize::Round;
use crate::layout::{Border, Frame, Map};
use crate::pool::{Window, pool};
use crate::sizes::Dims;
use crate::{parallel, vectorize};

/// Number of values that one core takes at a time.
const BLOCK: usize = 16 * 1024;

/// Writes the nearest integers of `x`, `round(x / scale) + zero_point` from 0 to 255, inside a border
/// of zero points. NaN becomes 0.
///
/// # Shapes
/// - `x`: a map of `dims`, `[batch, channels, height, width]`
/// - `out`: `[batch, height, width, channels]` with the border
///
/// # Panics
///
/// Panics if the number of values is wrong.
pub fn quantize(
    x: Map<'_>,
    dims: Dims,
    border: Border,
    quantization: Quantization,
    out: &mut [u8],
) {
    let count = dims.iter().product::<usize>();
    assert_eq!(x.values().len(), count, "values of the input");
    let inverse = 1.0 / quantization.scale;
    let round = Round::new(quantization.zero_point, 0);
    let frame = Frame { dims, border };
    frame.write(quantization.zero_point, out, |place, row| {
        vectorize(
            #[inline(always)]
            || x.copy_row(dims, place, row, |value| round.byte(value * inverse)),
        );
    });
}

/// Dequantizes `x`: writes `(q - zero_point) * scale` for each integer.
///
/// # Panics
///
/// Panics if the lengths differ.
pub fn dequantize(x: &[u8], quantization: Quantization, out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "values");
    let length = out.len();
    parallel::chunks(out, length, BLOCK, |_, start, out| {
        vectorize(
            #[inline(always)]
            || {
                for (out, x) in out.iter_mut().zip(&x[start..]) {
                    *out = quantization.dequantize(*x);
                }
            },
        );
    });
}

/// Writes the ReLU of the sum of two maps, in the quantization of the output.
///
/// # Panics
///
/// Panics if the lengths differ.
pub fn add_relu(
    (a, of_a): (&[u8], Quantization),
    (b, of_b): (&[u8], Quantization),
    of_output: Quantization,
    out: &mut [u8],
) {
    assert_eq!([a.len(), b.len()], [out.len(); 2], "values");
    let round = Round::new(of_output.zero_point, 0);
    let length = out.len();
    parallel::chunks(out, length, BLOCK, |_, start, out| {
        vectorize(
            #[inline(always)]
            || {
                let pairs = a[start..].iter().zip(&b[start..]);
                for (out, (a, b)) in out.iter_mut().zip(pairs) {
                    let sum = of_a.dequantize(*a) + of_b.dequantize(*b);
                    let sum = if sum > 0.0 { sum } else { 0.0 };
                    *out = round.byte(sum / of_output.scale);
                }
            },
        );
    });
}

/// Computes a max pool, like [`pool::max`](crate::pool::max).
///
/// # Panics
///
/// Panics if the number of values is wrong.
pub fn max_pool(x: &[u8], dims: Dims, window: Window, size: [usize; 2], out: &mut [u8]) {
    pool::<_, 64>(x, dims, window, size, out, |a: u8, b| a.max(b), |_, _| {});
}

/// Writes the mean of each channel as a float.
///
/// # Shapes
/// - `x`: `[batch, height, width, channels]` for `dims`, `[batch, channels, height, width]`
/// - `out`: `[batch, channels]`
///
/// # Panics
///
/// Panics if the number of values is wrong.
pub fn global_mean(x: &[u8], dims: Dims, quantization: Quantization, out: &mut [f32]) {
    global(x, dims, quantization.zero_point, out, |sum, count| {
        sum as f32 / count * quantization.scale
    });
}

/// Writes the mean of each channel as an integer, in the quantization of the input.
///
/// # Shapes
///
/// As for [`global_mean`].
///
/// # Panics
///
/// Panics if the number of values is wrong.
pub fn global_average(x: &[u8], dims: Dims, zero_point: u8, out: &mut [u8]) {
    let round = Round::new(zero_point, 0);
    global(x, dims, zero_point, out, |sum, count| {
        round.byte(sum as f32 / count)
    });
}

/// Converts the sum of each channel, less its zero points, and the number of pixels.
fn global<T: Copy + Send>(
    x: &[u8],
    [batch, channels, height, width]: Dims,
    zero_point: u8,
    out: &mut [T],
    convert: impl Fn(i64, f32) -> T + Sync,
) {
    /// Number of channels whose sums stay in registers.
    const WIDTH: usize = 32;
    let pixels = height * width;
    assert_eq!(x.len(), batch * pixels * channels, "values of the input");
    assert_eq!(out.len(), batch * channels, "values of the output");
    let excess = pixels as i64 * i64::from(zero_point);
    parallel::chunks(out, channels, WIDTH, |image, start, out| {
        let image = &x[image * pixels * channels..][..pixels * channels];
        vectorize(
            #[inline(always)]
            || {
                let mut sums = [0_u64; WIDTH];
                // 32 bits hold the sums of 2^24 pixels.
                for rows in image.chunks(channels.saturating_mul(1 << 24)) {
                    let mut part = [0_u32; WIDTH];
                    for pixel in rows.chunks_exact(channels) {
                        let values = &pixel[start..start + out.len()];
                        for (sum, value) in part.iter_mut().zip(values) {
                            *sum += u32::from(*value);
                        }
                    }
                    let parts = sums.iter_mut().zip(part);
                    parts.for_each(|(sum, part)| *sum += u64::from(part));
                }
                for (out, sum) in out.iter_mut().zip(sums) {
                    *out = convert(sum as i64 - excess, pixels as f32);
                }
            },
        );
    });
}
