//! Random augmentation of images with their boxes, masks and keypoints.

use image::imageops::{self, flip_horizontal_in_place};
use image::{Rgb, RgbImage};
use rand::RngExt;
use resnet_dense::Target;
use resnet_dense::ops::boxes;
use resnet_image::Filter;
use serde::{Deserialize, Serialize};

use super::KeypointNames;
use super::mask::check_memory;
use crate::augment::check;
use crate::data_loader::with_causes;
use crate::random::Random;
use crate::{AugmentError, Jitter};

/// The color of pixels beyond the image: ImageNet's mean color.
const FILL: Rgb<u8> = Rgb([124, 116, 104]);

/// Augmentation of training images, applied in the order of the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ObjectAugment {
    /// The color jitter.
    pub jitter: Jitter,
    /// The least share of each side that a random crop keeps, at most 1. Objects outside of the crop
    /// are dropped.
    pub crop: Option<f64>,
    /// Resizing by a random factor, with a crop or padding to a fixed size.
    pub scale_jitter: Option<ScaleJitter>,
    /// The probability of a horizontal flip. Keypoints with `left` and `right` in their names
    /// change places.
    pub flip: f64,
}

/// Scale jitter (Ghiasi et al. 2020, "Simple Copy-Paste", section 3). The image is resized to fit
/// into `size` times a random factor. Then it is cropped to `size` at a random place, or padded at
/// the right and bottom. torchvision's large-scale jitter has 1024x1024 pixels and factors from 0.1
/// to 2.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaleJitter {
    /// Height and width of the result.
    pub size: [u32; 2],
    /// The smallest and the largest factor.
    pub scale: [f64; 2],
}

impl ObjectAugment {
    /// Checks that every number is in its range.
    ///
    /// # Errors
    ///
    /// Returns an error if a number is out of its range.
    pub fn validate(&self) -> Result<(), AugmentError> {
        self.jitter.validate()?;
        check("crop", self.crop.unwrap_or(1.0), 0.01, 1.0)?;
        if let Some(ScaleJitter { size, scale }) = self.scale_jitter {
            for side in size {
                check("size", side.into(), 1.0, 8192.0)?;
            }
            check("scale", scale[1], 0.01, 10.0)?;
            check("scale", scale[0], 0.01, scale[1])?;
        }
        check("flip", self.flip, 0.0, 1.0)
    }

    /// Augments an image and its target.
    ///
    /// # Errors
    ///
    /// Returns the reason if the image or its masks become too large.
    pub(super) fn apply(
        &self,
        mut image: RgbImage,
        mut target: Target,
        keypoints: &KeypointNames,
        random: &mut Random,
    ) -> Result<(RgbImage, Target), String> {
        self.jitter.apply(&mut image, random);
        if let Some(least) = self.crop {
            let [w, h] = [image.width(), image.height()].map(|side| {
                let kept = (f64::from(side) * random.random_range(least..=1.0)) as u32;
                kept.max(1)
            });
            let x = random.random_range(0..=image.width() - w);
            let y = random.random_range(0..=image.height() - h);
            target = window(&target, size(&image), [x, y], [w, h]);
            image = imageops::crop_imm(&image, x, y, w, h).to_image();
        }
        if let Some(jitter) = self.scale_jitter {
            (image, target) = jitter.apply(&image, &target, random)?;
        }
        if random.random_bool(self.flip) {
            flip_horizontal_in_place(&mut image);
            target = flip(target, size(&image), keypoints);
        }
        Ok((image, target))
    }
}

