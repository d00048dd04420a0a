//! Center crops, as in torchvision.

use image::{ImageBuffer, Pixel};

use crate::filter::Filter;
use crate::limits::{TransformError, check_output, check_source};
use crate::resize::{Window, resize_window};

/// Returns the center `size` x `size` pixels, as torchvision's `CenterCrop(size)` does.
///
/// Pads an image that is smaller than the crop with zeros; the odd pixel goes to the right and
/// below. For a larger image, the offset `(side - size) / 2` is rounded half to even.
///
/// # Errors
/// Returns a [`TransformError`] if `size` or a side of the image is zero, or if the crop has more
/// than [`MAX_PIXELS`](crate::MAX_PIXELS) pixels.
///
/// ```
/// use resnet_image::{RgbImage, center_crop};
///
/// let image = RgbImage::from_fn(7, 4, |x, y| image::Rgb([x as u8, y as u8, 9]));
/// let crop = center_crop(&image, 4)?;
/// assert_eq!(crop.get_pixel(0, 0).0, [2, 0, 9]); // (7 - 4) / 2 = 1.5, to even 2
/// # Ok::<(), resnet_image::TransformError>(())
/// ```
pub fn center_crop<P: Pixel<Subpixel = u8>>(
    image: &ImageBuffer<P, Vec<u8>>,
    size: u32,
) -> Result<ImageBuffer<P, Vec<u8>>, TransformError> {
    check_source(image.dimensions())?;
    let (width, height) = image.dimensions();
    crop_resized(image, width.into(), height.into(), size, Filter::default())
}

/// Resizes `image` to `width` x `height` and crops the center, without computing pixels outside the
/// crop.
///
/// The image and the crop limit the memory, regardless of the aspect ratio.
pub(crate) fn crop_resized<P: Pixel<Subpixel = u8>>(
    image: &ImageBuffer<P, Vec<u8>>,
    width: u64,
    height: u64,
    size: u32,
    filter: Filter,
) -> Result<ImageBuffer<P, Vec<u8>>, TransformError> {
    check_output(size.into(), size.into())?;
    let (across, down) = (Span::of(width, size), Span::of(height, size));
    let window = Window {
        x: across.start,
        y: down.start,
        width: across.len,
        height: down.len,
    };
    let inside = resize_window(image, width, height, window, filter);
    if inside.dimensions() == (size, size) {
        return Ok(inside);
    }
    let mut padded = ImageBuffer::new(size, size);
    image::imageops::replace(
        &mut padded,
        &inside,
        across.padding.into(),
        down.padding.into(),
    );
    Ok(padded)
}

/// The part of one side that a crop keeps, and the number of black pixels before it.
#[derive(Debug, PartialEq)]
struct Span {
    start: u64,
    len: u32,
    padding: u32,
}

impl Span {
    fn of(side: u64, size: u32) -> Self {
        match u32::try_from(side) {
            Ok(side) if side < size => Self {
                start: 0,
                len: side,
                padding: (size - side) / 2,
            },
            _ => {
                let spare = side - u64::from(size);
                // torchvision computes `int(round(spare / 2.0))`, and Python rounds half to even.
                let start = spare / 2 + u64::from(spare % 4 == 3);
                Self {
                    start,
                    len: size,
                    padding: 0,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::*;

    #[test]
    fn offset_rounds_half_to_even() {
        let starts: Vec<u64> = (4..=11).map(|side| Span::of(side, 4).start).collect();
        assert_eq!(starts, [0, 0, 1, 2, 2, 2, 3, 4]); // round(0, .5, 1, 1.5, 2, 2.5, 3, 3.5)
    }

    #[test]
    fn smaller_side_is_padded_with_the_odd_pixel_last() {
        assert_eq!(
            Span::of(3, 6),
            Span {
                start: 0,
                len: 3,
                padding: 1
            }
        );
    }

    #[test]
    fn zero_crop_is_an_error() {
        let error = center_crop(&RgbImage::new(3, 3), 0).unwrap_err();
        assert_eq!(
            error,
            TransformError::ZeroSize {
                width: 0,
                height: 0
            }
        );
        assert!(matches!(
            center_crop(&RgbImage::new(0, 3), 2),
            Err(TransformError::EmptyImage {
                width: 0,
                height: 3
            })
        ));
        assert!(matches!(
            center_crop(&RgbImage::new(3, 3), u32::MAX),
            Err(TransformError::TooLarge { .. })
        ));
    }
}
