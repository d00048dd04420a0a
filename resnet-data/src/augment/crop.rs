//! Random crops.

use image::RgbImage;
use image::imageops::{crop_imm, replace};
use rand::RngExt;
use resnet_image::{Filter, TransformError, resize};
use serde::{Deserialize, Serialize};

use crate::random::Random;

/// The crop of an image in training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Crop {
    /// A rectangle of random area, aspect ratio and position, resized to a square: torchvision's
    /// `RandomResizedCrop` with aspect ratios from 3/4 to 4/3.
    RandomResized {
        /// The side of the square.
        size: u32,
        /// The minimum and the maximum share of the area.
        scale: [f64; 2],
        /// The resize filter.
        #[serde(default)]
        filter: Filter,
    },
    /// A random square of the image with black padding: torchvision's `RandomCrop`.
    Padded {
        /// The side of the square.
        size: u32,
        /// The number of black pixels on each side.
        padding: u32,
    },
    /// The crop of the preprocessing, as in evaluation.
    Preprocessing,
}

/// The range of the aspect ratio (width to height) of a random rectangle.
const RATIOS: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];

/// A rectangle: left, top, width, height.
pub(super) type Rectangle = [u32; 4];

pub(super) fn random_resized(
    image: &RgbImage,
    size: u32,
    scale: [f64; 2],
    filter: Filter,
    random: &mut Random,
) -> Result<RgbImage, TransformError> {
    let [x, y, width, height] = rectangle(image.dimensions(), scale, random);
    let part = crop_imm(image, x, y, width, height).to_image();
    resize(&part, size, size, filter)
}

/// Draws the rectangle of a random resized crop. Tries ten times, then takes the center.
fn rectangle((width, height): (u32, u32), scale: [f64; 2], random: &mut Random) -> Rectangle {
    for _ in 0..10 {
        let [w, h] = random_sides(width, height, scale, RATIOS, random);
        if (1..=width).contains(&w) && (1..=height).contains(&h) {
            return [
                random.random_range(0..=width - w),
                random.random_range(0..=height - h),
                w,
                h,
            ];
        }
    }
    let ratio = f64::from(width) / f64::from(height);
    let (w, h) = if ratio < RATIOS[0] {
        (
            width,
            (f64::from(width) / RATIOS[0]).round_ties_even() as u32,
        )
    } else if ratio > RATIOS[1] {
        (
            (f64::from(height) * RATIOS[1]).round_ties_even() as u32,
            height,
        )
    } else {
        (width, height)
    };
    let (w, h) = (w.clamp(1, width), h.clamp(1, height));
    [(width - w) / 2, (height - h) / 2, w, h]
}

/// Draws the width and height of a rectangle with random area and aspect ratio. The logarithm of
/// the aspect ratio is uniform.
pub(super) fn random_sides(
    width: u32,
    height: u32,
    scale: [f64; 2],
    ratios: [f64; 2],
    random: &mut Random,
) -> [u32; 2] {
    let area = f64::from(width) * f64::from(height) * random.random_range(scale[0]..=scale[1]);
    let ratio = random.random_range(ratios[0].ln()..=ratios[1].ln()).exp();
    [area * ratio, area / ratio].map(|square| square.sqrt().round_ties_even() as u32)
}

/// Crops a padded image. If the padded image is smaller than the crop, adds the missing pixels on
/// both sides, as torchvision's `pad_if_needed` does.
pub(super) fn padded(image: &RgbImage, size: u32, padding: u32, random: &mut Random) -> RgbImage {
    let mut place = |side: u32| {
        let [side, size, padding] = [side, size, padding].map(i64::from);
        let lacking = (size - side - 2 * padding).max(0);
        let padding = padding + lacking;
        padding - random.random_range(0..=side + 2 * padding - size)
    };
    let (x, y) = (place(image.width()), place(image.height()));
    let mut square = RgbImage::new(size, size);
    replace(&mut square, image, x, y);
    square
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{For, random};

    #[test]
    fn rectangles_have_the_requested_area_and_aspect_ratio() {
        let mut random = random(1, For::Sample, [0, 0]);
        let mut areas = Vec::new();
        for _ in 0..2000 {
            let [x, y, w, h] = rectangle((400, 300), [0.25, 0.75], &mut random);
            assert!(x + w <= 400 && y + h <= 300);
            let ratio = f64::from(w) / f64::from(h);
            assert!((0.74..=1.35).contains(&ratio), "{ratio}");
            areas.push(f64::from(w * h) / 120_000.0);
        }
        assert!(areas.iter().all(|area| (0.245..=0.755).contains(area)));
        let mean = areas.iter().sum::<f64>() / 2000.0;
        // The drawn areas are uniform from 1/4 to 3/4, with a mean of 1/2. Rectangles that do not
        // fit are drawn again, which lowers the mean.
        assert!((0.46..0.51).contains(&mean), "{mean}");
    }

    #[test]
    fn a_strip_falls_back_to_its_center() {
        let mut random = random(1, For::Sample, [0, 0]);
        // No rectangle fits in 1x100 pixels. The fallback is the central 1 x 1.33, rounded.
        assert_eq!(rectangle((1, 100), [0.9, 1.0], &mut random), [0, 49, 1, 1]);
    }

    #[test]
    fn a_small_image_is_padded_on_both_sides() {
        // With 1 pixel of padding per side, the image has 6 pixels, 4 less than the crop. So 4 more
        // are added per side, and the crop has 5 positions in 14 pixels.
        let image = RgbImage::from_pixel(4, 4, image::Rgb([255; 3]));
        let mut random = random(1, For::Sample, [0, 0]);
        let mut corners = std::collections::BTreeSet::new();
        for _ in 0..500 {
            let crop = padded(&image, 10, 1, &mut random);
            let white = crop.enumerate_pixels();
            let white: Vec<_> = white.filter(|(.., pixel)| pixel.0[0] == 255).collect();
            assert_eq!(white.len(), 16);
            corners.insert((white[0].0, white[0].1));
        }
        let places = || 1..=5;
        let all = places().flat_map(|x| places().map(move |y| (x, y)));
        assert_eq!(corners, all.collect());
    }

    #[test]
    fn padded_crops_move_at_most_by_the_padding() {
        let image = RgbImage::from_pixel(8, 8, image::Rgb([255; 3]));
        let mut random = random(1, For::Sample, [0, 0]);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..500 {
            let crop = padded(&image, 8, 2, &mut random);
            let white = crop
                .enumerate_pixels()
                .filter(|(.., pixel)| pixel.0[0] == 255);
            let first = white.map(|(x, y, _)| (x, y)).min().unwrap();
            assert!(first.0 <= 2 && first.1 <= 2);
            let count = crop.pixels().filter(|pixel| pixel.0[0] == 255).count();
            seen.insert((first, count));
        }
        // There are 5 positions in each direction. Crops with the same first white pixel differ in
        // their number of white pixels.
        assert!(seen.len() > 16);
    }
}
