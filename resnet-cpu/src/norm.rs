//! Batch norm with batch statistics, for channels-last feature maps.

use burn_backend::{Bytes, DType, Shape};
use burn_flex::{FlexTensor, Layout};
use resnet_kernels::norm::{Affine, Gradient, gradient_sums, statistics};

use crate::layout;

/// A batch norm with optional residual and ReLU.
///
/// `y = relu(scale * (x - mean) / sqrt(variance + epsilon) + shift + residual)`, with the mean and
/// variance of each channel of `x`.
#[derive(Clone, Debug)]
pub struct BatchNormPass {
    /// Scale of the normalized values, `[channels]`.
    pub scale: FlexTensor,
    /// Shift of the normalized values, `[channels]`.
    pub shift: FlexTensor,
    /// Added to the variance before the square root.
    pub epsilon: f64,
    /// Residual, with the shape of the output.
    pub residual: Option<FlexTensor>,
    /// Whether to apply a ReLU.
    pub relu: bool,
}

/// The result of a [`BatchNormPass`].
#[derive(Clone, Debug)]
pub struct Normed {
    /// Output, `[batch, channels, height, width]`, channels-last.
    pub output: FlexTensor,
    /// Mean of each channel, `[channels]`.
    pub mean: FlexTensor,
    /// Biased variance of each channel, `[channels]`.
    pub variance: FlexTensor,
    x: FlexTensor,
    scale: Vec<f32>,
    epsilon: f64,
    relu: bool,
}

/// The gradients of the inputs of a [`BatchNormPass`].
#[derive(Clone, Debug)]
pub struct BatchNormGradients {
    /// Gradient of the input, `[batch, channels, height, width]`.
    pub x: FlexTensor,
    /// Gradient of the scale, `[channels]`.
    pub scale: FlexTensor,
    /// Gradient of the shift, `[channels]`.
    pub shift: FlexTensor,
    /// Gradient of the residual, `[batch, channels, height, width]`, if requested.
    pub residual: Option<FlexTensor>,
}

impl BatchNormPass {
    /// Normalizes a feature map.
    ///
    /// # Shapes
    /// - `x`, output: `[batch, channels, height, width]`, `f32`
    ///
    /// # Panics
    ///
    /// Panics if the shapes do not match or a tensor is not `f32`.
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
        let sum = |c: usize| f64::from(shift[c]) - mean[c] * factor(c);
        let affine = Affine::new(&rounded(dims[1], factor), &rounded(dims[1], sum));
        let mut output = vec![0.0; values.len()];
        affine.run(values, residual, self.relu, &mut output);
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
    /// Computes the gradients of the inputs from the gradient of the output.
    ///
    /// Pass `residual = true` to compute the gradient of the residual.
    ///
    /// # Panics
    ///
    /// Panics if `grad` is not `f32` or its shape is not the shape of the output.
    pub fn backward(self, grad: FlexTensor, residual: bool) -> BatchNormGradients {
        let dims = layout::dims(&self.x);
        assert_eq!(layout::dims(&grad), dims, "the shape of the gradient");
        let mut grad = layout::make_own(grad);
        let values = layout::own_channels_last(&mut grad).unwrap_or_default();
        let x = layout::channels_last(&self.x).unwrap_or_default();
        let output = layout::channels_last(&self.output).filter(|_| self.relu);
        let [mean, variance] = [&self.mean, &self.variance].map(vector);
        let (sums, products) = gradient_sums(values, x, output, &mean);
        // With `n = (x - mean) / deviation`:
        // `dx = scale / deviation * (dy - mean(dy) - n * mean(dy * n))`
        let count = (x.len() / dims[1].max(1)) as f64;
        let deviation = |c: usize| (f64::from(variance[c]) + self.epsilon).sqrt();
        let factor = |c: usize| f64::from(self.scale[c]) / deviation(c);
        let scale: Vec<_> = (0..dims[1]).map(|c| products[c] / deviation(c)).collect();
        let of_x = |c: usize| -factor(c) * scale[c] / count / deviation(c);
        let sum = |c: usize| -factor(c) * sums[c] / count;
        let gradient = Gradient::new([
            &rounded(dims[1], factor),
            &mean,
            &rounded(dims[1], of_x),
            &rounded(dims[1], sum),
        ]);
        let [scale, shift] = [&scale, &sums].map(|sums| of_channels(sums));
        let (x, residual) = match residual {
            true => {
                let mut of_x = vec![0.0; x.len()];
                gradient.run(&mut of_x, Some(values), x);
                (layout::from_channels_last(of_x, dims), Some(grad))
            }
            false => {
                gradient.run(values, None, x);
                (grad, None)
            }
        };
        BatchNormGradients {
            x,
            scale,
            shift,
            residual,
        }
    }
}

/// Returns a value for each channel.
fn rounded(channels: usize, of: impl Fn(usize) -> f64) -> Vec<f32> {
    (0..channels).map(|c| of(c) as f32).collect()
}

fn vector(values: &FlexTensor) -> Vec<f32> {
    layout::values(&values.to_contiguous()).to_vec()
}

fn of_channels(values: &[f64]) -> FlexTensor {
    let values: Vec<_> = values.iter().map(|value| *value as f32).collect();
    let layout = Layout::contiguous(Shape::from([values.len()].to_vec()));
    FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
}
