//! Batch norms by the statistics of the batch, of maps whose channels lie side by side.

use burn_backend::{Bytes, DType, Shape};
use burn_flex::{FlexTensor, Layout};
use rayon::prelude::*;

use crate::simd::arch;
use crate::{layout, parallel};

/// `y = relu(scale * (x - mean) / sqrt(variance + epsilon) + shift + residual)`, mean and variance of each channel of `x`.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    /// `[channels]`
    pub scale: FlexTensor,
    /// `[channels]`
    pub shift: FlexTensor,
    /// Added to the variance before the root.
    pub epsilon: f64,
    /// Of the shape of the output.
    pub residual: Option<FlexTensor>,
    /// Whether the output is `max(y, 0)`.
    pub relu: bool,
}

/// What a [`BatchNorm`] gives.
#[derive(Clone, Debug)]
pub struct Normed {
    /// `[batch, channels, height, width]`, the channels side by side in memory.
    pub output: FlexTensor,
    /// `[channels]`
    pub mean: FlexTensor,
    /// `[channels]`: the mean square of the distance to the mean.
    pub variance: FlexTensor,
    x: FlexTensor,
    scale: Vec<f32>,
    epsilon: f64,
    relu: bool,
}

/// The gradients of what went into a [`BatchNorm`].
#[derive(Clone, Debug)]
pub struct BatchNormGradients {
    /// `[batch, channels, height, width]`
    pub x: FlexTensor,
    /// `[channels]`
    pub scale: FlexTensor,
    /// `[channels]`
    pub shift: FlexTensor,
    /// `[batch, channels, height, width]`, if asked for.
    pub residual: Option<FlexTensor>,
}

impl BatchNorm {
    /// Normalises a map.
    ///
    /// # Shapes
    /// - `x`, output: `[batch, channels, height, width]`, `f32`
    ///
    /// # Panics
    ///
    /// If the shapes do not go together.
    pub fn forward(self, x: FlexTensor) -> Normed {
        let x = layout::into_channels_last(x);
        let dims = layout::dims(&x);
        let values = layout::channels_last(&x).unwrap_or_default();
        let residual = self.residual.map(layout::into_channels_last);
        if let Some(residual) = &residual {
            assert_eq!(layout::dims(residual), dims, "the shape of the residual");
        }
        let residual = residual.as_ref().and_then(layout::channels_last);
        let [scale, shift] = [&self.scale, &self.shift].map(vector);
        assert_eq!([scale.len(), shift.len()], [dims[1]; 2], "channels");
        let (mean, variance) = statistics(values, dims[1]);
        let factor = |c: usize| f64::from(scale[c]) / (variance[c] + self.epsilon).sqrt();
        let channels = Channels::new(dims[1]);
        let affine = Affine {
            factor: channels.repeat(factor),
            sum: channels.repeat(|c| f64::from(shift[c]) - mean[c] * factor(c)),
        };
        let output = affine.forward(&channels, values, residual, self.relu);
        Normed {
            output: layout::from_channels_last(output, dims),
            mean: of_channels(&mean),
            variance: of_channels(&variance),
            x,
            scale,
            epsilon: self.epsilon,
            relu: self.relu,
        }
    }
}

impl Normed {
    /// The gradients, by that of the output.
    ///
    /// # Panics
    ///
    /// If `grad` is not of the shape of the output.
    pub fn backward(self, grad: FlexTensor, residual: bool) -> BatchNormGradients {
        let dims = layout::dims(&self.x);
        assert_eq!(layout::dims(&grad), dims, "the shape of the gradient");
        let mut grad = layout::make_own(grad);
        let values = layout::own_channels_last(&mut grad).unwrap_or_default();
        let x = layout::channels_last(&self.x).unwrap_or_default();
        let output = layout::channels_last(&self.output).filter(|_| self.relu);
        let [mean, variance] = [&self.mean, &self.variance].map(vector);
        let (sums, products) = gradient_sums(values, x, output, &mean);
        // With `n = (x - mean) / deviation`: `dx = scale / deviation * (dy - mean(dy) - n * mean(dy * n))`
        let count = (x.len() / dims[1].max(1)) as f64;
        let deviation = |c: usize| (f64::from(variance[c]) + self.epsilon).sqrt();
        let factor = |c: usize| f64::from(self.scale[c]) / deviation(c);
        let scale: Vec<_> = (0..dims[1]).map(|c| products[c] / deviation(c)).collect();
        let of_x = |c: usize| -factor(c) * scale[c] / count / deviation(c);
        let channels = Channels::new(dims[1]);
        let gradient = Gradient {
            of_grad: channels.repeat(factor),
            mean: channels.repeat(|c| f64::from(mean[c])),
            of_x: channels.repeat(of_x),
            sum: channels.repeat(|c| -factor(c) * sums[c] / count),
        };
        let [scale, shift] = [&scale, &sums].map(|sums| of_channels(sums));
        if !residual {
            gradient.over(&channels, values, x);
            let (x, residual) = (grad, None);
            return BatchNormGradients {
                x,
                scale,
                shift,
                residual,
            };
        }
        let x = gradient.of(&channels, values, x);
        BatchNormGradients {
            x: layout::from_channels_last(x, dims),
            scale,
            shift,
            residual: Some(grad),
        }
    }
}

