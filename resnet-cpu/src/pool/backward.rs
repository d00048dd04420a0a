//! Gradients of pools.

use burn_backend::DType;
use burn_flex::FlexTensor;

use super::{Window, map};
use crate::layout::{self, Dims};
use crate::parallel;
use crate::simd::arch;

/// Computes the gradient of a max pool's input from the indices of the maxima.
///
/// Returns `None` if the kernel does not support the map or the window. Flex computes these cases.
pub(crate) fn max_pool2d_backward(
    dims: Dims,
    grad: &FlexTensor,
    places: &FlexTensor,
    window: Window,
) -> Option<FlexTensor> {
    let (grads, out) = map(grad).filter(|_| window.meets())?;
    let alike = places.dtype() == DType::I64
        && places.layout().strides() == grad.layout().strides()
        && layout::dims(places) == out;
    let places: &[i64] = alike.then(|| &places.storage()[places.layout().start_offset()..])?;
    gather(dims, out, window, |place, from, to| {
        let (grads, places) = (&grads[from..], &places[from..]);
        for ((to, grad), at) in to.iter_mut().zip(grads).zip(places) {
            *to += if *at == place as i64 { *grad } else { 0.0 };
        }
    })
}

/// Computes the gradient of an average pool's input.
///
/// Returns `None` if the kernel does not support the map or there is padding. Flex computes these
/// cases.
pub(crate) fn avg_pool2d_backward(
    dims: Dims,
    grad: &FlexTensor,
    window: Window,
) -> Option<FlexTensor> {
    let (grads, out) = map(grad).filter(|_| window.padding == [0, 0])?;
    let share = 1.0 / (window.kernel[0] * window.kernel[1]) as f32;
    gather(dims, out, window, |_, from, to| {
        for (to, grad) in to.iter_mut().zip(&grads[from..]) {
            *to += grad * share;
        }
    })
}

/// Calls `add` for every pixel of the map and every window that covers it.
///
/// `add` receives the index of the pixel in its map, the start of the window's values, and the
/// gradients of the pixel.
fn gather(
    dims: Dims,
    out: Dims,
    window: Window,
    add: impl Fn(usize, usize, &mut [f32]) + Sync,
) -> Option<FlexTensor> {
    let [n, c, height, width] = dims;
    let [_, _, rows, columns] = out;
    let fits = window.dilation == [1, 1] && window.output(dims)? == [rows, columns];
    if !fits || out[..2] != [n, c] {
        return None;
    }
    let mut values = vec![0.0; n * c * height * width];
    parallel::chunks(
        &mut values,
        height * width * c,
        width * c,
        |image, start, row| {
            let y = start / (width * c);
            arch().dispatch(
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
        },
    );
    Some(layout::from_channels_last(values, dims))
}
