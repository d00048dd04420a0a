//! Resizing that matches Pillow bit for bit.

use std::borrow::Cow;

use image::{ImageBuffer, Pixel};
use rayon::prelude::*;

use self::weights::{HALF, PRECISION_BITS, Weights};
use crate::filter::Filter;
use crate::limits::{TransformError, check_output, check_source};

mod alpha;
mod weights;

/// A rectangle of the resized image; only its pixels are computed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) x: u64,
    pub(crate) y: u64,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// Resizes to exactly `width` x `height` pixels, bit for bit as Pillow's `Image.resize` does.
///
/// As in Pillow, colors with alpha are premultiplied before the resize and divided by alpha after
/// it.
///
/// For downscaling, the filter widens by the scale factor (torchvision's `antialias`). Weights are
/// computed in `f64` and quantized to 22 bits. The horizontal pass runs first. Each pass rounds and
/// clips to 8 bits. A pass that keeps its size is skipped.
///
/// # Errors
/// Returns a [`TransformError`] if a side of the image or of the target is zero. Also returns it if
/// the result, or the image between the two passes, exceeds [`MAX_PIXELS`](crate::MAX_PIXELS) or
/// [`MAX_SIDE`](crate::MAX_SIDE).
///
/// ```
/// use resnet_image::{Filter, RgbImage, resize};
///
/// let image = RgbImage::from_pixel(40, 30, image::Rgb([10, 20, 30]));
/// let small = resize(&image, 20, 10, Filter::Bicubic)?;
/// assert_eq!(small, RgbImage::from_pixel(20, 10, image::Rgb([10, 20, 30])));
/// # Ok::<(), resnet_image::TransformError>(())
/// ```
pub fn resize<P: Pixel<Subpixel = u8>>(
    image: &ImageBuffer<P, Vec<u8>>,
    width: u32,
    height: u32,
    filter: Filter,
) -> Result<ImageBuffer<P, Vec<u8>>, TransformError> {
    check_source(image.dimensions())?;
    check_output(width.into(), height.into())?;
    if width != image.width() && height != image.height() {
        check_output(width.into(), image.height().into())?;
    }
    let all = Window {
        x: 0,
        y: 0,
        width,
        height,
    };
    Ok(resize_window(
        image,
        width.into(),
        height.into(),
        all,
        filter,
    ))
}

/// Resizes the shorter side to `size` pixels, as torchvision's `Resize(size)` does.
///
/// The longer side is `size * longer / shorter`, truncated.
///
/// # Errors
/// Returns an error in the same cases as [`resize`].
///
/// ```
/// use resnet_image::{Filter, RgbImage, resize_shorter_side};
///
/// let image = RgbImage::new(500, 333);
/// let resized = resize_shorter_side(&image, 256, Filter::Bilinear)?;
/// assert_eq!(resized.dimensions(), (384, 256)); // 384.38 truncated
/// # Ok::<(), resnet_image::TransformError>(())
/// ```
pub fn resize_shorter_side<P: Pixel<Subpixel = u8>>(
    image: &ImageBuffer<P, Vec<u8>>,
    size: u32,
    filter: Filter,
) -> Result<ImageBuffer<P, Vec<u8>>, TransformError> {
    check_source(image.dimensions())?;
    let (width, height) = shorter_side_size(image.width(), image.height(), size);
    check_output(width, height)?;
    // Within the limits, a side fits into 32 bits.
    resize(image, width as u32, height as u32, filter)
}

/// Returns the size that [`resize_shorter_side`] resizes to, before any limit.
pub(crate) fn shorter_side_size(width: u32, height: u32, size: u32) -> (u64, u64) {
    let (short, long) = (width.min(height), width.max(height));
    // torchvision computes `int(size * long / short)` in floating point.
    let long = ((u64::from(size) * u64::from(long)) as f64 / f64::from(short)) as u64;
    if width <= height {
        (size.into(), long)
    } else {
        (long, size.into())
    }
}

