//! Mixup and CutMix.

use rand::RngExt;
use rand_distr::{Beta, Distribution};
use resnet_image::Pixels;
use serde::{Deserialize, Serialize};

use super::{AugmentError, check};
use crate::random::Random;

/// Mixup and CutMix, which mix every image of a batch, and its target, with the image before it. If
/// both are enabled, each batch gets one of them at random.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mix {
    /// The parameter of mixup (Zhang et al. 2017), which blends all pixels with a weight from
    /// `Beta(mixup, mixup)`; 0 disables mixup.
    pub mixup: f64,
    /// The parameter of CutMix (Yun et al. 2019), which pastes a rectangle with an area from
    /// `Beta(cutmix, cutmix)`; 0 disables CutMix.
    pub cutmix: f64,
}

impl Mix {
    /// Checks that every number is in its range.
    ///
    /// # Errors
    ///
    /// Returns an error if a number is out of its range.
    pub fn validate(&self) -> Result<(), AugmentError> {
        check("mixup", self.mixup, 0.0, 1000.0)?;
        check("cutmix", self.cutmix, 0.0, 1000.0)
    }

    /// Mixes the targets, and for CutMix the images. For mixup, returns the weight that each image
    /// keeps, as the pixels are blended only after normalization.
    pub(crate) fn apply(
        &self,
        images: &mut [Pixels],
        targets: &mut [Vec<f32>],
        random: &mut Random,
    ) -> Option<f32> {
        let alphas = [self.mixup, self.cutmix];
        let kinds: Vec<usize> = (0..2).filter(|&kind| alphas[kind] > 0.0).collect();
        if kinds.is_empty() || images.len() < 2 {
            return None;
        }
        let kind = kinds[random.random_range(0..kinds.len())];
        let share = match Beta::new(alphas[kind], alphas[kind]) {
            Ok(beta) => beta.sample(random),
            Err(_) => 1.0,
        };
        if kind == 0 {
            mix_targets(targets, share as f32);
            return Some(share as f32);
        }
        let (width, height) = images[0].dimensions();
        let center = [
            random.random_range(0..width),
            random.random_range(0..height),
        ];
        let [x, y, w, h] = rectangle([width, height], center, share);
        if w > 0 && h > 0 {
            let old = images.to_vec();
            for (image, other) in images.iter_mut().zip(before(&old)) {
                paste(image, other, [x, y, w, h]);
            }
        }
        let pasted = f64::from(w * h) / f64::from(width * height);
        mix_targets(targets, (1.0 - pasted) as f32);
        None
    }
}

/// Replaces a rectangle by the same rectangle of another image of equal size. Leaves images of
/// different sizes alone, as a later check reports them.
fn paste(image: &mut Pixels, other: &Pixels, [x, y, w, h]: [u32; 4]) {
    if image.dimensions() != other.dimensions() {
        return;
    }
    let channels = image.channels().count();
    let width = image.dimensions().0 as usize;
    for row in y as usize..(y + h) as usize {
        let start = (row * width + x as usize) * channels;
        let pixels = start..start + w as usize * channels;
        image.as_raw_mut()[pixels.clone()].copy_from_slice(&other.as_raw()[pixels]);
    }
}

/// Iterates over the item before each item; the last item comes before the first.
fn before<T>(items: &[T]) -> impl Iterator<Item = &T> {
    items.iter().cycle().skip(items.len() - 1)
}

fn mix_targets(targets: &mut [Vec<f32>], share: f32) {
    let old = targets.to_vec();
    for (target, other) in targets.iter_mut().zip(before(&old)) {
        for (value, other) in target.iter_mut().zip(other) {
            *value = share * *value + (1.0 - share) * other;
        }
    }
}

/// Computes the rectangle of torchvision's `CutMix.make_params`: left, top, width and height around
/// a center, clipped at the border.
fn rectangle(sides: [u32; 2], center: [u32; 2], share: f64) -> [u32; 4] {
    let reach = 0.5 * (1.0 - share).max(0.0).sqrt();
    let span = |side: u32, center: u32| {
        let half = (reach * f64::from(side)) as u32;
        let start = center.saturating_sub(half);
        let end = (center + half).min(side);
        (start, end - start)
    };
    let (x, width) = span(sides[0], center[0]);
    let (y, height) = span(sides[1], center[1]);
    [x, y, width, height]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{For, random};
    use image::{Rgb, RgbImage};

    /// Four images of one gray each, in four classes.
    fn batch() -> (Vec<Pixels>, Vec<Vec<f32>>) {
        let image = |i: u8| RgbImage::from_pixel(8, 6, Rgb([10 * i; 3])).into();
        let target = |i: usize| {
            (0..4)
                .map(|class| f32::from(u8::from(class == i)))
                .collect()
        };
        ((0..4).map(image).collect(), (0..4).map(target).collect())
    }

    #[test]
    fn cutmix_targets_match_the_pasted_area() {
        let mix = Mix {
            cutmix: 1.0,
            ..Mix::default()
        };
        let mut pasted = 0;
        for place in 0..50 {
            let (mut images, mut targets) = batch();
            let mut random = random(3, For::Mix, [place, 0]);
            assert_eq!(mix.apply(&mut images, &mut targets, &mut random), None);
            for i in 0..4 {
                let other = (i + 3) % 4;
                let pixels = images[i].as_raw().chunks(3);
                let of_other = pixels.filter(|p| **p == [10 * other as u8; 3]).count();
                assert!((targets[i][other] - of_other as f32 / 48.0).abs() < 1e-6);
                assert!((targets[i][i] + targets[i][other] - 1.0).abs() < 1e-6);
                pasted += of_other;
            }
        }
        assert!(pasted > 0);
    }

    #[test]
    fn mixup_blends_targets_but_not_pixels() {
        let mix = Mix {
            mixup: 0.2,
            ..Mix::default()
        };
        let (mut images, mut targets) = batch();
        let before = images.clone();
        let share = mix.apply(&mut images, &mut targets, &mut random(3, For::Mix, [0, 0]));
        assert_eq!(images, before);
        let share = share.unwrap();
        assert_eq!(targets[0], [share, 0.0, 0.0, 1.0 - share]);
        assert_eq!(targets[2], [0.0, 1.0 - share, share, 0.0]);
    }

    #[test]
    fn rectangles_match_torchvision() {
        // r = 0.5 sqrt(0.36) = 0.3: half the width is int(3.0) = 3, half the height is int(1.8) =
        // 1.
        assert_eq!(rectangle([10, 6], [5, 3], 0.64), [2, 2, 6, 2]);
        assert_eq!(rectangle([10, 6], [9, 0], 0.64), [6, 0, 4, 1]);
        assert_eq!(rectangle([10, 6], [5, 3], 1.0), [5, 3, 0, 0]);
    }
}