impl ScaleJitter {
    fn apply(
        &self,
        image: &RgbImage,
        target: &Target,
        random: &mut Random,
    ) -> Result<(RgbImage, Target), String> {
        let [height, width] = self.size;
        let from = size(image);
        let share = (f64::from(height) / from[0] as f64).min(f64::from(width) / from[1] as f64);
        let factor = share * random.random_range(self.scale[0]..=self.scale[1]);
        let to = from.map(|side| ((side as f64 * factor) as usize).max(1));
        for size in [to, self.size.map(|side| side as usize)] {
            let advice = "use a smaller `objects.scale-jitter`";
            check_memory(target.masks.len(), size, advice).map_err(|error| error.to_string())?;
        }
        let resized = resnet_image::resize(image, to[1] as u32, to[0] as u32, Filter::Bilinear)
            .map_err(|error| with_causes(&error))?;
        let target = target.resize(from, to);
        let at = |to: usize, kept: u32, random: &mut Random| {
            let beyond = (to as u32).saturating_sub(kept);
            random.random_range(0..=beyond)
        };
        let [x, y] = [at(to[1], width, random), at(to[0], height, random)];
        let mut out = RgbImage::from_pixel(width, height, FILL);
        imageops::replace(&mut out, &resized, -i64::from(x), -i64::from(y));
        Ok((out, window(&target, to, [x, y], [width, height])))
    }
}

/// Returns `[height, width]`.
fn size(image: &RgbImage) -> [usize; 2] {
    [image.height() as usize, image.width() as usize]
}

/// Moves a target to a window of an image: the window starts at `[x, y]`, has `[width, height]`
/// pixels and may exceed the image. Objects without a box in it are dropped.
fn window(
    target: &Target,
    [rows, columns]: [usize; 2],
    [left, top]: [u32; 2],
    [width, height]: [u32; 2],
) -> Target {
    let [x, y] = [left as f32, top as f32];
    let [w, h] = [width as usize, height as usize];
    let mut found = Target::default();
    for (i, [x1, y1, x2, y2]) in target.boxes.iter().enumerate() {
        let corners = boxes::clip([x1 - x, y1 - y, x2 - x, y2 - y], [h, w]);
        if !boxes::is_large(corners, 1.0) {
            continue;
        }
        found.boxes.push(corners);
        found.labels.push(target.labels[i]);
        if let Some(mask) = target.masks.get(i) {
            let inside = |at: usize| {
                let (row, column) = (at / w + top as usize, at % w + left as usize);
                row < rows && column < columns && mask[row * columns + column]
            };
            found.masks.push((0..w * h).map(inside).collect());
        }
        if let Some(points) = target.keypoints.get(i) {
            let moved = points.iter().map(|[px, py, visible]| {
                let [px, py] = [px - x, py - y];
                let inside = (0.0..=w as f32).contains(&px) && (0.0..=h as f32).contains(&py);
                if inside { [px, py, *visible] } else { [0.0; 3] }
            });
            found.keypoints.push(moved.collect());
        }
    }
    found
}

/// Mirrors a target.
fn flip(mut target: Target, [height, width]: [usize; 2], keypoints: &KeypointNames) -> Target {
    let w = width as f32;
    for [x1, _, x2, _] in &mut target.boxes {
        (*x1, *x2) = (w - *x2, w - *x1);
    }
    for mask in &mut target.masks {
        mask.chunks_mut(width.max(1))
            .take(height)
            .for_each(<[bool]>::reverse);
    }
    let mirrored = keypoints.mirrored();
    for points in &mut target.keypoints {
        for point in &mut *points {
            point[0] = w - point[0];
        }
        let before = points.clone();
        for (i, point) in points.iter_mut().enumerate() {
            let from = mirrored.get(i).copied().unwrap_or(i);
            *point = before.get(from).copied().unwrap_or(*point);
        }
    }
    target
}

impl KeypointNames {
    /// Returns the place of each keypoint's mirror image: `left_eye` and `right_eye` change places.
    fn mirrored(&self) -> Vec<usize> {
        let names: Vec<String> = self.names.iter().map(|name| name.to_lowercase()).collect();
        let other = |name: &str| match name.contains("left") {
            true => name.replace("left", "right"),
            false => name.replace("right", "left"),
        };
        let place = |(i, name): (usize, &String)| {
            let other = other(name);
            names.iter().position(|name| *name == other).unwrap_or(i)
        };
        names.iter().enumerate().map(place).collect()
    }