/// How values are split, so that short pixels do not make short loops.
struct Channels {
    count: usize,
    /// Values of some pixels that are done in one loop.
    period: usize,
    /// Values that one core does at a time: always as many, so that sums do not depend on the number of cores.
    block: usize,
}

impl Channels {
    fn new(count: usize) -> Self {
        let count = count.max(1);
        let period = count * (512 / count).max(1);
        Self {
            count,
            period,
            block: period * (16 * 1024 / period).max(1),
        }
    }

    /// A value for each channel, for all pixels of a loop.
    fn repeat(&self, of: impl Fn(usize) -> f64) -> Vec<f32> {
        let pixel: Vec<_> = (0..self.count).map(|c| of(c) as f32).collect();
        pixel.repeat(self.period / self.count)
    }

    /// Sums of blocks, added up for each channel.
    fn add_up(&self, blocks: &[Vec<f32>]) -> Vec<f64> {
        let mut sums = vec![0.0; self.count];
        for pixel in blocks
            .iter()
            .flat_map(|block| block.chunks_exact(self.count))
        {
            let pairs = sums.iter_mut().zip(pixel);
            pairs.for_each(|(sum, value)| *sum += f64::from(*value));
        }
        sums
    }
}

/// `x * factor + sum`
struct Affine {
    factor: Vec<f32>,
    sum: Vec<f32>,
}

impl Affine {
    /// The same, a residual added, and not below zero with `relu`.
    fn forward(
        &self,
        channels: &Channels,
        x: &[f32],
        residual: Option<&[f32]>,
        relu: bool,
    ) -> Vec<f32> {
        let Self { factor, sum } = self;
        let low = if relu { 0.0 } else { f32::NEG_INFINITY };
        // What is not a number stays.
        let limit = |value: f32| if value < low { low } else { value };
        let mut out = vec![0.0; x.len()];
        parallel::chunks(&mut out, x.len(), channels.block, |_, start, out| {
            arch().dispatch(
                #[inline(always)]
                || {
                    for (index, out) in out.chunks_mut(channels.period).enumerate() {
                        let start = start + index * channels.period;
                        let values = out.iter_mut().zip(&x[start..]).zip(factor).zip(sum);
                        match residual {
                            None => values.for_each(|(((out, x), factor), sum)| {
                                *out = limit(x * factor + sum);
                            }),
                            Some(residual) => {
                                let values = values.zip(&residual[start..]);
                                values.for_each(|((((out, x), factor), sum), residual)| {
                                    *out = limit(x * factor + sum + residual);
                                });
                            }
                        }
                    }
                },
            );
        });
        out
    }
}

/// `grad * of_grad + (x - mean) * of_x + sum`
struct Gradient {
    of_grad: Vec<f32>,
    mean: Vec<f32>,
    of_x: Vec<f32>,
    sum: Vec<f32>,
}

impl Gradient {
    fn of(&self, channels: &Channels, grad: &[f32], x: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; x.len()];
        parallel::chunks(&mut out, x.len(), channels.block, |_, start, out| {
            arch().dispatch(
                #[inline(always)]
                || {
                    for (index, out) in out.chunks_mut(channels.period).enumerate() {
                        let start = start + index * channels.period;
                        let values = out.iter_mut().zip(&grad[start..]).zip(&x[start..]);
                        let of_channels = self
                            .of_grad
                            .iter()
                            .zip(&self.mean)
                            .zip(&self.of_x)
                            .zip(&self.sum);
                        values.zip(of_channels).for_each(
                            |(((out, grad), x), (((of_grad, mean), of_x), sum))| {
                                *out = grad * of_grad + (x - mean) * of_x + sum;
                            },
                        );
                    }
                },
            );
        });
        out
    }

    /// In the place of `grad`.
    fn over(&self, channels: &Channels, grad: &mut [f32], x: &[f32]) {
        let length = grad.len();
        parallel::chunks(grad, length, channels.block, |_, start, grad| {
            arch().dispatch(
                #[inline(always)]
                || {
                    for (index, grad) in grad.chunks_mut(channels.period).enumerate() {
                        let start = start + index * channels.period;
                        let values = grad.iter_mut().zip(&x[start..]);
                        let of_channels = self
                            .of_grad
                            .iter()
                            .zip(&self.mean)
                            .zip(&self.of_x)
                            .zip(&self.sum);
                        values.zip(of_channels).for_each(
                            |((grad, x), (((of_grad, mean), of_x), sum))| {
                                *grad = *grad * of_grad + (x - mean) * of_x + sum;
                            },
                        );
                    }
                },
            );
        });
    }
}

