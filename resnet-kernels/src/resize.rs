//! Nearest-neighbor resizing of channels-last feature maps, as in a feature pyramid.

use alloc::vec::Vec;

use crate::parallel;
use crate::sizes::Dims;

/// Copies the nearest pixel: output `i` is input `floor(i * in / out)`.
///
/// # Shapes
/// - `x`: `[batch, height, width, channels]` for `dims`, `[batch, channels, height, width]`
/// - `out`: `[batch, size[0], size[1], channels]`
///
/// # Panics
///
/// Panics if the number of values is wrong or the map is empty.
pub fn nearest(x: &[f32], dims: Dims, [height, width]: [usize; 2], out: &mut [f32]) {
    let [n, c, h, w] = dims;
    assert_eq!(x.len(), n * h * w * c, "values of the input");
    assert_eq!(out.len(), n * height * width * c, "values of the output");
    let [ys, xs] = [(h, height), (w, width)].map(|(from, to)| sources(from, to));
    let (image, row) = (height * width * c, width * c);
    parallel::chunks(out, image, row, |image, start, out| {
        let from = &x[(image * h + ys[start / row]) * w * c..][..w * c];
        for (out, x) in out.chunks_exact_mut(c).zip(&xs) {
            out.copy_from_slice(&from[x * c..][..c]);
        }
    });
}

/// Returns the source of each position of an axis, in double precision like Flex.
fn sources(from: usize, to: usize) -> Vec<usize> {
    let ratio = from as f64 / to as f64;
    let source = |i: usize| ((i as f64 * ratio) as usize).min(from - 1);
    (0..to).map(source).collect()
}
