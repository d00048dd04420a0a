//! Checks of annotated boxes.

use std::path::Path;

use resnet_dense::ops::boxes::{Box4, is_large};
use resnet_image::{Channels, MAX_PIXELS, MAX_SIDE};

use crate::data_loader::with_causes;

/// The least width and height of a box in pixels. A box without an area makes losses infinite.
const LEAST: f32 = 1e-2;

/// Checks the size `[height, width]` that annotations state for an image.
///
/// # Errors
///
/// Returns the reason if no image of this size can be read.
pub(super) fn image_size(size: [usize; 2]) -> Result<[usize; 2], String> {
    let [height, width] = size.map(|side| side as u64);
    match height <= MAX_SIDE && width <= MAX_SIDE && height * width <= MAX_PIXELS {
        true => Ok(size),
        false => Err(format!(
            "expected an image of at most {MAX_PIXELS} pixels and {MAX_SIDE} per side, found {width} x \
             {height}"
        )),
    }
}

/// Reads the size `[height, width]` of an image that the annotations do not state.
///
/// # Errors
///
/// Returns the reason if the file cannot be read or decoded.
pub(super) fn size_of_file(path: &Path) -> Result<[usize; 2], String> {
    let image = resnet_image::open_as(path, Channels::Rgb).map_err(|error| with_causes(&error))?;
    let (width, height) = image.dimensions();
    Ok([height as usize, width as usize])
}

/// Clips a box to an image of `[height, width]` pixels.
///
/// # Errors
///
/// Returns the reason if the box is not finite, is empty or negative, or lies outside of the image.
pub(super) fn checked(corners: [f64; 4], [height, width]: [usize; 2]) -> Result<Box4, String> {
    let [x1, y1, x2, y2] = corners;
    if corners.iter().any(|side| !side.is_finite()) {
        return Err(format!(
            "expected finite numbers in its box, found {corners:?}"
        ));
    }
    if x2 <= x1 || y2 <= y1 {
        let [wide, high] = [x2 - x1, y2 - y1];
        return Err(format!(
            "expected a box with an area, found {wide} x {high} pixels"
        ));
    }
    let [w, h] = [width as f64, height as f64];
    if x1 >= w || y1 >= h || x2 <= 0.0 || y2 <= 0.0 {
        return Err(format!(
            "its box {corners:?} lies outside of the image of {width} x {height} pixels"
        ));
    }
    let clipped = [x1.max(0.0), y1.max(0.0), x2.min(w), y2.min(h)];
    let clipped = clipped.map(|side| side as f32);
    match is_large(clipped, LEAST) {
        true => Ok(clipped),
        false => Err(format!(
            "expected a box of {LEAST} pixels or more inside of the image, found {corners:?}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_clipped_or_refused() {
        let size = [10, 20];
        assert_eq!(
            checked([-1.0, 2.0, 25.0, 8.0], size),
            Ok([0.0, 2.0, 20.0, 8.0])
        );
        for (corners, reason) in [
            ([5.0, 2.0, 5.0, 8.0], "found 0 x 6 pixels"),
            ([5.0, 2.0, 3.0, 8.0], "found -2 x 6 pixels"),
            (
                [20.0, 2.0, 25.0, 8.0],
                "outside of the image of 20 x 10 pixels",
            ),
            ([0.0, -5.0, 5.0, 0.0], "outside of the image"),
            ([0.0, f64::NAN, 5.0, 5.0], "expected finite numbers"),
            ([19.999_999, 2.0, 25.0, 8.0], "0.01 pixels or more inside"),
        ] {
            let error = checked(corners, size).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
