//! Convolutions of maps whose channels lie side by side.
//!
//! For each kernel row, the inputs of an output pixel are one run of memory, kernel width times channels long. The innermost
//! loop goes through the runs of several pixels at once and keeps their outputs, for several vectors of channels, in registers:
//! no matrix of patches is made, and no output is touched twice.

mod cache;
mod geometry;
mod kernel;
mod packed;
mod padded;

use burn_backend::DType;
use burn_backend::ops::{ConvOptions, ModuleOps};
use burn_flex::{Flex, FlexTensor};

use crate::layout;
use geometry::Geometry;
use kernel::Job;

/// What follows a convolution in the same pass: `y = relu(conv(x) + residual)`.
#[derive(Clone, Debug, Default)]
pub struct Epilogue {
    /// Of the shape of the output.
    pub residual: Option<FlexTensor>,
    /// Whether the output is `max(y, 0)`.
    pub relu: bool,
}

/// A convolution and what follows it, the channels of its output side by side in memory. `None` where this crate has no kernel
/// for it: floats that are not `f32`, groups that do not fill vectors, tensors without elements.
///
/// # Shapes
/// - `x`: `[batch, in, height, width]`
/// - `weight`: `[out, in / groups, kernel height, kernel width]`
/// - `bias`: `[out]`
/// - output: `[batch, out, height', width']`
pub fn conv2d_with(
    x: &FlexTensor,
    weight: &FlexTensor,
    bias: Option<&FlexTensor>,
    options: &ConvOptions<2>,
    epilogue: &Epilogue,
) -> Option<FlexTensor> {
    let floats = [Some(x), Some(weight), bias, epilogue.residual.as_ref()];
    if floats
        .iter()
        .flatten()
        .any(|tensor| tensor.dtype() != DType::F32)
    {
        return None;
    }
    let geometry = Geometry::new(layout::dims(x), layout::dims(weight), options)?;
    let weights = cache::packed(weight, &geometry)?;
    let residual = match &epilogue.residual {
        Some(residual) if layout::dims(residual) == geometry.output() => {
            Some(layout::to_channels_last(residual))
        }
        Some(_) => return None,
        None => None,
    };
    let bias = bias.map(FlexTensor::to_contiguous);
    let padded = padded::padded(x, &geometry);
    let job = Job {
        x: &padded,
        weights: &weights,
        geometry: &geometry,
        bias: bias.as_ref().map(|bias| bias.storage()),
        residual: residual.as_ref().and_then(layout::channels_last),
        relu: epilogue.relu,
    };
    Some(layout::from_channels_last(job.run(), geometry.output()))
}

/// Burn's convolution. The channels of the output lie side by side where those of the input do.
pub(crate) fn conv2d(
    x: FlexTensor,
    weight: FlexTensor,
    bias: Option<FlexTensor>,
    options: ConvOptions<2>,
) -> FlexTensor {
    let stays = layout::channels_last(&x).is_some() && layout::channels_first(&x).is_none();
    match conv2d_with(&x, &weight, bias.as_ref(), &options, &Epilogue::default()) {
        Some(output) if stays => output,
        Some(output) => layout::to_channels_first(output),
        None => Flex::conv2d(x, weight, bias, options),
    }
}
