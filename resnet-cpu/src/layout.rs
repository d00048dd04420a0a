//! Memory layouts of feature maps.
//!
//! The shape of a feature map is always `[batch, channels, height, width]`. A channels-last map
//! stores the channels of a pixel contiguously, and a channels-first map stores the pixels of a row
//! contiguously. Only the strides differ. Flex sees a channels-last map as a permuted tensor.

use std::borrow::Cow;

use burn_backend::{Bytes, DType, Shape, TensorMetadata};
use burn_flex::{FlexTensor, Layout};
use resnet_kernels::layout::{Map, transpose};
pub(crate) use resnet_kernels::sizes::Dims;
use resnet_kernels::sizes::count;

pub(crate) mod pieces;

/// Returns the sizes of a feature map.
///
/// # Panics
///
/// Panics if the tensor does not have four dimensions.
pub(crate) fn dims(x: &FlexTensor) -> Dims {
    let shape = x.shape();
    let axes = shape.num_dims();
    assert_eq!(axes, 4, "expected a map of 4 axes, found {axes}: {shape:?}");
    core::array::from_fn(|axis| shape[axis])
}

/// Returns the values of a channels-last map, `[batch, height, width, channels]`, or `None` for
/// other layouts.
pub(crate) fn channels_last(x: &FlexTensor) -> Option<&[f32]> {
    values_with(x, |[_, c, h, w]| [h * w * c, 1, w * c, c])
}

/// Returns the mutable values of a channels-last map, or `None` if another tensor shares them.
pub(crate) fn own_channels_last(x: &mut FlexTensor) -> Option<&mut [f32]> {
    let own = channels_last(x)?.len() == x.storage::<f32>().len();
    own.then(|| x.try_storage_mut())?
}

/// Returns a channels-last map with its own memory. Copies the values if necessary.
pub(crate) fn make_own(x: FlexTensor) -> FlexTensor {
    let mut x = into_channels_last(x);
    if own_channels_last(&mut x).is_some() {
        return x;
    }
    let values = channels_last(&x).map(<[f32]>::to_vec);
    from_channels_last(values.unwrap_or_default(), dims(&x))
}

/// Returns whether a map is channels-last but not channels-first. Maps with one channel or one
/// pixel are both.
pub(crate) fn is_channels_last(x: &FlexTensor) -> bool {
    channels_last(x).is_some() && channels_first(x).is_none()
}

/// Returns the values of a channels-first map, `[batch, channels, height, width]`, or `None` for
/// other layouts.
pub(crate) fn channels_first(x: &FlexTensor) -> Option<&[f32]> {
    values_with(x, |[_, c, h, w]| [c * h * w, h * w, w, 1])
}

/// Returns the values of a contiguous tensor.
pub(crate) fn values(x: &FlexTensor) -> &[f32] {
    let layout = x.layout();
    &x.storage()[layout.start_offset()..][..layout.num_elements()]
}

/// Calls `work` with the values of a map. Copies them if the map has neither layout.
pub(crate) fn with_map<R>(x: &FlexTensor, work: impl FnOnce(Map<'_>) -> R) -> R {
    match channels_last(x) {
        Some(values) => work(Map::ChannelsLast(values)),
        None => work(Map::ChannelsFirst(values(&x.to_contiguous()))),
    }
}

fn values_with(x: &FlexTensor, strides: impl Fn(Dims) -> Dims) -> Option<&[f32]> {
    let (layout, dims) = (x.layout(), dims(x));
    let mut axes = dims.iter().zip(strides(dims)).zip(layout.strides());
    // The stride of an axis of size 1 is arbitrary.
    if !axes.all(|((size, expected), found)| *size == 1 || *found == expected as isize) {
        return None;
    }
    let start = layout.start_offset();
    Some(&x.storage::<f32>()[start..][..count(&dims)?])
}

/// Creates a channels-last map from `[batch, height, width, channels]` values.
pub(crate) fn from_channels_last(values: Vec<f32>, dims: Dims) -> FlexTensor {
    let [_, c, h, w] = dims;
    let shape = Shape::from(dims.to_vec());
    let layout = match c == 1 || h * w == 1 {
        true => Layout::contiguous(shape),
        false => {
            let strides = [h * w * c, 1, w * c, c].map(|stride| stride as isize);
            Layout::new(shape, strides.to_vec(), 0)
        }
    };
    FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
}

/// Converts a feature map to PyTorch's `channels_last` layout. Convolutions and pools are fastest
/// in this layout.
///
/// # Shapes
/// - `x`, output: `[batch, channels, height, width]`, `f32`
///
/// # Panics
///
/// Panics if the tensor does not have four dimensions or is not `f32`.
pub fn into_channels_last(x: FlexTensor) -> FlexTensor {
    if channels_last(&x).is_some() {
        return x;
    }
    if let Some(values) = pieces::copy_of_slice(&x) {
        return from_channels_last(values, dims(&x));
    }
    let x = x.to_contiguous();
    let [n, c, h, w] = dims(&x);
    let values = transpose(values(&x), n, c, h * w);
    from_channels_last(values, [n, c, h, w])
}

/// Converts a channels-last `f32` map or a slice of it to channels-first. Returns other tensors
/// unchanged.
pub(crate) fn to_channels_first(x: FlexTensor) -> FlexTensor {
    if x.dtype() != DType::F32 || x.layout().num_dims() != 4 || x.is_contiguous() {
        return x;
    }
    let [n, c, h, w] = dims(&x);
    let slice = || pieces::copy_of_slice(&x).map(Cow::Owned);
    let Some(values) = channels_last(&x).map(Cow::Borrowed).or_else(slice) else {
        return x;
    };
    let values = transpose(&values, n, h * w, c);
    let layout = Layout::contiguous(Shape::from([n, c, h, w].to_vec()));
    FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
}

/// Applies an elementwise operation to flattened tensors, so that channels-last maps keep their
/// layout.
pub(crate) fn elementwise<const N: usize>(
    tensors: [FlexTensor; N],
    operation: impl FnOnce([FlexTensor; N]) -> FlexTensor,
) -> FlexTensor {
    let permuted = |x: &FlexTensor| {
        x.dtype() == DType::F32 && x.layout().num_dims() == 4 && is_channels_last(x)
    };
    let shape = tensors[0].shape();
    let alike = tensors
        .iter()
        .all(|x| x.shape() == shape && x.dtype() == DType::F32);
    if !alike || !tensors.iter().any(permuted) {
        return operation(tensors);
    }
    let tensors = tensors.map(into_channels_last);
    let layout = tensors[0].layout().clone();
    let flat = |x: FlexTensor| {
        let start = x.layout().start_offset();
        let length = Shape::from([x.layout().num_elements()].to_vec());
        x.with_layout(Layout::new(length, [1].to_vec(), start))
    };
    let result = operation(tensors.map(flat));
    let strides = layout.strides().to_vec();
    let start = result.layout().start_offset();
    result.with_layout(Layout::new(shape, strides, start))
}
