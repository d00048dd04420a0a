//! Forward passes of pools.

use super::Window;
use crate::sizes::Dims;
use crate::{parallel, vectorize};

/// The divisor of an average.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Divisor {
    /// The number of taps of the window.
    Taps,
    /// The number of taps inside the map.
    Inside,
}

/// Computes a max pool. The height and width of the output are `size`.
///
/// A NaN counts only if it is the first value of a window, as in Burn's Flex.
///
/// # Shapes
/// - `x`: `[batch, height, width, channels]` for `dims`, `[batch, channels, height, width]`
/// - `out`: `[batch, size[0], size[1], channels]`
///
/// # Panics
///
/// Panics if the number of values is wrong.
pub fn max(x: &[f32], dims: Dims, window: Window, size: [usize; 2], out: &mut [f32]) {
    let better = |value: f32, best: f32| if value > best { value } else { best };
    pool::<_, 32>(x, dims, window, size, out, better, |_, _| {});
}

/// Computes an average pool like [`max`].
///
/// # Panics
///
/// Panics if the number of values is wrong.
pub fn average(
    x: &[f32],
    dims: Dims,
    window: Window,
    divisor: Divisor,
    size: [usize; 2],
    out: &mut [f32],
) {
    let taps = window.kernel[0] * window.kernel[1];
    let share = |inside: usize| match divisor {
        Divisor::Taps => 1.0 / taps as f32,
        Divisor::Inside => 1.0 / inside as f32,
    };
    let finish = |out: &mut [f32], inside: usize| {
        let share = share(inside);
        out.iter_mut().for_each(|out| *out *= share);
    };
    pool::<_, 32>(x, dims, window, size, out, |value, sum| sum + value, finish);
}

/// Most taps of a window whose values are joined in registers.
const FEW: usize = 9;

/// Joins the values of each channel. Several channels stay in registers.
#[inline(always)]
fn join_few<T: Copy, const CHANNELS: usize>(
    taps: &[&[T]],
    out: &mut [T],
    join: impl Fn(T, T) -> T,
) {
    let Some((first, rest)) = taps.split_first() else {
        return;
    };
    let (blocks, tail) = out.as_chunks_mut::<CHANNELS>();
    let whole = blocks.len() * CHANNELS;
    for (block, out) in blocks.iter_mut().enumerate() {
        let part = |values: &[T]| {
            values[block * CHANNELS..]
                .first_chunk::<CHANNELS>()
                .copied()
        };
        let Some(mut joined) = part(first) else {
            continue;
        };
        for values in rest.iter().filter_map(|values| part(values)) {
            for (joined, value) in joined.iter_mut().zip(values) {
                *joined = join(value, *joined);
            }
        }
        *out = joined;
    }
    for (channel, out) in tail.iter_mut().enumerate() {
        let value = |values: &[T]| values[whole + channel];
        *out = rest
            .iter()
            .fold(value(first), |joined, values| join(value(values), joined));
    }
}

/// Joins the values of each channel, and returns their number.
#[inline(always)]
fn join_all<'a, T: Copy + 'a>(
    taps: impl Iterator<Item = (&'a [T], usize)>,
    out: &mut [T],
    join: impl Fn(T, T) -> T,
) -> usize {
    let mut inside = 0;
    for (from, _) in taps {
        for (out, value) in out.iter_mut().zip(from) {
            *out = match inside {
                0 => *value,
                _ => join(*value, *out),
            };
        }
        inside += 1;
    }
    inside
}

/// Joins the values of each window with `join`, and calls `finish` with the outputs of a pixel and the
/// number of its values inside the map. `CHANNELS` values fill a few vectors.
pub(crate) fn pool<T: Copy + Send + Sync, const CHANNELS: usize>(
    x: &[T],
    dims: Dims,
    window: Window,
    [height, width]: [usize; 2],
    out: &mut [T],
    join: impl Fn(T, T) -> T + Copy + Sync,
    finish: impl Fn(&mut [T], usize) + Sync,
) {
    let [n, c, h, w] = dims;
    assert_eq!(x.len(), n * h * w * c, "values of the input");
    assert_eq!(out.len(), n * height * width * c, "values of the output");
    let (image, row) = (height * width * c, width * c);
    parallel::chunks(out, image, row, |image, start, out| {
        let image = &x[image * h * w * c..][..h * w * c];
        vectorize(
            #[inline(always)]
            || {
                let y = start / row;
                let rows = Inside::new(window, 0, y, h);
                for (x, out) in out.chunks_exact_mut(c).enumerate() {
                    let inside = match window.kernel[0] * window.kernel[1] <= FEW {
                        true => {
                            let columns = Inside::new(window, 1, x, w);
                            let mut taps: [&[T]; FEW] = [&[]; FEW];
                            let mut count = 0;
                            for y in rows.iter() {
                                for x in columns.iter() {
                                    taps[count] = &image[(y * w + x) * c..][..c];
                                    count += 1;
                                }
                            }
                            join_few::<T, CHANNELS>(&taps[..count], out, join);
                            count
                        }
                        false => join_all(taps(image, dims, window, [y, x]), out, join),
                    };
                    finish(out, inside);
                }
            },
        );
    });
}

/// The positions of a window's taps along one axis that are inside of the map.
#[derive(Clone, Copy)]
struct Inside {
    positions: [usize; FEW],
    count: usize,
}

impl Inside {
    #[inline(always)]
    fn new(window: Window, axis: usize, at: usize, size: usize) -> Self {
        let (mut positions, mut count) = ([0; FEW], 0);
        for tap in 0..window.kernel[axis].min(FEW) {
            if let Some(position) = window.tap(axis, at, tap, size) {
                positions[count] = position;
                count += 1;
            }
        }
        Self { positions, count }
    }

    #[inline(always)]
    fn iter(&self) -> core::slice::Iter<'_, usize> {
        self.positions[..self.count].iter()
    }
}

