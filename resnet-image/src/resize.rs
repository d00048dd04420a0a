use image::RgbImage;
use rayon::prelude::*;

use crate::filter::Filter;
use crate::limits::{TransformError, check_output, check_source};

/// Bits after the point of a quantised weight: 32, less 8 for the pixel and 2 for the overshoot of
/// a cubic, as Pillow's `PRECISION_BITS`.
const PRECISION_BITS: u32 = 32 - 8 - 2;
const HALF: i32 = 1 << (PRECISION_BITS - 1);

/// A rectangle of the resized image; only its pixels are computed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) x: u64,
    pub(crate) y: u64,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// Resizes to exactly `width` x `height` pixels, bit for bit as Pillow's `Image.resize`.
///
/// The filter widens by the factor of reduction (what torchvision calls antialias). Weights are
/// computed in `f64` and quantised to 22 bits; the horizontal pass comes first, each pass rounds
/// and clips to 8 bits, and a pass that keeps its size is skipped.
///
/// # Errors
/// [`TransformError`] when a side of the image or of the target is zero, or when the result, or
/// what lies between the two passes, would pass [`MAX_PIXELS`](crate::MAX_PIXELS) or
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
pub fn resize(
    image: &RgbImage,
    width: u32,
    height: u32,
    filter: Filter,
) -> Result<RgbImage, TransformError> {
    check_source(image)?;
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

/// Resizes so that the shorter side has `size` pixels, as torchvision's `Resize(size)`.
///
/// The longer side is `size * longer / shorter`, truncated.
///
/// # Errors
/// As for [`resize`].
///
/// ```
/// use resnet_image::{Filter, RgbImage, resize_shorter_side};
///
/// let image = RgbImage::new(500, 333);
/// let resized = resize_shorter_side(&image, 256, Filter::Bilinear)?;
/// assert_eq!(resized.dimensions(), (384, 256)); // 384.38 truncated
/// # Ok::<(), resnet_image::TransformError>(())
/// ```
pub fn resize_shorter_side(
    image: &RgbImage,
    size: u32,
    filter: Filter,
) -> Result<RgbImage, TransformError> {
    check_source(image)?;
    let (width, height) = shorter_side_size(image.width(), image.height(), size);
    check_output(width, height)?;
    // Within the limits a side fits 32 bits, so nothing is lost here.
    resize(image, width as u32, height as u32, filter)
}

/// The size that [`resize_shorter_side`] gives, before any limit.
pub(crate) fn shorter_side_size(width: u32, height: u32, size: u32) -> (u64, u64) {
    let (short, long) = (width.min(height), width.max(height));
    // torchvision divides in floating point: `int(size * long / short)`.
    let long = ((u64::from(size) * u64::from(long)) as f64 / f64::from(short)) as u64;
    if width <= height {
        (size.into(), long)
    } else {
        (long, size.into())
    }
}

/// The part `window` of `image` resized to `width` x `height`: the same bytes as a full resize
/// followed by a crop. `window` must lie inside the resized image.
pub(crate) fn resize_window(
    image: &RgbImage,
    width: u64,
    height: u64,
    window: Window,
    filter: Filter,
) -> RgbImage {
    let vertical = (height != u64::from(image.height()))
        .then(|| Weights::new(image.height(), height, window.y, window.height, filter));
    let rows = match &vertical {
        Some(weights) => weights.source_range(),
        None => window.y as usize..window.y as usize + window.height as usize,
    };
    let stride = image.width() as usize * 3;
    let out_stride = window.width as usize * 3;
    let source = &image.as_raw()[rows.start * stride..rows.end * stride];

    let resampled;
    let (pixels, stride, left) = if width == u64::from(image.width()) {
        (source, stride, window.x as usize * 3)
    } else {
        let weights = Weights::new(image.width(), width, window.x, window.width, filter);
        let mut middle = vec![0; rows.len() * out_stride];
        middle
            .par_chunks_exact_mut(out_stride)
            .zip(source.par_chunks_exact(stride))
            .with_min_len(16)
            .for_each(|(out, row)| horizontal(row, &weights, out));
        resampled = middle;
        (&resampled[..], out_stride, 0)
    };

    let row = |y: usize| &pixels[y * stride + left..][..out_stride];
    let mut output = vec![0; window.height as usize * out_stride];
    match vertical {
        Some(weights) => {
            output
                .par_chunks_exact_mut(out_stride)
                .with_min_len(4)
                .enumerate()
                .for_each_init(
                    || vec![0; out_stride],
                    |sums, (y, out)| vertical_row(&row, rows.start, weights.at(y), sums, out),
                );
        }
        None => output
            .chunks_exact_mut(out_stride)
            .enumerate()
            .for_each(|(y, out)| {
                out.copy_from_slice(row(y));
            }),
    }
    RgbImage::from_raw(window.width, window.height, output).expect("three bytes a pixel")
}

fn horizontal(row: &[u8], weights: &Weights, out: &mut [u8]) {
    for (x, out) in out.chunks_exact_mut(3).enumerate() {
        let (start, taps) = weights.at(x);
        let mut sums = [HALF; 3];
        for (pixel, &weight) in row[start * 3..].chunks_exact(3).zip(taps) {
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

/// The quantised weights of the output positions `first..first + count` along one axis: Pillow's
/// `precompute_coeffs` and `normalize_coeffs_8bpc`.
struct Weights {
    /// First source position, and the end of this position's taps in `taps`.
    bounds: Vec<(u32, u32)>,
    taps: Vec<i32>,
}

impl Weights {
    fn new(in_size: u32, out_size: u64, first: u64, count: u32, filter: Filter) -> Self {
        let scale = f64::from(in_size) / out_size as f64;
        let filter_scale = scale.max(1.0);
        let support = filter.support() * filter_scale;
        let inverse = 1.0 / filter_scale;
        let mut weights = Vec::new();
        let mut taps = Vec::new();
        let bounds = (first..first + u64::from(count))
            .map(|position| {
                let center = (position as f64 + 0.5) * scale;
                let start = ((center - support + 0.5) as i64).clamp(0, in_size.into());
                let end = ((center + support + 0.5) as i64).min(in_size.into());
                weights.clear();
                weights.extend(
                    (start..end).map(|x| filter.weight((x as f64 - center + 0.5) * inverse)),
                );
                // Left to right, as Pillow adds them: the order decides the last bit.
                let sum = weights.iter().fold(0.0, |sum, weight| sum + weight);
                taps.extend(
                    weights
                        .iter()
                        .map(|w| quantise(if sum == 0.0 { *w } else { w / sum })),
                );
                (start as u32, taps.len() as u32)
            })
            .collect();
        Self { bounds, taps }
    }

    fn at(&self, index: usize) -> (usize, &[i32]) {
        let (start, end) = self.bounds[index];
        let begin = if index == 0 {
            0
        } else {
            self.bounds[index - 1].1
        };
        (start as usize, &self.taps[begin as usize..end as usize])
    }

    /// The source positions that any of the outputs reads.
    fn source_range(&self) -> std::ops::Range<usize> {
        let (start, _) = self.at(0);
        let (last, taps) = self.at(self.bounds.len() - 1);
        start..last + taps.len()
    }
}

fn quantise(weight: f64) -> i32 {
    let scaled = weight * f64::from(1 << PRECISION_BITS);
    (if weight < 0.0 {
        scaled - 0.5
    } else {
        scaled + 0.5
    }) as i32
}

#[cfg(test)]
mod tests {
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
    fn halving_a_row_bilinear_weighs_eighths() {
        let weights = Weights::new(8, 4, 0, 4, Filter::Bilinear);
        // Position 1 has its centre at 3.0 and support 2: pixels 1 to 4 weigh 1/8 3/8 3/8 1/8.
        let one = 1 << PRECISION_BITS;
        assert_eq!(
            weights.at(1),
            (1, &[one / 8, 3 * one / 8, 3 * one / 8, one / 8][..])
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
