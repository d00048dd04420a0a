//! Convolutions of channels-last feature maps.
//!
//! For each kernel row, the inputs of an output pixel are contiguous: kernel width times channels
//! values. The innermost loop reads these inputs for several pixels and keeps their outputs in
//! registers. So a convolution needs no im2col matrix and writes every output once.

mod cache;
mod direct;
mod geometry;
mod grad_input;
mod grad_weight;
mod job;
mod packed;
mod padded;
mod phases;
mod prepare;
mod products;
mod winograd;

use burn_backend::ops::{ActivationOps, ConvOptions, FloatTensorOps, ModuleOps};
use burn_backend::{DType, Shape};
use burn_flex::{Flex, FlexTensor};

use crate::simd::vectors;
use crate::{check, layout};
use direct::Direct;
use geometry::Geometry;
use job::{After, Job};
use prepare::{Kernel, prepare};
use winograd::Winograd;

/// The operations that follow a convolution in the same pass:
/// `y = relu(scale * conv(x) + bias + residual)`.
#[derive(Clone, Debug, Default)]
pub struct Epilogue {
    /// Scale per channel, `[out]`.
    pub scale: Option<FlexTensor>,
    /// Bias per channel, `[out]`.
    pub bias: Option<FlexTensor>,
    /// Residual, with the shape of the output. If no other tensor shares its memory, the output is
    /// written there.
    pub residual: Option<FlexTensor>,
    /// Whether to apply a ReLU.
    pub relu: bool,
}

/// The phase of a network, which decides how a convolution prepares its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The weights stay constant between calls.
    ///
    /// Winograd's algorithm computes the convolution if it is faster. Its rounding errors are about
    /// 1e-6 of the largest output. Inputs with a NaN, an infinity or a magnitude above 1e15 use the
    /// direct kernel, so a NaN reaches only the outputs whose window covers it.
    Inference,
    /// The weights change between calls, so they are only packed.
    Training,
}

/// Computes a convolution and its epilogue.
///
/// The kernels of this crate return a channels-last feature map. Flex computes the cases that they
/// do not support: floats other than `f32`, groups that do not fill vectors, and empty tensors.
///
/// # Shapes
/// - `x`: `[batch, in, height, width]`
/// - `weight`: `[out, in / groups, kernel height, kernel width]`
/// - output: `[batch, out, height', width']`
///
/// # Panics
///
/// Panics if the shapes do not match, a stride, a dilation or the groups are zero, or the output
/// does not fit into memory.
pub fn conv2d_with(
    x: FlexTensor,
    weight: FlexTensor,
    options: ConvOptions<2>,
    epilogue: Epilogue,
    phase: Phase,
) -> FlexTensor {
    const NAME: &str = "conv2d";
    let output = check::conv(NAME, [&x, &weight], epilogue.bias.as_ref(), &options);
    check::vector(NAME, "a scale", epilogue.scale.as_ref(), output[1]);
    if let Some(residual) = &epilogue.residual {
        check::same(NAME, "a residual", residual, &output);
    }
    by_kernel(&x, &weight, &options, epilogue, phase)
        .unwrap_or_else(|epilogue| by_flex(x, weight, options, *epilogue))
}

/// Computes Burn's convolution, for inference or training. The output has the layout of the input.
pub(crate) fn conv2d(
    x: FlexTensor,
    weight: FlexTensor,
    bias: Option<FlexTensor>,
    options: ConvOptions<2>,
) -> FlexTensor {
    let stays = x.layout().num_dims() == 4 && layout::is_channels_last(&x);
    let epilogue = Epilogue {
        bias,
        ..Epilogue::default()
    };
    let output = conv2d_with(x, weight, options, epilogue, Phase::Training);
    match stays {
        true => output,
        false => layout::to_channels_first(output),
    }
}

/// Computes the gradient of the input. The result has the layout of `grad`.
///
/// # Shapes
/// - `x`, result: `[batch, in, height, width]`
/// - `weight`: `[out, in / groups, kernel height, kernel width]`
/// - `grad`: `[batch, out, height', width']`
pub(crate) fn x_backward(
    x: FlexTensor,
    weight: FlexTensor,
    grad: FlexTensor,
    options: ConvOptions<2>,
) -> FlexTensor {
    const NAME: &str = "conv2d_x_backward";
    check::conv_backward(NAME, [&x, &weight, &grad], &options);
    let stays = layout::is_channels_last(&grad);
    let floats = [&weight, &grad].map(FlexTensor::dtype) == [DType::F32; 2];
    let own = || grad_input::gradient(layout::dims(&x), &weight, &grad, &options);
    match floats.then(own).flatten() {
        Some(gradient) if stays => gradient,
        Some(gradient) => layout::to_channels_first(gradient),
        None => {
            check::x_gradient(NAME, [&x, &weight, &grad], &options);
            Flex::conv2d_x_backward(x, weight, grad, options)
        }
    }
}

