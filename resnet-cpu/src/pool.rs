//! Pools and resizing of channels-last feature maps.
//!
//! Every function returns `None` if the kernels do not support the map or the window. Flex computes
//! these cases.

use burn_backend::{Bytes, DType};
use burn_flex::FlexTensor;
use resnet_kernels::pool::{self as kernels, Divisor, Window};
use resnet_kernels::resize;

use crate::layout::{self, Dims};

/// Returns the values and sizes of a channels-last feature map of `f32`.
fn map(x: &FlexTensor) -> Option<(&[f32], Dims)> {
    let fits = x.dtype() == DType::F32 && x.layout().num_dims() == 4 && layout::is_channels_last(x);
    fits.then(|| Some((layout::channels_last(x)?, layout::dims(x))))?
}

/// Computes a max pool.
pub(crate) fn max_pool2d(x: &FlexTensor, window: Window) -> Option<FlexTensor> {
    let (values, dims) = map(x).filter(|_| window.meets())?;
    let size = window.output(dims)?;
    let mut out = vec![0.0; output(dims, size)];
    kernels::max(values, dims, window, size, &mut out);
    Some(layout::from_channels_last(out, with_size(dims, size)))
}

/// Computes an average pool without padding.
pub(crate) fn avg_pool2d(x: &FlexTensor, window: Window) -> Option<FlexTensor> {
    let (values, dims) = map(x).filter(|_| window.padding == [0, 0])?;
    let size = window.output(dims)?;
    let mut out = vec![0.0; output(dims, size)];
    kernels::average(values, dims, window, Divisor::Taps, size, &mut out);
    Some(layout::from_channels_last(out, with_size(dims, size)))
}

/// Computes a max pool and the index of each maximum in its map, row times width plus column.
pub(crate) fn max_pool2d_with_indices(
    x: &FlexTensor,
    window: Window,
) -> Option<(FlexTensor, FlexTensor)> {
    let (values, dims) = map(x).filter(|_| window.meets())?;
    let size = window.output(dims)?;
    let count = output(dims, size);
    let (mut maxima, mut places) = (vec![0.0; count], vec![0_i64; count]);
    kernels::max_with_indices(values, dims, window, size, &mut maxima, &mut places);
    let maxima = layout::from_channels_last(maxima, with_size(dims, size));
    let layout = maxima.layout().clone();
    let places = FlexTensor::new(Bytes::from_elems(places), layout, DType::I64);
    Some((maxima, places))
}

/// Computes the gradient of a max pool's input from the indices of the maxima.
pub(crate) fn max_pool2d_backward(
    dims: Dims,
    grad: &FlexTensor,
    places: &FlexTensor,
    window: Window,
) -> Option<FlexTensor> {
    let (grads, out) = map(grad).filter(|_| window.meets())?;
    let alike = places.dtype() == DType::I64
        && places.layout().strides() == grad.layout().strides()
        && layout::dims(places) == out;
    let places: &[i64] =
        alike.then(|| &places.storage()[places.layout().start_offset()..][..grads.len()])?;
    let size = size_of_gradient(dims, out, window)?;
    let mut values = vec![0.0; dims.iter().product()];
    kernels::max_backward(dims, grads, places, window, size, &mut values);
    Some(layout::from_channels_last(values, dims))
}

/// Computes the gradient of the input of an average pool without padding.
pub(crate) fn avg_pool2d_backward(
    dims: Dims,
    grad: &FlexTensor,
    window: Window,
) -> Option<FlexTensor> {
    let (grads, out) = map(grad).filter(|_| window.padding == [0, 0])?;
    let size = size_of_gradient(dims, out, window)?;
    let mut values = vec![0.0; dims.iter().product()];
    kernels::average_backward(dims, grads, window, size, &mut values);
    Some(layout::from_channels_last(values, dims))
}

/// Resizes a map to the nearest pixels.
pub(crate) fn nearest(x: &FlexTensor, size: [usize; 2]) -> Option<FlexTensor> {
    let (values, dims) = map(x).filter(|(values, _)| !values.is_empty())?;
    let mut out = vec![0.0; output(dims, size)];
    resize::nearest(values, dims, size, &mut out);
    Some(layout::from_channels_last(out, with_size(dims, size)))
}

fn size_of_gradient(dims: Dims, out: Dims, window: Window) -> Option<[usize; 2]> {
    let [n, c, height, width] = out;
    let fits = window.dilation == [1, 1] && window.output(dims)? == [height, width];
    (fits && dims[..2] == [n, c]).then_some([height, width])
}

fn with_size([n, c, _, _]: Dims, [height, width]: [usize; 2]) -> Dims {
    [n, c, height, width]
}

fn output(dims: Dims, size: [usize; 2]) -> usize {
    with_size(dims, size).iter().product()
}
