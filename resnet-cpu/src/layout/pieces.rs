//! Pieces of channels-last feature maps: slices of a map, and maps made of several ones.

use burn_backend::{DType, Slice};
use burn_flex::FlexTensor;
use resnet_kernels::parallel;

use super::{
    Dims, channels_last, dims, from_channels_last, into_channels_last, is_channels_last, make_own,
    own_channels_last,
};

fn is_map(x: &FlexTensor) -> bool {
    x.dtype() == DType::F32 && x.layout().num_dims() == 4
}

/// Copies a slice of a channels-last map, `[batch, height, width, channels]`. Returns `None` for
/// maps whose channels are not contiguous.
pub(super) fn copy_of_slice(x: &FlexTensor) -> Option<Vec<f32>> {
    let [n, c, h, w] = dims(x);
    let [s_n, s_c, s_h, s_w] = strides(x)?;
    if c == 1 || s_c != 1 || n * h * w == 0 {
        return None;
    }
    let (values, start) = (x.storage::<f32>(), x.layout().start_offset());
    let mut copy = vec![0.0; n * h * w * c];
    parallel::chunks(&mut copy, h * w * c, w * c, |image, at, row| {
        let from = start + image * s_n + at / (w * c) * s_h;
        for (column, pixel) in row.chunks_exact_mut(c).enumerate() {
            pixel.copy_from_slice(&values[from + column * s_w..][..c]);
        }
    });
    Some(copy)
}

/// Returns the strides, or `None` if one is negative.
fn strides(x: &FlexTensor) -> Option<Dims> {
    let mut strides = [0; 4];
    for (stride, found) in strides.iter_mut().zip(x.layout().strides()) {
        *stride = usize::try_from(*found).ok()?;
    }
    Some(strides)
}

/// Concatenates the channels of maps, if one of them is channels-last. Returns `None` for other
/// tensors.
pub(crate) fn cat_channels(maps: &[FlexTensor]) -> Option<FlexTensor> {
    let [n, _, h, w] = dims(maps.first().filter(|first| is_map(first))?);
    let alike = |map: &FlexTensor| {
        let fits = |[n_, _, h_, w_]: Dims| [n_, h_, w_] == [n, h, w];
        is_map(map) && fits(dims(map))
    };
    if !maps.iter().all(alike) || !maps.iter().any(is_channels_last) {
        return None;
    }
    let maps: Vec<FlexTensor> = maps.iter().cloned().map(into_channels_last).collect();
    let mut parts = Vec::new();
    for map in &maps {
        parts.push((channels_last(map)?, dims(map)[1]));
    }
    let c: usize = parts.iter().map(|(_, c)| c).sum();
    let mut joined = vec![0.0; n * h * w * c];
    parallel::chunks(&mut joined, h * w * c, w * c, |image, at, row| {
        let first = image * h * w + at / c;
        for (column, mut pixel) in row.chunks_exact_mut(c).enumerate() {
            for (values, c) in &parts {
                let (own, rest) = pixel.split_at_mut(*c);
                own.copy_from_slice(&values[(first + column) * c..][..*c]);
                pixel = rest;
            }
        }
    });
    Some(from_channels_last(joined, [n, c, h, w]))
}

/// Returns where [`assign`] writes `value`: its first image, channel, row and column. Returns `None`
/// if one of the tensors is no map, `value` is not channels-last, or the slices are empty, invalid or
/// have steps.
pub(crate) fn place(map: &FlexTensor, slices: &[Slice], value: &FlexTensor) -> Option<Dims> {
    if !is_map(map) || !is_map(value) || !is_channels_last(value) || slices.len() > 4 {
        return None;
    }
    let mut first = [0; 4];
    for (axis, size) in dims(map).into_iter().enumerate() {
        let slice = slices.get(axis).copied().unwrap_or_default();
        let range = slice.to_range(size);
        let invalid = slice.step != 1 || range.is_empty() || range.end > size;
        if invalid || range.len() != dims(value)[axis] {
            return None;
        }
        first[axis] = range.start;
    }
    Some(first)
}

/// Writes the channels-last map `value` into another map, from `first` on.
///
/// # Panics
///
/// Panics if `first` is not from [`place`].
pub(crate) fn assign(map: FlexTensor, first: Dims, value: &FlexTensor) -> FlexTensor {
    let [_, c, h, w] = dims(&map);
    let [images, part, rows, columns] = dims(value);
    let from = channels_last(value).expect("`place` checks the layout");
    let mut map = make_own(map);
    let out = own_channels_last(&mut map).expect("`make_own` returns a map of its own");
    parallel::chunks(out, h * w * c, w * c, |image, at, row| {
        let y = at / (w * c);
        let (image, y) = (image.wrapping_sub(first[0]), y.wrapping_sub(first[2]));
        if image >= images || y >= rows {
            return;
        }
        let from = from[(image * rows + y) * columns * part..].chunks_exact(part);
        let pixels = row.chunks_exact_mut(c).skip(first[3]).take(columns);
        for (pixel, from) in pixels.zip(from) {
            pixel[first[1]..][..part].copy_from_slice(from);
        }
    });
    map
}
