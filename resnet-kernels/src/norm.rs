//! Batch norm with batch statistics, for channels-last feature maps.

use alloc::vec;
use alloc::vec::Vec;

use crate::sizes::Dims;
use crate::{parallel, vectorize};

/// The split of the values into loops and blocks. If there are few channels, a loop covers several
/// pixels.
struct Channels {
    count: usize,
    /// Number of values in a loop. A loop covers whole pixels.
    period: usize,
    /// Number of values that one core takes at a time. It is independent of the number of cores, so
    /// the sums are as well.
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

    /// Returns the values of all channels, repeated for all pixels of a loop.
    fn repeat(&self, of_channels: &[f32]) -> Vec<f32> {
        of_channels.repeat(self.period / self.count)
    }

    /// Adds the sums of all blocks, for each channel.
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

/// The function `x * factor + sum` with a factor and a sum for each channel.
pub struct Affine {
    channels: Channels,
    factor: Vec<f32>,
    sum: Vec<f32>,
}

impl Affine {
    /// Creates the function from the values of each channel.
    ///
    /// # Panics
    ///
    /// Panics if the lengths differ.
    pub fn new(factor: &[f32], sum: &[f32]) -> Self {
        assert_eq!(factor.len(), sum.len(), "channels");
        let channels = Channels::new(factor.len());
        Self {
            factor: channels.repeat(factor),
            sum: channels.repeat(sum),
            channels,
        }
    }

    /// Returns the size in bytes.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.factor[..]) + size_of_val(&self.sum[..])
    }

