//! The loops of batch norm over the values of a feature map.

use crate::parallel;
use crate::simd::arch;

/// The split of the values into loops and blocks. If there are few channels, a loop covers several
/// pixels.
pub(super) struct Channels {
    count: usize,
    /// Number of values in a loop. A loop covers whole pixels.
    period: usize,
    /// Number of values that one core takes at a time. It is independent of the number of cores, so
    /// the sums are as well.
    block: usize,
}

impl Channels {
    pub(super) fn new(count: usize) -> Self {
        let count = count.max(1);
        let period = count * (512 / count).max(1);
        Self {
            count,
            period,
            block: period * (16 * 1024 / period).max(1),
        }
    }

    /// Returns the values of all channels, repeated for all pixels of a loop.
    pub(super) fn repeat(&self, of: impl Fn(usize) -> f64) -> Vec<f32> {
        let pixel: Vec<_> = (0..self.count).map(|c| of(c) as f32).collect();
        pixel.repeat(self.period / self.count)
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

/// The function `x * factor + sum`.
pub(super) struct Affine {
    pub(super) factor: Vec<f32>,
    pub(super) sum: Vec<f32>,
}

impl Affine {
    /// Computes `x * factor + sum + residual`, then the ReLU if `relu` is true.
    pub(super) fn forward(
        &self,
        channels: &Channels,
        x: &[f32],
        residual: Option<&[f32]>,
        relu: bool,
    ) -> Vec<f32> {
        let Self { factor, sum } = self;
        let low = if relu { 0.0 } else { f32::NEG_INFINITY };
        // Keeps NaN.
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

/// The gradient `grad * of_grad + (x - mean) * of_x + sum`.
pub(super) struct Gradient {
    pub(super) of_grad: Vec<f32>,
    pub(super) mean: Vec<f32>,
    pub(super) of_x: Vec<f32>,
    pub(super) sum: Vec<f32>,
}

impl Gradient {
    /// Writes the gradient of `x` to `out`. If `grad` is `None`, `out` holds the gradient of the
    /// output.
    pub(super) fn write(
        &self,
        channels: &Channels,
        out: &mut [f32],
        grad: Option<&[f32]>,
        x: &[f32],
    ) {
        let value =
            |grad: f32, x: f32, (((of_grad, mean), of_x), sum): (((&f32, &f32), &f32), &f32)| {
                grad * of_grad + (x - mean) * of_x + sum
            };
        let length = out.len();
        parallel::chunks(out, length, channels.block, |_, start, out| {
            arch().dispatch(
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
pub(super) fn statistics(values: &[f32], channels: usize) -> (Vec<f64>, Vec<f64>) {
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
pub(super) fn gradient_sums(
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
    let blocks = parallel::map(grad.chunks_mut(channels.block).enumerate(), block);
    let (sums, products): (Vec<_>, Vec<_>) = blocks.into_iter().unzip();
    (channels.add_up(&sums), channels.add_up(&products))
}
