//! Forward passes of pools.

use burn_backend::{Bytes, DType};
use burn_flex::FlexTensor;

use super::{Window, map};
use crate::layout::{self, Dims};
use crate::parallel;
use crate::simd::arch;

/// Computes a max pool.
///
/// Returns `None` if the kernel does not support the map or the window. Flex computes these cases.
pub(crate) fn max_pool2d(x: &FlexTensor, window: Window) -> Option<FlexTensor> {
    let better = |value: f32, best: f32| if value > best { value } else { best };
    // As in Flex, a NaN counts only if it is the first value of a window.
    window.meets().then(|| pool(x, window, better, 1.0))?
}

/// Computes an average pool.
///
/// Returns `None` if the kernel does not support the map or there is padding. Flex computes these
/// cases.
pub(crate) fn avg_pool2d(x: &FlexTensor, window: Window) -> Option<FlexTensor> {
    let taps = window.kernel[0] * window.kernel[1];
    let inside = window.padding == [0, 0];
    inside.then(|| pool(x, window, |value, sum| sum + value, 1.0 / taps as f32))?
}

fn pool(
    x: &FlexTensor,
    window: Window,
    join: impl Fn(f32, f32) -> f32 + Copy + Sync,
    share: f32,
) -> Option<FlexTensor> {
    let (values, dims) = map(x)?;
    let [height, width] = window.output(dims)?;
    let [n, c, h, w] = dims;
    let mut out = vec![0.0; n * height * width * c];
    let (image, row) = (height * width * c, width * c);
    parallel::chunks(&mut out, image, row, |image, start, out| {
        let image = &values[image * h * w * c..][..h * w * c];
        arch().dispatch(
            #[inline(always)]
            || {
                for (x, out) in out.chunks_exact_mut(c).enumerate() {
                    for (index, (from, _)) in
                        taps(image, dims, window, [start / row, x]).enumerate()
                    {
                        for (out, value) in out.iter_mut().zip(from) {
                            *out = if index == 0 {
                                *value
                            } else {
                                join(*value, *out)
                            };
                        }
                    }
                    out.iter_mut().for_each(|out| *out *= share);
                }
            },
        );
    });
    Some(layout::from_channels_last(out, [n, c, height, width]))
}

/// Computes a max pool and the index of each maximum in its map, row times width plus column.
/// Returns `None` like [`max_pool2d`].
pub(crate) fn max_pool2d_with_indices(
    x: &FlexTensor,
    window: Window,
) -> Option<(FlexTensor, FlexTensor)> {
    let (values, dims) = map(x).filter(|_| window.meets())?;
    let [height, width] = window.output(dims)?;
    let [n, c, h, w] = dims;
    let (mut maxima, mut places) = (
        vec![0.0; n * height * width * c],
        vec![0_i64; n * height * width * c],
    );
    let (image, row) = (height * width * c, width * c);
    parallel::chunks_of_two(
        &mut maxima,
        &mut places,
        image,
        row,
        |image, start, maxima, places| {
            let image = &values[image * h * w * c..][..h * w * c];
            arch().dispatch(
                #[inline(always)]
                || {
                    let pixels = maxima.chunks_exact_mut(c).zip(places.chunks_exact_mut(c));
                    for (x, (maxima, places)) in pixels.enumerate() {
                        for (index, (from, place)) in
                            taps(image, dims, window, [start / row, x]).enumerate()
                        {
                            for ((most, at), value) in maxima.iter_mut().zip(&mut *places).zip(from)
                            {
                                let better = index == 0 || *value > *most;
                                *most = if better { *value } else { *most };
                                *at = if better { place as i64 } else { *at };
                            }
                        }
                    }
                },
            );
        },
    );
    let dims = [n, c, height, width];
    let maxima = layout::from_channels_last(maxima, dims);
    let layout = maxima.layout().clone();
    let places = FlexTensor::new(Bytes::from_elems(places), layout, DType::I64);
    Some((maxima, places))
}

/// Returns the pixels of the window at `[y, x]`, each with its index in the map.
#[inline(always)]
fn taps(
    image: &[f32],
    [_, channels, height, width]: Dims,
    window: Window,
    [y, x]: [usize; 2],
) -> impl Iterator<Item = (&[f32], usize)> {
    let rows = (0..window.kernel[0]).filter_map(move |tap| window.tap(0, y, tap, height));
    rows.flat_map(move |y| {
        let columns = (0..window.kernel[1]).filter_map(move |tap| window.tap(1, x, tap, width));
        columns.map(move |x| {
            let place = y * width + x;
            (&image[place * channels..][..channels], place)
        })
    })
}