/// Computes the gradient of the weights.
///
/// # Shapes
/// - `x`: `[batch, in, height, width]`
/// - `weight`, result: `[out, in / groups, kernel height, kernel width]`
/// - `grad`: `[batch, out, height', width']`
pub(crate) fn weight_backward(
    x: FlexTensor,
    weight: FlexTensor,
    grad: FlexTensor,
    options: ConvOptions<2>,
) -> FlexTensor {
    const NAME: &str = "conv2d_weight_backward";
    check::conv_backward(NAME, [&x, &weight, &grad], &options);
    let floats = [&x, &grad].map(FlexTensor::dtype) == [DType::F32; 2];
    let own = || grad_weight::gradient(&x, layout::dims(&weight), &grad, &options);
    floats.then(own).flatten().unwrap_or_else(|| {
        check::weight_gradient(NAME, [&x, &weight, &grad], &options);
        let [x, grad] = [x, grad].map(layout::to_channels_first);
        Flex::conv2d_weight_backward(x, weight, grad, options)
    })
}

/// Computes a convolution with a kernel of this crate. Returns the epilogue if no kernel supports
/// it.
fn by_kernel(
    x: &FlexTensor,
    weight: &FlexTensor,
    options: &ConvOptions<2>,
    epilogue: Epilogue,
    phase: Phase,
) -> Result<FlexTensor, Box<Epilogue>> {
    if let Some(output) = phases::convolve(x, weight, options, &epilogue, phase) {
        return Ok(output);
    }
    let Some(ready) = prepare(x, weight, options, &epilogue, phase) else {
        return Err(Box::new(epilogue));
    };
    let geometry = &ready.geometry;
    let after = After {
        scale: of_channels(&epilogue.scale, 1.0, geometry),
        bias: of_channels(&epilogue.bias, 0.0, geometry),
        relu: epilogue.relu,
    };
    let residual = epilogue.residual.map(layout::into_channels_last);
    Ok(match &ready.kernel {
        Kernel::Direct(weights) => {
            let job = Direct {
                x: &ready.x,
                weights,
                geometry,
                after,
            };
            output(&job, residual)
        }
        Kernel::Winograd(weights, whole) => {
            let job = Winograd {
                x: &ready.x,
                weights,
                geometry,
                whole,
                after,
            };
            output(&job, residual)
        }
    })
}

fn output(job: &impl Job, residual: Option<FlexTensor>) -> FlexTensor {
    let output = |values| layout::from_channels_last(values, job.geometry().output());
    match residual {
        None => output(job.run(None)),
        Some(mut residual) => match layout::own_channels_last(&mut residual) {
            Some(values) => {
                job.run_over(values);
                residual
            }
            None => output(job.run(layout::channels_last(&residual))),
        },
    }
}

/// Returns the values of all channels, padded with `otherwise` to whole vectors.
fn of_channels(values: &Option<FlexTensor>, otherwise: f32, geometry: &Geometry) -> Vec<f32> {
    let mut channels = match values {
        Some(values) => values.to_contiguous().storage().to_vec(),
        None => Vec::new(),
    };
    channels.resize(geometry.out[0].next_multiple_of(vectors().lanes), otherwise);
    channels
}

fn by_flex(
    x: FlexTensor,
    weight: FlexTensor,
    options: ConvOptions<2>,
    epilogue: Epilogue,
) -> FlexTensor {
    let [scale, bias] = [epilogue.scale, epilogue.bias].map(|values| {
        values.map(|values| {
            let length = values.layout().num_elements();
            values.reshape(Shape::from([1, length, 1, 1].to_vec()))
        })
    });
    let y = Flex::conv2d(x, weight, None, options);
    let y = scale.into_iter().fold(y, Flex::float_mul);
    let y = bias.into_iter().fold(y, Flex::float_add);
    let y = epilogue.residual.into_iter().fold(y, Flex::float_add);
    if epilogue.relu { Flex::relu(y) } else { y }
}