/// Computes a max pool and the index of each maximum in its map, row times width plus column.
///
/// # Panics
///
/// Panics if the number of values is wrong.
pub fn max_with_indices(
    x: &[f32],
    dims: Dims,
    window: Window,
    [height, width]: [usize; 2],
    maxima: &mut [f32],
    places: &mut [i64],
) {
    let [n, c, h, w] = dims;
    assert_eq!(x.len(), n * h * w * c, "values of the input");
    assert_eq!(maxima.len(), n * height * width * c, "values of the output");
    let (image, row) = (height * width * c, width * c);
    parallel::chunks_of_two(
        maxima,
        places,
        image,
        row,
        |image, start, maxima, places| {
            let image = &x[image * h * w * c..][..h * w * c];
            vectorize(
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
}

/// Computes the mean and the maximum of each channel, `[batch, channels]`. Either may be omitted.
///
/// # Panics
///
/// Panics if a number of values is wrong or the map has no pixels.
pub fn global(x: &[f32], dims: Dims, mean: Option<&mut [f32]>, maximum: Option<&mut [f32]>) {
    let [n, c, h, w] = dims;
    assert_eq!(x.len(), n * h * w * c, "values of the input");
    assert!(h * w > 0, "expected a map with pixels, found {dims:?}");
    let image = |number: usize| &x[number * h * w * c..][..h * w * c];
    if let Some(mean) = mean {
        assert_eq!(mean.len(), n * c, "values of the mean");
        for (number, mean) in mean.chunks_exact_mut(c).enumerate() {
            vectorize(
                #[inline(always)]
                || {
                    mean.fill(0.0);
                    // Sums of rows, so that errors grow with the sides of the map, not its area.
                    for row in image(number).chunks_exact(w * c) {
                        for channel in (0..c).step_by(BLOCK) {
                            let channels = channel..c.min(channel + BLOCK);
                            let mut sums = [0.0; BLOCK];
                            for pixel in row.chunks_exact(c) {
                                let values = &pixel[channels.clone()];
                                sums.iter_mut().zip(values).for_each(|(sum, x)| *sum += x);
                            }
                            let mean = mean[channels].iter_mut();
                            mean.zip(sums).for_each(|(mean, sum)| *mean += sum);
                        }
                    }
                    let count = (h * w) as f32;
                    mean.iter_mut().for_each(|mean| *mean /= count);
                },
            );
        }
    }
    if let Some(maximum) = maximum {
        assert_eq!(maximum.len(), n * c, "values of the maximum");
        for (number, maximum) in maximum.chunks_exact_mut(c).enumerate() {
            vectorize(
                #[inline(always)]
                || {
                    maximum.copy_from_slice(&image(number)[..c]);
                    for pixel in image(number).chunks_exact(c) {
                        let pairs = maximum.iter_mut().zip(pixel);
                        // Keeps NaN.
                        pairs.for_each(|(most, x)| *most = if *most >= *x { *most } else { *x });
                    }
                },
            );
        }
    }
}

/// Number of channels whose sums stay in registers.
const BLOCK: usize = 64;

/// Returns the pixels of the window at `[y, x]`, each with its index in the map.
#[inline(always)]
fn taps<T>(
    image: &[T],
    [_, channels, height, width]: Dims,
    window: Window,
    [y, x]: [usize; 2],
) -> impl Iterator<Item = (&[T], usize)> {
    let rows = (0..window.kernel[0]).filter_map(move |tap| window.tap(0, y, tap, height));
    rows.flat_map(move |y| {
        let columns = (0..window.kernel[1]).filter_map(move |tap| window.tap(1, x, tap, width));
        columns.map(move |x| {
            let place = y * width + x;
            (&image[place * channels..][..channels], place)
        })
    })
}
