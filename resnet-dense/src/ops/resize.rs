//! Resizing of feature maps, with PyTorch's sample positions (`align_corners=False`, no antialias).

use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use rayon::prelude::*;

/// The two samples of one output position and their weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Taps {
    /// Indices of the samples.
    pub at: [usize; 2],
    /// Weights of the samples; their sum is 1.
    pub weight: [f32; 2],
}

/// Returns the samples of bilinear interpolation along one axis.
pub fn bilinear_taps(from: usize, to: usize) -> Vec<Taps> {
    (0..to).map(|i| bilinear_tap(from, to, i)).collect()
}

/// Returns the samples of output `i` of bilinear interpolation. Positions have float32 precision, as
/// in PyTorch.
pub fn bilinear_tap(from: usize, to: usize, i: usize) -> Taps {
    let scale = from as f32 / to as f32;
    let source = (scale * (i as f32 + 0.5) - 0.5).max(0.0);
    let low = (source as usize).min(from - 1);
    let share = (source - low as f32).clamp(0.0, 1.0);
    Taps {
        at: [low, (low + 1).min(from - 1)],
        weight: [1.0 - share, share],
    }
}

/// Resizes with bilinear interpolation: `out = Y x X^T` with one matrix of weights per axis.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - output: `[batch, channels, size[0], size[1]]`
pub fn bilinear<B: Backend>(x: Tensor<B, 4>, size: [usize; 2]) -> Tensor<B, 4> {
    let [n, c, h, w] = x.dims();
    if [h, w] == size {
        return x;
    }
    let device = x.device();
    if [h, w] == [1, 1] {
        return x.repeat(&[1, 1, size[0], size[1]]);
    }
    let columns = matrix::<B>(w, size[1], &device).transpose();
    let x = x.reshape([n * c * h, w]).matmul(columns);
    let x = x.reshape([n * c, h, size[1]]);
    let rows = matrix::<B>(h, size[0], &device).unsqueeze::<3>();
    rows.repeat_dim(0, n * c)
        .matmul(x)
        .reshape([n, c, size[0], size[1]])
}

/// Returns the class with the largest logit for each pixel of an image of `size = [height, width]`
/// pixels, like an argmax of [`bilinear`]. Runs on the host, with one transfer.
///
/// # Shapes
/// - `logits`: `[1, classes, height, width]`
///
/// # Panics
///
/// Panics if there are no logits.
pub fn best_classes<B: Backend>(logits: Tensor<B, 4>, size: [usize; 2]) -> Vec<u16> {
    let [_, classes, h, w] = logits.dims();
    let logits: Vec<f32> = logits.into_data().iter().collect();
    best_classes_of(&logits, classes, [h, w], size)
}

/// Resizes logits of one image, `[classes, h, w]`, with bilinear interpolation, and returns the class
/// with the largest logit for each pixel. Works row by row, so it needs no memory for the resized
/// logits.
///
/// # Panics
///
/// Panics if there are fewer logits than `classes * h * w`.
pub fn best_classes_of(
    logits: &[f32],
    classes: usize,
    [h, w]: [usize; 2],
    [height, width]: [usize; 2],
) -> Vec<u16> {
    let [rows, columns] = [bilinear_taps(h, height), bilinear_taps(w, width)];
    let mut pixels = vec![0_u16; height * width];
    let lines = pixels.par_chunks_mut(width.max(1)).zip(&rows);
    lines.for_each(|(line, row)| {
        let mut best = vec![f32::NEG_INFINITY; width];
        for class in 0..classes {
            let map = &logits[class * h * w..][..h * w];
            // The map at this row.
            let narrow: Vec<f32> = (0..w)
                .map(|x| {
                    map[row.at[0] * w + x] * row.weight[0] + map[row.at[1] * w + x] * row.weight[1]
                })
                .collect();
            for (x, column) in columns.iter().enumerate() {
                let logit = narrow[column.at[0]] * column.weight[0]
                    + narrow[column.at[1]] * column.weight[1];
                if logit > best[x] {
                    best[x] = logit;
                    line[x] = class as u16;
                }
            }
        }
    });
    pixels
}

/// Returns the weights of one axis, `[to, from]`.
fn matrix<B: Backend>(from: usize, to: usize, device: &B::Device) -> Tensor<B, 2> {
    let mut values = vec![0.0_f32; to * from];
    for (i, taps) in bilinear_taps(from, to).into_iter().enumerate() {
        for (at, weight) in taps.at.into_iter().zip(taps.weight) {
            values[i * from + at] += weight;
        }
    }
    Tensor::from_data(TensorData::new(values, [to, from]), device)
}

/// Resizes with nearest-neighbor interpolation: output `i` is input `floor(i * in / out)`.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - output: `[batch, channels, size[0], size[1]]`
pub fn nearest<B: Backend>(x: Tensor<B, 4>, size: [usize; 2]) -> Tensor<B, 4> {
    let [_, _, h, w] = x.dims();
    match [h, w] == size {
        true => x,
        false => interpolate(x, size, InterpolateOptions::new(InterpolateMode::Nearest)),
    }
}

/// Returns every second row and column, the first included: a max pool with kernel 1 and stride 2.
///
/// # Shapes
/// - `x`: `[batch, channels, height, width]`
/// - output: `[batch, channels, height / 2, width / 2]`, rounded up
pub fn every_second<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    let [_, _, h, w] = x.dims();
    let x = pick_along(x, 2, h.div_ceil(2), |i| 2 * i);
    pick_along(x, 3, w.div_ceil(2), |i| 2 * i)
}

/// Returns `count` slices of an axis, slice `i` from index `source(i)`.
fn pick_along<B: Backend>(
    x: Tensor<B, 4>,
    axis: usize,
    count: usize,
    source: impl Fn(usize) -> usize,
) -> Tensor<B, 4> {
    let indices: Vec<i64> = (0..count).map(|i| source(i) as i64).collect();
    if count == x.dims()[axis] && indices.iter().enumerate().all(|(i, at)| *at == i as i64) {
        return x;
    }
    let device = x.device();
    let indices = Tensor::<B, 1, Int>::from_data(TensorData::new(indices, [count]), &device);
    x.select(axis, indices)
}
