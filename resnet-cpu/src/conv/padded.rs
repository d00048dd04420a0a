use std::borrow::Cow;

use burn_flex::FlexTensor;

use super::geometry::Geometry;
use crate::{layout, parallel};

/// The input as `[batch, height, width, channels]` with its padding.
pub(super) fn padded<'a>(x: &'a FlexTensor, geometry: &Geometry) -> Cow<'a, [f32]> {
    let [channels, height, width] = geometry.input;
    match (layout::channels_last(x), geometry.padding) {
        (Some(values), [[0, 0], [0, 0]]) => Cow::Borrowed(values),
        (Some(values), _) => pad(geometry, |image, y, row| {
            row.copy_from_slice(&values[(image * height + y) * width * channels..][..row.len()]);
        }),
        (None, _) => {
            let x = x.to_contiguous();
            let values: &[f32] = x.storage();
            pad(geometry, |image, y, row| {
                for channel in 0..channels {
                    let from =
                        &values[((image * channels + channel) * height + y) * width..][..width];
                    let to = row.iter_mut().skip(channel).step_by(channels);
                    to.zip(from).for_each(|(to, from)| *to = *from);
                }
            })
        }
    }
}

/// Zeros around rows that `fill` writes, from the image, the row and where it goes.
fn pad<'a>(geometry: &Geometry, fill: impl Fn(usize, usize, &mut [f32]) + Sync) -> Cow<'a, [f32]> {
    let [channels, height, width] = geometry.input;
    let [[down, _], [right, _]] = geometry.padding;
    let [padded_height, padded_width] = geometry.padded();
    let row = padded_width * channels;
    let mut padded = vec![0.0; geometry.batch * padded_height * row];
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
    Cow::Owned(padded)
}
