//! Chooses the kernel of a convolution and prepares its input and weights.

use std::borrow::Cow;
use std::sync::Arc;

use burn_backend::DType;
use burn_backend::ops::ConvOptions;
use burn_flex::FlexTensor;

use super::cache::{self, Prepared};
use super::geometry::Geometry;
use super::packed::Packed;
use super::padded;
use super::winograd::{self, Side, Transformed};
use super::{Epilogue, Phase};
use crate::layout;

/// A kernel and its arguments.
pub(super) struct Ready<'a> {
    pub(super) geometry: Geometry,
    pub(super) kernel: Kernel,
    /// Padded input, `[batch, height, width, channels]`.
    pub(super) x: Cow<'a, [f32]>,
}

/// A kernel with its weights.
pub(super) enum Kernel {
    Direct(Arc<Packed>),
    /// The geometry pads the output to whole tiles.
    Winograd(Arc<Transformed>, Geometry),
}

/// Chooses the kernel of a convolution. Returns `None` if no kernel supports it.
pub(super) fn prepare<'a>(
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
        return Some(Ready {
            geometry,
            kernel: Kernel::Winograd(weights, whole),
            x,
        });
    }
    let Prepared::Direct(weights) = cache::prepared(weight, &geometry, None)? else {
        return None;
    };
    let x = padded::for_panels(x, &geometry, &weights.panels)?;
    Some(Ready {
        geometry,
        kernel: Kernel::Direct(weights),
        x,
    })
}
