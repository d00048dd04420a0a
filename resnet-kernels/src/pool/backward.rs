//! Gradients of pools.

use super::Window;
use crate::sizes::Dims;
use crate::{parallel, vectorize};

/// Computes the gradient of a max pool's input from the indices of the maxima.
///
/// # Shapes
/// - `grad`, `places`: `[batch, size[0], size[1], channels]`
/// - `out`: `[batch, height, width, channels]` for `dims`, `[batch, channels, height, width]`
///
/// # Panics
///
/// Panics if the number of values is wrong or the window has a dilation.
pub fn max_backward(
    dims: Dims,
    grad: &[f32],
    places: &[i64],
    window: Window,
    size: [usize; 2],
    out: &mut [f32],
) {
    assert_eq!(grad.len(), places.len(), "indices");
    gather(dims, grad.len(), window, size, out, |place, from, to| {
        let (grads, places) = (&grad[from..], &places[from..]);
        for ((to, grad), at) in to.iter_mut().zip(grads).zip(places) {
            *to += if *at == place as i64 { *grad } else { 0.0 };
        }
    });
}

/// Computes the gradient of an average pool's input like [`max_backward`]. Every average divides by
/// the number of taps.
///
/// # Panics
///
/// Panics if the number of values is wrong or the window has a dilation.
pub fn average_backward(
    dims: Dims,
    grad: &[f32],
    window: Window,
    size: [usize; 2],
    out: &mut [f32],
) {
    let share = 1.0 / (window.kernel[0] * window.kernel[1]) as f32;
    gather(dims, grad.len(), window, size, out, |_, from, to| {
        for (to, grad) in to.iter_mut().zip(&grad[from..]) {
            *to += grad * share;
        }
    });
}

/// Calls `add` for every pixel of the map and every window that covers it.
///
/// `add` receives the index of the pixel in its map, the start of the window's values, and the
/// gradients of the pixel.
fn gather(
    dims: Dims,
    grads: usize,
    window: Window,
    [rows, columns]: [usize; 2],
    out: &mut [f32],
    add: impl Fn(usize, usize, &mut [f32]) + Sync,
) {
    let [n, c, height, width] = dims;
    assert_eq!(window.dilation, [1, 1], "dilation");
    assert_eq!(grads, n * rows * columns * c, "gradients");
    assert_eq!(out.len(), n * height * width * c, "values of the input");
    out.fill(0.0);
    parallel::chunks(out, height * width * c, width * c, |image, start, row| {
        let y = start / (width * c);
        vectorize(
            #[inline(always)]
            || {
                for (x, to) in row.chunks_exact_mut(c).enumerate() {
                    for down in window.over(0, y, rows) {
                        for right in window.over(1, x, columns) {
                            let from = ((image * rows + down) * columns + right) * c;
                            add(y * width + x, from, to);
                        }
                    }
                }
            },
        );
    });
}
