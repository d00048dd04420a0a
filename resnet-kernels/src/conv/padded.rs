//! Padded inputs of convolutions, channels-last.

use alloc::borrow::Cow;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use super::geometry::Geometry;
use crate::layout::Map;
use crate::{parallel, vectorize};

/// Returns the padded input, `[batch, height, width, channels]`. Borrows it if it is channels-last
/// and needs no padding.
pub(super) fn padded<'a>(x: Map<'a>, geometry: &Geometry) -> Cow<'a, [f32]> {
    match unpadded(x, geometry) {
        Some(values) => Cow::Borrowed(values),
        None => Cow::Owned(pad(x, geometry, |_| {})),
    }
}

/// Returns the padded input, or `None` if it has a NaN or a magnitude above `most`.
pub(super) fn padded_within<'a>(
    x: Map<'a>,
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
    let largest = vectorize(
        #[inline(always)]
        || values.iter().map(size).fold(0, u32::max),
    );
    largest <= most.to_bits()
}

fn unpadded<'a>(x: Map<'a>, geometry: &Geometry) -> Option<&'a [f32]> {
    match x {
        Map::ChannelsLast(values) if !geometry.is_padded() => {
            assert_eq!(values.len(), geometry.inputs(), "values of the input");
            Some(values)
        }
        _ => None,
    }
}

/// Pads the input and calls `see` with each of its rows.
fn pad(x: Map<'_>, geometry: &Geometry, see: impl Fn(&[f32]) + Sync) -> Vec<f32> {
    let mut padded = vec![0.0; geometry.inputs()];
    pad_into(x, geometry, &mut padded, see);
    padded
}

/// Writes the padded input to `out` and calls `see` with each row of the input.
pub(super) fn pad_into(
    x: Map<'_>,
    geometry: &Geometry,
    out: &mut [f32],
    see: impl Fn(&[f32]) + Sync,
) {
    let frame = geometry.frame();
    let count = frame.dims.iter().product::<usize>();
    assert_eq!(x.values().len(), count, "values of the input");
    frame.write(0.0, out, |place, row| {
        x.copy_row(frame.dims, place, row, |value| value);
        see(row);
    });
}