/// Mean and variance of each channel.
fn statistics(values: &[f32], channels: usize) -> (Vec<f64>, Vec<f64>) {
    let channels = Channels::new(channels);
    // Distances to about the mean, for the squares of large values leave no digits for the variance.
    let some = &values[..values.len().min(64 * channels.count)];
    let pixels = (some.len() / channels.count).max(1) as f64;
    let about: Vec<_> = channels
        .add_up(&[some.to_vec()])
        .iter()
        .map(|sum| sum / pixels)
        .collect();
    let near = channels.repeat(|c| about[c]);
    let block = |values: &[f32]| {
        let mut sums = vec![0.0; channels.period];
        let mut squares = vec![0.0; channels.period];
        arch().dispatch(
            #[inline(always)]
            || {
                for values in values.chunks(channels.period) {
                    let values = values.iter().zip(&near);
                    let sums = sums.iter_mut().zip(&mut squares);
                    values.zip(sums).for_each(|((value, near), (sum, square))| {
                        let distance = value - near;
                        *sum += distance;
                        *square += distance * distance;
                    });
                }
            },
        );
        (sums, squares)
    };
    let (sums, squares): (Vec<_>, Vec<_>) = values.par_chunks(channels.block).map(block).unzip();
    let [sums, squares] = [sums, squares].map(|blocks| channels.add_up(&blocks));
    let count = (values.len() / channels.count).max(1) as f64;
    let distances: Vec<_> = sums.iter().map(|sum| sum / count).collect();
    let variance = squares
        .iter()
        .zip(&distances)
        .map(|(square, distance)| (square / count - distance * distance).max(0.0));
    let mean = about
        .iter()
        .zip(&distances)
        .map(|(about, distance)| about + distance);
    (mean.collect(), variance.collect())
}

/// Sets gradients to zero where the output is, and sums them up for each channel, alone and times `x - mean`.
fn gradient_sums(
    grad: &mut [f32],
    x: &[f32],
    output: Option<&[f32]>,
    mean: &[f32],
) -> (Vec<f64>, Vec<f64>) {
    let channels = Channels::new(mean.len());
    let mean = channels.repeat(|c| f64::from(mean[c]));
    let block = |(number, grad): (usize, &mut [f32])| {
        let mut sums = vec![0.0; channels.period];
        let mut products = vec![0.0; channels.period];
        arch().dispatch(
            #[inline(always)]
            || {
                for (index, grad) in grad.chunks_mut(channels.period).enumerate() {
                    let start = number * channels.block + index * channels.period;
                    if let Some(output) = output {
                        let values = grad.iter_mut().zip(&output[start..]);
                        values.for_each(|(grad, output)| {
                            *grad = if *output <= 0.0 { 0.0 } else { *grad }
                        });
                    }
                    let values = grad.iter().zip(&x[start..]).zip(&mean);
                    let sums = sums.iter_mut().zip(&mut products);
                    values
                        .zip(sums)
                        .for_each(|(((grad, x), mean), (sum, product))| {
                            *sum += grad;
                            *product += grad * (x - mean);
                        });
                }
            },
        );
        (sums, products)
    };
    let blocks = grad.par_chunks_mut(channels.block).enumerate();
    let (sums, products): (Vec<_>, Vec<_>) = blocks.map(block).unzip();
    (channels.add_up(&sums), channels.add_up(&products))
}

fn vector(values: &FlexTensor) -> Vec<f32> {
    values.to_contiguous().storage().to_vec()
}

fn of_channels(values: &[f64]) -> FlexTensor {
    let values: Vec<_> = values.iter().map(|value| *value as f32).collect();
    let layout = Layout::contiguous(Shape::from([values.len()].to_vec()));
    FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
}
