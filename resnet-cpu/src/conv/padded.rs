//! Padded inputs of convolutions, channels-last.

use core::sync::atomic::{AtomicBool, Ordering};
use std::borrow::Cow;

use burn_flex::FlexTensor;

use super::geometry::Geometry;
use super::packed::Panels;
use crate::simd::arch;
use crate::{layout, parallel};

/// Returns the padded input, `[batch, height, width, channels]`. Borrows it if it is channels-last
/// and needs no padding.
pub(super) fn padded<'a>(x: &'a FlexTensor, geometry: &Geometry) -> Cow<'a, [f32]> {
    let pass = |_: &[f32]| {};
    match unpadded(x, geometry) {
        Some(values) => Cow::Borrowed(values),
        None => Cow::Owned(pad(x, geometry, pass)),
    }
}

/// Returns the padded input for a direct convolution.
///
/// Returns `None` if vectors span groups and the input has a NaN or an infinity. Its product with
/// the zero weights of another group would be NaN.
pub(super) fn for_panels<'a>(
    x: &'a FlexTensor,
    geometry: &Geometry,
    panels: &Panels,
) -> Option<Cow<'a, [f32]>> {
    match panels.span_groups() {
        true => padded_within(x, geometry, f32::MAX),
        false => Some(padded(x, geometry)),
    }
}

/// Returns the padded input, or `None` if it has a NaN or a magnitude above `most`.
pub(super) fn padded_within<'a>(
    x: &'a FlexTensor,
    geometry: &Geometry,
    most: f32,
) -> Option<Cow<'a, [f32]>> {
    if let Some(values) = unpadded(x, geometry) {
        const BLOCK: usize = 64 * 1024;
        let within = parallel::map(values.chunks(BLOCK), |values| are_within(values, most));
        return within
            .into_iter()
            .all(|within| within)
            .then_some(Cow::Borrowed(values));
    }
    let within = AtomicBool::new(true);
    let padded = pad(x, geometry, |row| {
        if !are_within(row, most) {
            within.store(false, Ordering::Relaxed);
        }
    });
    within.into_inner().then_some(Cow::Owned(padded))
}

/// Returns whether no value is NaN and no magnitude exceeds `most`, which must be positive.
pub(super) fn are_within(values: &[f32], most: f32) -> bool {
    // Without the sign bit, float bits are ordered like their magnitudes, with NaN after infinity.
    let size = |value: &f32| value.to_bits() & (u32::MAX >> 1);
    let largest = arch().dispatch(
        #[inline(always)]
        || values.iter().map(size).fold(0, u32::max),
    );
    largest <= most.to_bits()
}

fn unpadded<'a>(x: &'a FlexTensor, geometry: &Geometry) -> Option<&'a [f32]> {
    layout::channels_last(x).filter(|_| geometry.padding == [[0, 0], [0, 0]])
}

/// Pads the input and calls `see` with each of its rows.
fn pad(x: &FlexTensor, geometry: &Geometry, see: impl Fn(&[f32]) + Sync) -> Vec<f32> {
    let [channels, height, width] = geometry.input;
    match layout::channels_last(x) {
        Some(values) => pad_by(geometry, |image, y, row| {
            row.copy_from_slice(&values[(image * height + y) * width * channels..][..row.len()]);
            see(row);
        }),
        None => {
            let x = x.to_contiguous();
            let values: &[f32] = x.storage();
            pad_by(geometry, |image, y, row| {
                for channel in 0..channels {
                    let from =
                        &values[((image * channels + channel) * height + y) * width..][..width];
                    let to = row.iter_mut().skip(channel).step_by(channels);
                    to.zip(from).for_each(|(to, from)| *to = *from);
                }
                see(row);
            })
        }
    }
}

/// Returns rows surrounded by zeros. `fill` receives the index of the image, the index of the row
/// and the memory of the row.
fn pad_by(geometry: &Geometry, fill: impl Fn(usize, usize, &mut [f32]) + Sync) -> Vec<f32> {
    let [channels, height, width] = geometry.input;
    let [[down, _], [right, _]] = geometry.padding;
    let [padded_height, padded_width] = geometry.padded();
    let row = padded_width * channels;
    let mut padded = vec![0.0; geometry.inputs()];
    parallel::chunks(
        &mut padded,
        padded_height * row,
        row,
        |image, start, out| {
            let y = (start / row).wrapping_sub(down);
            if y < height {
                fill(
                    image,
                    y,
                    &mut out[right * channels..(right + width) * channels],
                );
            }
        },
    );
    padded
}