/// Resizes `image` to `width` x `height`, but returns only the part `window`, which must lie inside
/// the resized image. The bytes are the same as after a full resize and a crop.
pub(crate) fn resize_window<P: Pixel<Subpixel = u8>>(
    image: &ImageBuffer<P, Vec<u8>>,
    width: u64,
    height: u64,
    window: Window,
    filter: Filter,
) -> ImageBuffer<P, Vec<u8>> {
    let channels = usize::from(P::CHANNEL_COUNT);
    let vertical = (height != u64::from(image.height()))
        .then(|| Weights::new(image.height(), height, window.y, window.height, filter));
    let horizontal = (width != u64::from(image.width()))
        .then(|| Weights::new(image.width(), width, window.x, window.width, filter));
    let rows = match &vertical {
        Some(weights) => weights.source_range(),
        None => window.y as usize..window.y as usize + window.height as usize,
    };
    let stride = image.width() as usize * channels;
    let out_stride = window.width as usize * channels;
    let mut source = Cow::Borrowed(&image.as_raw()[rows.start * stride..rows.end * stride]);
    let blends = P::HAS_ALPHA && (vertical.is_some() || horizontal.is_some());
    if blends {
        alpha::multiply(source.to_mut(), channels);
    }

    let resampled;
    let (pixels, stride, left) = match &horizontal {
        None => (&source[..], stride, window.x as usize * channels),
        Some(weights) => {
            let pass = match channels {
                1 => horizontal_row::<1>,
                2 => horizontal_row::<2>,
                3 => horizontal_row::<3>,
                _ => horizontal_row::<4>,
            };
            let mut middle = vec![0; rows.len() * out_stride];
            middle
                .par_chunks_exact_mut(out_stride)
                .zip(source.par_chunks_exact(stride))
                .with_min_len(16)
                .for_each(|(out, row)| pass(row, weights, out));
            resampled = middle;
            (&resampled[..], out_stride, 0)
        }
    };

    let row = |y: usize| &pixels[y * stride + left..][..out_stride];
    let mut output = ImageBuffer::new(window.width, window.height);
    let samples: &mut [u8] = &mut output;
    match vertical {
        Some(weights) => {
            samples
                .par_chunks_exact_mut(out_stride)
                .with_min_len(4)
                .enumerate()
                .for_each_init(
                    || vec![0; out_stride],
                    |sums, (y, out)| vertical_row(&row, rows.start, weights.at(y), sums, out),
                );
        }
        None => samples
            .chunks_exact_mut(out_stride)
            .enumerate()
            .for_each(|(y, out)| {
                out.copy_from_slice(row(y));
            }),
    }
    if blends {
        alpha::divide(samples, channels);
    }
    output
}

fn horizontal_row<const N: usize>(row: &[u8], weights: &Weights, out: &mut [u8]) {
    let row = row.as_chunks::<N>().0;
    for (x, out) in out.as_chunks_mut::<N>().0.iter_mut().enumerate() {
        let (start, taps) = weights.at(x);
        let mut sums = [HALF; N];
        for (pixel, &weight) in row[start..].iter().zip(taps) {
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                *sum += i32::from(value) * weight;
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = clip(sum);
        }
    }
}

fn vertical_row<'a>(
    row: &impl Fn(usize) -> &'a [u8],
    first_row: usize,
    (start, taps): (usize, &[i32]),
    sums: &mut [i32],
    out: &mut [u8],
) {
    sums.fill(HALF);
    for (y, &weight) in taps.iter().enumerate() {
        for (sum, &value) in sums.iter_mut().zip(row(start - first_row + y)) {
            *sum += i32::from(value) * weight;
        }
    }
    for (out, &sum) in out.iter_mut().zip(&*sums) {
        *out = clip(sum);
    }
}

fn clip(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::*;

    #[test]
    fn longer_side_is_truncated() {
        assert_eq!(shorter_side_size(513, 387, 256), (339, 256)); // 339.35
        assert_eq!(shorter_side_size(101, 397, 235), (235, 923)); // 923.71
        assert_eq!(
            shorter_side_size(1, u32::MAX, u32::MAX).1,
            18_446_744_065_119_617_024
        );
    }

    #[test]
    fn window_equals_resize_then_crop() {
        let image = RgbImage::from_fn(37, 23, |x, y| {
            image::Rgb([(x * 7) as u8, (y * 11) as u8, (x * y) as u8])
        });
        for (width, height) in [(20, 50), (37, 9), (60, 23), (37, 23)] {
            let full = resize(&image, width, height, Filter::Bicubic).unwrap();
            let window = Window {
                x: 5,
                y: 2,
                width: 9,
                height: 6,
            };
            let part = resize_window(&image, width.into(), height.into(), window, Filter::Bicubic);
            assert_eq!(
                part,
                image::imageops::crop_imm(&full, 5, 2, 9, 6).to_image()
            );
        }
    }
}
