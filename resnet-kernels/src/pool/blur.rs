//! The blur of anti-aliased networks.

use crate::sizes::Dims;
use crate::{parallel, vectorize};

/// Convolves each channel with `[1 2 1]^T [1 2 1] / 16` and reflects the borders (Zhang 2019).
///
/// # Shapes
/// - `x`: `[batch, height, width, channels]` for `dims`, `[batch, channels, height, width]`
/// - `out`: `[batch, (height - 1) / stride + 1, (width - 1) / stride + 1, channels]`
///
/// # Panics
///
/// Panics if the number of values is wrong or a side of the map has less than two pixels.
pub fn blur(x: &[f32], dims: Dims, stride: usize, out: &mut [f32]) {
    const TAPS: [f32; 3] = [1.0, 2.0, 1.0];
    let [n, c, h, w] = dims;
    assert!(h > 1 && w > 1, "expected 2x2 pixels or more, found {h}x{w}");
    let [height, width] = [h, w].map(|side| (side - 1) / stride + 1);
    assert_eq!(x.len(), n * h * w * c, "values of the input");
    assert_eq!(out.len(), n * height * width * c, "values of the output");
    let source = |at: usize, tap: usize, size: usize| match at * stride + tap {
        0 => 1,
        place if place > size => size - 2,
        place => place - 1,
    };
    parallel::chunks(out, height * width * c, width * c, |image, start, row| {
        let image = &x[image * h * w * c..][..h * w * c];
        let y = start / (width * c);
        vectorize(
            #[inline(always)]
            || {
                for (x, out) in row.chunks_exact_mut(c).enumerate() {
                    out.fill(0.0);
                    for (down, of_row) in TAPS.iter().enumerate() {
                        for (right, of_column) in TAPS.iter().enumerate() {
                            let pixel = source(y, down, h) * w + source(x, right, w);
                            let factor = of_row * of_column / 16.0;
                            let values = image[pixel * c..][..c].iter();
                            let pairs = out.iter_mut().zip(values);
                            pairs.for_each(|(out, value)| *out += factor * value);
                        }
                    }
                }
            },
        );
    });
}
