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

use std::borrow::Cow;
use std::sync::Arc;

use burn_backend::ops::{ActivationOps, ConvOptions, FloatTensorOps, ModuleOps};
use burn_backend::{DType, Shape};
use burn_flex::{Flex, FlexTensor};

use crate::simd::vectors;
use crate::{check, layout};
use cache::Prepared;
use geometry::Geometry;
use kernel::Direct;
use packed::Packed;
use place::{After, Job};
use winograd::{Side, Transformed, Winograd};

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
    /// outputs are the same sums, but for rounding: errors of some 1e-6 of the largest. An input with a NaN, an infinity or a
    /// value above 1e15 is convolved without it, so that NaN reaches the outputs over it and no others.
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
/// If the shapes do not go together, an option is zero that must not be, or the output does not fit into memory.
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

/// Burn's convolution, for inference or training. The channels of the output lie side by side where those of the input do.
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
    const NAME: &str = "conv2d_x_backward";
    check::conv_backward(NAME, [&x, &weight, &grad], &options);
    let stays = layout::is_channels_last(&grad);
    let floats = [&weight, &grad].map(FlexTensor::dtype) == [DType::F32; 2];
    let own = || inputs::gradient(layout::dims(&x), &weight, &grad, &options);
    match floats.then(own).flatten() {
        Some(gradient) if stays => gradient,
        Some(gradient) => layout::to_channels_first(gradient),
        None => {
            check::x_gradient(NAME, [&x, &weight, &grad], &options);
            Flex::conv2d_x_backward(x, weight, grad, options)
        }
    }
}

/// The gradient of the weights. Shapes are as above.
pub(crate) fn weight_backward(
    x: FlexTensor,
    weight: FlexTensor,
    grad: FlexTensor,
    options: ConvOptions<2>,
) -> FlexTensor {
    const NAME: &str = "conv2d_weight_backward";
    check::conv_backward(NAME, [&x, &weight, &grad], &options);
    let floats = [&x, &grad].map(FlexTensor::dtype) == [DType::F32; 2];
    let own = || weights::gradient(&x, layout::dims(&weight), &grad, &options);
    floats.then(own).flatten().unwrap_or_else(|| {
        check::weight_gradient(NAME, [&x, &weight, &grad], &options);
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
    Ok(match &ready.weights {
        Weights::Direct(weights) => {
            let job = Direct {
                x: &ready.x,
                weights,
                geometry,
                after,
            };
            output(&job, residual)
        }
        Weights::Winograd(weights, whole) => {
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

/// The values of each channel, to the end of the last vector.
fn of_channels(values: &Option<FlexTensor>, otherwise: f32, geometry: &Geometry) -> Vec<f32> {
    let mut channels = match values {
        Some(values) => values.to_contiguous().storage().to_vec(),
        None => Vec::new(),
    };
    channels.resize(geometry.out[0].next_multiple_of(vectors().lanes), otherwise);
    channels
}

/// What a kernel needs.
struct Ready<'a> {
    geometry: Geometry,
    weights: Weights,
    /// With padding.
    x: Cow<'a, [f32]>,
}

enum Weights {
    Direct(Arc<Packed>),
    /// With the sizes of whole tiles.
    Winograd(Arc<Transformed>, Geometry),
}

/// `None` where there is no kernel.
fn prepare<'a>(
    x: &'a FlexTensor,
    weight: &FlexTensor,
    options: &ConvOptions<2>,
    epilogue: &Epilogue,
    phase: Phase,
) -> Option<Ready<'a>> {
    let Epilogue {
        scale,
        bias,
        residual,
        ..
    } = epilogue;
    let mut floats = [scale, bias, residual]
        .into_iter()
        .flatten()
        .chain([x, weight]);
    if !floats.all(|tensor| tensor.dtype() == DType::F32) {
        return None;
    }
    let geometry = Geometry::of_conv(layout::dims(x), layout::dims(weight), options)?;
    let tiles = match phase {
        Phase::Inference => Side::of(&geometry),
        Phase::Training => None,
    };
    if let Some((side, whole)) = tiles
        && let Some(Prepared::Winograd(weights)) = cache::prepared(weight, &geometry, Some(side))
        && let Some(x) = padded::padded_within(x, &whole, winograd::LARGEST)
    {
        let weights = Weights::Winograd(weights, whole);
        return Some(Ready {
            geometry,
            weights,
            x,
        });
    }
    let Prepared::Direct(weights) = cache::prepared(weight, &geometry, None)? else {
        return None;
    };
    let x = padded::for_panels(x, &geometry, &weights.panels)?;
    Some(Ready {
        geometry,
        weights: Weights::Direct(weights),
        x,
    })
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