    /// Writes `x * factor + sum + residual` to `out`, or its ReLU if `relu` is true.
    ///
    /// # Panics
    ///
    /// Panics if the lengths differ.
    pub fn run(&self, x: &[f32], residual: Option<&[f32]>, relu: bool, out: &mut [f32]) {
        let Self {
            channels,
            factor,
            sum,
        } = self;
        assert_eq!(x.len(), out.len(), "values of the output");
        assert!(residual.is_none_or(|residual| residual.len() == x.len()));
        let low = if relu { 0.0 } else { f32::NEG_INFINITY };
        // Keeps NaN.
        let limit = |value: f32| if value < low { low } else { value };
        parallel::chunks(out, x.len(), channels.block, |_, start, out| {
            vectorize(
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
    }
}

/// The gradient `grad * of_grad + (x - mean) * of_x + sum`, with four values for each channel.
pub struct Gradient {
    channels: Channels,
    of_grad: Vec<f32>,
    mean: Vec<f32>,
    of_x: Vec<f32>,
    sum: Vec<f32>,
}

impl Gradient {
    /// Creates the gradient from `of_grad`, `mean`, `of_x` and `sum` of each channel.
    pub fn new(of_channels: [&[f32]; 4]) -> Self {
        let channels = Channels::new(of_channels[0].len());
        let [of_grad, mean, of_x, sum] = of_channels.map(|values| channels.repeat(values));
        Self {
            channels,
            of_grad,
            mean,
            of_x,
            sum,
        }
    }

    /// Writes the gradient of `x` to `out`. If `grad` is `None`, `out` holds the gradient of the
    /// output.
    ///
    /// # Panics
    ///
    /// Panics if `x` or `grad` is shorter than `out`.
    pub fn run(&self, out: &mut [f32], grad: Option<&[f32]>, x: &[f32]) {
        let channels = &self.channels;
        let value =
            |grad: f32, x: f32, (((of_grad, mean), of_x), sum): (((&f32, &f32), &f32), &f32)| {
                grad * of_grad + (x - mean) * of_x + sum
            };
        let length = out.len();
        parallel::chunks(out, length, channels.block, |_, start, out| {
            vectorize(
                #[inline(always)]
                || {
                    for (index, out) in out.chunks_mut(channels.period).enumerate() {
                        let start = start + index * channels.period;
                        let both = self.of_grad.iter().zip(&self.mean);
                        let of_channels = both.zip(&self.of_x).zip(&self.sum);
                        let values = out.iter_mut().zip(&x[start..]).zip(of_channels);
                        match grad {
                            None => values.for_each(|((out, x), of_channel)| {
                                *out = value(*out, *x, of_channel)
                            }),
                            Some(grad) => values.zip(&grad[start..]).for_each(
                                |(((out, x), of_channel), grad)| {
                                    *out = value(*grad, *x, of_channel)
                                },
                            ),
                        }
                    }
                },
            );
        });
    }
}

/// Returns the mean and the biased variance of each channel.
pub fn statistics(values: &[f32], channels: usize) -> (Vec<f64>, Vec<f64>) {
    let channels = Channels::new(channels);
    // Sums the distances to an estimate of the mean, because squares of large values would cancel
    // the digits of the variance.
    let some = &values[..values.len().min(64 * channels.count)];
    let pixels = (some.len() / channels.count).max(1) as f64;
    let about: Vec<_> = channels
        .add_up(&[some.to_vec()])
        .iter()
        .map(|sum| sum / pixels)
        .collect();
    let near: Vec<_> = about.iter().map(|about| *about as f32).collect();
    let near = channels.repeat(&near);
    let block = |values: &[f32]| {
        let mut sums = vec![0.0; channels.period];
        let mut squares = vec![0.0; channels.period];
        vectorize(
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
    let blocks = parallel::map(values.chunks(channels.block), block);
    let (sums, squares): (Vec<_>, Vec<_>) = blocks.into_iter().unzip();
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

/// Sets gradients to zero where the ReLU's output is zero. Returns two sums for each channel: the
/// gradients, and the gradients times `x - mean`.
///
/// # Panics
///
/// Panics if `x` or `output` is shorter than `grad`.
pub fn gradient_sums(
    grad: &mut [f32],
    x: &[f32],
    output: Option<&[f32]>,
    mean: &[f32],
) -> (Vec<f64>, Vec<f64>) {
    let channels = Channels::new(mean.len());
    let mean = channels.repeat(mean);
    let block = |(number, grad): (usize, &mut [f32])| {
        let mut sums = vec![0.0; channels.period];
        let mut products = vec![0.0; channels.period];
        vectorize(
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
    let blocks = parallel::map(grad.chunks_mut(channels.block).enumerate(), block);
    let (sums, products): (Vec<_>, Vec<_>) = blocks.into_iter().unzip();
    (channels.add_up(&sums), channels.add_up(&products))
}

/// Group normalization (Wu & He 2018): `y = (x - mean) / sqrt(variance + epsilon) * weight + bias`,
/// with the statistics of the channels of a group in one image.
#[derive(Clone, Debug)]
pub struct GroupNorm {
    /// Number of channel groups.
    pub groups: usize,
    /// Added to the variance before the square root.
    pub epsilon: f32,
    /// Scale, `[channels]`.
    pub weight: Vec<f32>,
    /// Shift, `[channels]`.
    pub bias: Vec<f32>,
}

impl GroupNorm {
    /// Writes the norm of `x` plus the residual to `out`, or its ReLU if `relu` is true.
    ///
    /// # Shapes
    /// - `x`, `residual`, `out`: `[batch, height, width, channels]` for `dims`, `[batch, channels,
    ///   height, width]`
    ///
    /// # Panics
    ///
    /// Panics if the number of values is wrong or the groups do not divide the channels.
    pub fn run(
        &self,
        x: &[f32],
        dims: Dims,
        residual: Option<&[f32]>,
        relu: bool,
        out: &mut [f32],
    ) {
        let [n, c, h, w] = dims;
        let image = c * h * w;
        assert_eq!([self.weight.len(), self.bias.len()], [c; 2], "channels");
        assert!(self.groups > 0 && c.is_multiple_of(self.groups), "groups");
        assert_eq!([x.len(), out.len()], [n * image; 2], "values");
        assert!(residual.is_none_or(|residual| residual.len() == x.len()));
        let low = if relu { 0.0 } else { f32::NEG_INFINITY };
        // Keeps NaN.
        let limit = |value: f32| if value < low { low } else { value };
        let width = c / self.groups;
        let out = parallel::Shared::new(out);
        parallel::each(n * self.groups, |index| {
            let (number, group) = (index / self.groups, index % self.groups);
            let start = number * image + group * width;
            let channels = group * width..(group + 1) * width;
            let (weight, bias) = (&self.weight[channels.clone()], &self.bias[channels]);
            let values = || {
                x[start..(number + 1) * image]
                    .chunks(c)
                    .map(|x| &x[..width])
            };
            let count = (h * w * width) as f64;
            vectorize(
                #[inline(always)]
                || {
                    let sum = |of: &dyn Fn(f64) -> f64| {
                        let rows = values().map(|x| x.iter().map(|x| of(f64::from(*x))).sum());
                        rows.fold(0.0, |sum, row: f64| sum + row)
                    };
                    let mean = sum(&|x| x) / count;
                    let variance = sum(&|x| (x - mean) * (x - mean)) / count;
                    let scale = 1.0 / libm::sqrt(variance + f64::from(self.epsilon));
                    for (pixel, x) in values().enumerate() {
                        let at = start + pixel * c;
                        // SAFETY: no other group or image has these channels of this pixel.
                        let out = unsafe { out.slice(at..at + width) };
                        let parameters = weight.iter().zip(bias);
                        let residual = residual.map(|residual| &residual[at..at + width]);
                        let pairs = out.iter_mut().zip(x).zip(parameters).enumerate();
                        for (index, ((out, x), (weight, bias))) in pairs {
                            let y = ((f64::from(*x) - mean) * scale) as f32 * weight + bias;
                            let added = residual.map_or(0.0, |residual| residual[index]);
                            *out = limit(y + added);
                        }
                    }
                },
            );
        });
    }
}