    /// Returns whether a flip exchanges any keypoints.
    pub fn has_pairs(&self) -> bool {
        let mirrored = self.mirrored();
        mirrored.iter().enumerate().any(|(i, place)| i != *place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{For, random};

    fn target() -> Target {
        let mut mask = vec![false; 6 * 8];
        mask[2 * 8 + 1] = true;
        Target {
            boxes: vec![[1.0, 2.0, 3.0, 4.0]],
            labels: vec![5],
            masks: vec![mask],
            keypoints: vec![vec![[1.5, 2.5, 2.0], [2.5, 3.5, 1.0]]],
        }
    }

    #[test]
    fn a_flip_mirrors_everything() {
        let names = KeypointNames {
            names: vec!["Left_eye".into(), "right_Eye".into()],
            skeleton: Vec::new(),
        };
        let flipped = flip(target(), [6, 8], &names);
        assert_eq!(flipped.boxes, [[5.0, 2.0, 7.0, 4.0]]);
        assert!(flipped.masks[0][2 * 8 + 6]);
        assert_eq!(flipped.keypoints[0], [[5.5, 3.5, 1.0], [6.5, 2.5, 2.0]]);
        assert_eq!(flip(flipped, [6, 8], &names), target());
    }

    #[test]
    fn a_window_clips_boxes_and_drops_objects() {
        let found = window(&target(), [6, 8], [2, 2], [4, 3]);
        assert_eq!(found.boxes, [[0.0, 0.0, 1.0, 2.0]]);
        assert!(!found.masks[0].contains(&true));
        assert_eq!(found.keypoints[0], [[0.0; 3], [0.5, 1.5, 1.0]]);
        assert_eq!(window(&target(), [6, 8], [4, 0], [4, 6]), Target::default());
        // The window is larger than the image.
        let found = window(&target(), [6, 8], [0, 0], [20, 20]);
        assert_eq!(found.boxes, target().boxes);
        assert!(found.masks[0][2 * 20 + 1]);
    }

    #[test]
    fn scale_jitter_moves_boxes_with_the_pixels() {
        let jitter = ScaleJitter {
            size: [64, 64],
            scale: [0.5, 2.0],
        };
        let augment = ObjectAugment {
            scale_jitter: Some(jitter),
            flip: 0.5,
            crop: Some(0.7),
            ..ObjectAugment::default()
        };
        augment.validate().unwrap();
        // A white square on black.
        let mut image = RgbImage::new(40, 30);
        for (x, y) in (10..26).flat_map(|x| (8..20).map(move |y| (x, y))) {
            image.put_pixel(x, y, Rgb([255; 3]));
        }
        let target = Target {
            boxes: vec![[10.0, 8.0, 26.0, 20.0]],
            labels: vec![0],
            ..Target::default()
        };
        let mut seen = 0;
        for seed in 0..40 {
            let mut random = random(seed, For::Object, [0, 0]);
            let names = KeypointNames::default();
            let (image, found) = augment
                .apply(image.clone(), target.clone(), &names, &mut random)
                .unwrap();
            assert_eq!(image.dimensions(), (64, 64));
            for [x1, y1, x2, y2] in found.boxes {
                seen += 1;
                let center = [(x1 + x2) / 2.0, (y1 + y2) / 2.0].map(|at| at as u32);
                let Rgb(color) = image.get_pixel(center[0].min(63), center[1].min(63));
                if x2 - x1 > 4.0 && y2 - y1 > 4.0 {
                    assert!(color[0] > 200, "{seed}: {color:?}");
                }
            }
        }
        assert!(seen > 20, "{seen}");
    }

    #[test]
    fn wrong_numbers_are_refused() {
        let wrong = ObjectAugment {
            crop: Some(0.0),
            ..ObjectAugment::default()
        };
        assert!(wrong.validate().unwrap_err().to_string().contains("`crop`"));
    }
}
