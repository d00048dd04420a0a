//! Convolutions of Burn's tensors with the kernels of `resnet-kernels`.

mod cache;

use std::borrow::Cow;
use std::sync::Arc;

use burn_backend::ops::{ActivationOps, ConvOptions, FloatTensorOps, ModuleOps};
use burn_backend::{Bytes, DType, Shape};
use burn_flex::{Flex, FlexTensor, Layout};
use resnet_kernels::conv::{
    self as kernels, Algorithm, Conv, Geometry, LARGEST_FOR_WINOGRAD, PackedWeights, Phases,
    Residual,
};
use resnet_kernels::layout::Map;

use crate::{check, layout};

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
/// do not support: floats other than `f32`, and empty tensors.
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
    let own = || {
        let dims = layout::dims(&x);
        let geometry = Geometry::of_conv(dims, layout::dims(&weight), of_burn(&options))?;
        let weight = weight.to_contiguous();
        let gradient = layout::with_map(&grad, |grad| {
            kernels::input_gradient(&geometry, layout::values(&weight), grad)
        })?;
        Some(layout::from_channels_last(gradient, dims))
    };
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
    let own = || {
        let weight = layout::dims(&weight);
        let geometry = Geometry::of_conv(layout::dims(&x), weight, of_burn(&options))?;
        let grad = layout::into_channels_last(grad.clone());
        let grad = layout::channels_last(&grad)?;
        let gradient = layout::with_map(&x, |x| kernels::weight_gradient(&geometry, x, grad));
        let layout = Layout::contiguous(Shape::from(weight.to_vec()));
        let gradient = Bytes::from_elems(gradient);
        Some(FlexTensor::new(gradient, layout, DType::F32))
    };
    floats.then(own).flatten().unwrap_or_else(|| {
        check::weight_gradient(NAME, [&x, &weight, &grad], &options);
        let [x, grad] = [x, grad].map(layout::to_channels_first);
        Flex::conv2d_weight_backward(x, weight, grad, options)
    })
}

/// Computes a convolution with a kernel. Returns the epilogue if no kernel supports it.
fn by_kernel(
    x: &FlexTensor,
    weight: &FlexTensor,
    options: &ConvOptions<2>,
    epilogue: Epilogue,
    phase: Phase,
) -> Result<FlexTensor, Box<Epilogue>> {
    let Epilogue {
        scale,
        bias,
        residual,
        ..
    } = &epilogue;
    let others = [scale, bias, residual].into_iter().flatten();
    let floats = others
        .chain([x, weight])
        .all(|tensor| tensor.dtype() == DType::F32);
    let options = of_burn(options);
    let dims = [x, weight].map(layout::dims);
    let Some(geometry) = Geometry::of_conv(dims[0], dims[1], options).filter(|_| floats) else {
        return Err(Box::new(epilogue));
    };
    if phase == Phase::Inference
        && residual.is_none()
        && let Some((phases, conv)) = Phases::new(dims[0], dims[1], options)
        && let Some(output) = by_phases(x, weight, &phases, &conv, &epilogue)
    {
        return Ok(output);
    }
    Ok(layout::with_map(x, |x| {
        let ready = prepare(x, weight, geometry, phase);
        let epilogue_of_kernel = of_kernel(&epilogue, ready.conv.geometry());
        let residual = epilogue.residual.map(layout::into_channels_last);
        ready.run(&epilogue_of_kernel, residual)
    }))
}

/// Computes a dilated convolution as ordinary ones of its phases. Returns `None` if Winograd's
/// algorithm does not support the values.
fn by_phases(
    x: &FlexTensor,
    weight: &FlexTensor,
    phases: &Phases,
    conv: &Conv,
    epilogue: &Epilogue,
) -> Option<FlexTensor> {
    let [batch, _, height, width] = layout::dims(x);
    let x = layout::into_channels_last(x.clone());
    let x = phases.split(layout::channels_last(&x)?);
    let epilogue = of_kernel(epilogue, conv.geometry());
    let ready = prepare(
        Map::ChannelsLast(&x),
        weight,
        conv.geometry().clone(),
        Phase::Inference,
    );
    let y = ready.conv.run(&ready.x, &ready.weights, &epilogue, None);
    let [channels, ..] = conv.geometry().out;
    let y = phases.join(&y, channels);
    Some(layout::from_channels_last(
        y,
        [batch, channels, height, width],
    ))
}

/// A convolution with its arguments.
struct Ready<'a> {
    conv: Conv,
    weights: Arc<PackedWeights>,
    /// Padded input.
    x: Cow<'a, [f32]>,
}

/// Chooses the algorithm, packs the weights and pads the input.
fn prepare<'a>(x: Map<'a>, weight: &FlexTensor, geometry: Geometry, phase: Phase) -> Ready<'a> {
    if phase == Phase::Inference {
        let conv = Conv::fastest(geometry.clone());
        if conv.algorithm() != Algorithm::Direct
            && let Some(weights) = cache::packed(weight, &conv)
            && let Some(x) = conv.padded_within(x, LARGEST_FOR_WINOGRAD)
        {
            return Ready { conv, weights, x };
        }
    }
    let conv = Conv::direct(geometry);
    let weights = cache::packed(weight, &conv).expect("direct convolutions support all weights");
    let x = conv.padded(x);
    Ready { conv, weights, x }
}

impl Ready<'_> {
    fn run(&self, epilogue: &kernels::Epilogue, residual: Option<FlexTensor>) -> FlexTensor {
        let Self { conv, weights, x } = self;
        let run = |residual: Option<&[f32]>| {
            let values = conv.run(x, weights, epilogue, residual);
            layout::from_channels_last(values, conv.geometry().output())
        };
        match residual {
            None => run(None),
            Some(mut residual) => match layout::own_channels_last(&mut residual) {
                Some(values) => {
                    conv.run_into(x, weights, epilogue, Residual::Output, values);
                    residual
                }
                None => run(layout::channels_last(&residual)),
            },
        }
    }
}

fn of_burn(options: &ConvOptions<2>) -> kernels::ConvOptions {
    let ConvOptions {
        stride,
        padding,
        dilation,
        groups,
    } = *options;
    kernels::ConvOptions {
        stride,
        padding,
        dilation,
        groups,
    }
}

fn of_kernel(epilogue: &Epilogue, geometry: &Geometry) -> kernels::Epilogue {
    let contiguous = |values: &Option<FlexTensor>| values.as_ref().map(FlexTensor::to_contiguous);
    let [scale, bias] = [&epilogue.scale, &epilogue.bias].map(contiguous);
    let [scale, bias] = [&scale, &bias].map(|values| values.as_ref().map(layout::values));
    kernels::Epilogue::new(scale, bias, epilogue.relu, geometry.out[0])
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
