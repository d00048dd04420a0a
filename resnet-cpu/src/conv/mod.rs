//! Convolutions of maps whose channels lie side by side.
//!
//! For each kernel row, the inputs of an output pixel are one run of memory, kernel width times channels long. The innermost
//! loop goes through the runs of several pixels at once and keeps their outputs, for several vectors of channels, in registers:
//! no matrix of patches is made, and no output is touched twice.

mod cache;
mod geometry;
mod inputs;
mod kernel;
mod packed;
mod padded;
mod place;
mod tile;
mod weights;
mod winograd;

use burn_backend::ops::{ActivationOps, ConvOptions, FloatTensorOps, ModuleOps};
use burn_backend::{DType, Shape};
use burn_flex::{Flex, FlexTensor};

use crate::layout;
use crate::simd::vectors;
use cache::Prepared;
use geometry::Geometry;
use kernel::Direct;
use place::{After, Job};
use winograd::{Side, Winograd};

/// What a convolution is made part of in the same pass: `y = relu(scale * conv(x) + bias + residual)`.
#[derive(Clone, Debug, Default)]
pub struct Epilogue {
    /// For each channel, `[out]`.
    pub scale: Option<FlexTensor>,
    /// For each channel, `[out]`.
    pub bias: Option<FlexTensor>,
    /// Of the shape of the output, which takes its place in memory if nothing else refers to it.
    pub residual: Option<FlexTensor>,
    /// Whether the output is `max(y, 0)`.
    pub relu: bool,
}

/// What a convolution is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The weights stay the same from call to call, so that work on them pays: Winograd's algorithm where it takes less time. Its
    /// outputs are the same sums, but for rounding: errors of some 1e-6 of the largest. In a tile of 16 outputs, all are not numbers
    /// where one input is none.
    Inference,
    /// The weights change: no work on them but their packing.
    Training,
}

/// A convolution and what follows it, the channels of its output side by side in memory. Where this crate has no kernel for it
/// (floats that are not `f32`, groups that do not fill vectors, tensors without elements), by Flex's operations.
///
/// # Shapes
/// - `x`: `[batch, in, height, width]`
/// - `weight`: `[out, in / groups, kernel height, kernel width]`
/// - output: `[batch, out, height', width']`
///
/// # Panics
///
/// As Flex does, where the shapes do not go together.
pub fn conv2d_with(
    x: FlexTensor,
    weight: FlexTensor,
    options: ConvOptions<2>,
    epilogue: Epilogue,
    phase: Phase,
) -> FlexTensor {
    by_kernel(&x, &weight, &options, epilogue, phase)
        .unwrap_or_else(|epilogue| by_flex(x, weight, options, *epilogue))
}

/// Burn's convolution, for inference or training. The channels of the output lie side by side where those of the input do.
pub(crate) fn conv2d(
    x: FlexTensor,
    weight: FlexTensor,
    bias: Option<FlexTensor>,
    options: ConvOptions<2>,
) -> FlexTensor {
    let stays = layout::is_channels_last(&x);
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

/// The gradient of the input, its channels side by side where those of the output's gradient are.
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
    let stays = layout::is_channels_last(&grad);
    let floats = [&weight, &grad].map(FlexTensor::dtype) == [DType::F32; 2];
    let own = || inputs::gradient(layout::dims(&x), &weight, &grad, &options);
    match floats.then(own).flatten() {
        Some(gradient) if stays => gradient,
        Some(gradient) => layout::to_channels_first(gradient),
        None => Flex::conv2d_x_backward(x, weight, grad, options),
    }
}

/// The gradient of the weights. Shapes are as above.
pub(crate) fn weight_backward(
    x: FlexTensor,
    weight: FlexTensor,
    grad: FlexTensor,
    options: ConvOptions<2>,
) -> FlexTensor {
    let floats = [&x, &grad].map(FlexTensor::dtype) == [DType::F32; 2];
    let own = || weights::gradient(&x, layout::dims(&weight), &grad, &options);
    floats.then(own).flatten().unwrap_or_else(|| {
        let [x, grad] = [x, grad].map(layout::to_channels_first);
        Flex::conv2d_weight_backward(x, weight, grad, options)
    })
}

/// By a kernel of this crate, or what was to follow where there is none.
fn by_kernel(
    x: &FlexTensor,
    weight: &FlexTensor,
    options: &ConvOptions<2>,
    epilogue: Epilogue,
    phase: Phase,
) -> Result<FlexTensor, Box<Epilogue>> {
    let Some((geometry, weights)) = prepare(x, weight, options, &epilogue, phase) else {
        return Err(Box::new(epilogue));
    };
    let after = After {
        scale: of_channels(&epilogue.scale, 1.0, &geometry),
        bias: of_channels(&epilogue.bias, 0.0, &geometry),
        relu: epilogue.relu,
    };
    let residual = epilogue.residual.map(layout::into_channels_last);
    Ok(match weights {
        Prepared::Direct(weights) => {
            let padded = padded::padded(x, &geometry);
            let job = Direct {
                x: &padded,
                weights: &weights,
                geometry: &geometry,
                after,
            };
            output(&job, residual)
        }
        Prepared::Winograd(weights) => {
            let padded = padded::padded(x, &weights.side.whole(&geometry));
            let job = Winograd {
                x: &padded,
                weights: &weights,
                geometry: &geometry,
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

/// The values of each channel, to the end of the last vector.
fn of_channels(values: &Option<FlexTensor>, otherwise: f32, geometry: &Geometry) -> Vec<f32> {
    let mut channels = match values {
        Some(values) => values.to_contiguous().storage().to_vec(),
        None => Vec::new(),
    };
    channels.resize(geometry.out[0].next_multiple_of(vectors().lanes), otherwise);
    channels
}

/// The sizes and the packed weights, if there is a kernel for them.
fn prepare(
    x: &FlexTensor,
    weight: &FlexTensor,
    options: &ConvOptions<2>,
    epilogue: &Epilogue,
    phase: Phase,
) -> Option<(Geometry, Prepared)> {
    let Epilogue {
        scale,
        bias,
        residual,
        ..
    } = epilogue;
    let vectors = [scale, bias].into_iter().flatten();
    let mut floats = vectors.clone().chain(residual).chain([x, weight]);
    if !floats.all(|tensor| tensor.dtype() == DType::F32) {
        return None;
    }
    let geometry = Geometry::new(layout::dims(x), layout::dims(weight), options)?;
    let mut lengths = vectors.map(|vector| vector.layout().num_elements());
    let mut sizes = residual.iter().map(layout::dims);
    let fits = lengths.all(|length| length == geometry.out[0])
        && sizes.all(|size| size == geometry.output());
    let winograd = match phase {
        Phase::Inference => Side::of(&geometry),
        Phase::Training => None,
    };
    let weights = fits.then(|| cache::prepared(weight, &geometry, winograd))??;
    Some((geometry, weights))
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
