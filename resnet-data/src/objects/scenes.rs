//! Drawn scenes: several shapes per image, with boxes, masks and keypoints.

use image::{Rgb, RgbImage};
use rand::RngExt;

use super::{AnnotatedImage, ImageObject, KeypointNames, ObjectDataset, ObjectMask, ObjectSource};
use crate::drawing::{SHAPES, distance};
use crate::random::{For, random};

/// Width and height of a scene in pixels.
pub(super) const SIDE: usize = 96;
/// Shapes per scene, at most.
const MOST: usize = 4;
/// The largest share of a shape that another shape may hide.
const HIDDEN: f64 = 0.35;
/// The extreme points of a shape, and its center.
const KEYPOINTS: [&str; 5] = ["center", "left", "top", "right", "bottom"];

impl ObjectDataset {
    /// Draws `count` scenes of 96x96 pixels with one to four shapes each. Shapes have boxes, masks,
    /// and five keypoints: the center and the outermost points. The seed determines everything.
    pub fn scenes(count: usize, seed: u64) -> Self {
        let image = |number: usize| AnnotatedImage {
            id: number as u64 + 1,
            source: ObjectSource::Scene {
                seed: seed.wrapping_mul(1_000_003).wrapping_add(number as u64),
            },
        };
        let keypoints = KeypointNames {
            names: KEYPOINTS.map(String::from).into(),
            skeleton: vec![[1, 0], [0, 3], [2, 0], [0, 4]],
        };
        Self {
            classes: SHAPES.map(String::from).into_iter().collect(),
            category_ids: None,
            keypoints: keypoints.into(),
            images: (0..count).map(image).collect(),
            invalid: Vec::new(),
        }
    }
}

/// A shape of a scene.
struct Shape {
    class: usize,
    center: [f32; 2],
    radius: f32,
    sin_cos: (f32, f32),
    ink: [f32; 3],
}

impl Shape {
    /// Returns how much of a pixel the shape covers. The edge is antialiased over one pixel.
    fn cover(&self, x: usize, y: usize) -> f32 {
        let [dx, dy] = [
            x as f32 + 0.5 - self.center[0],
            y as f32 + 0.5 - self.center[1],
        ];
        // The corners of the widest shapes are `radius` away, and their soft edges one pixel more.
        if dx.abs().max(dy.abs()) > self.radius + 2.0 {
            return 0.0;
        }
        let (sin, cos) = self.sin_cos;
        let place = [
            (cos * dx + sin * dy) / self.radius,
            (cos * dy - sin * dx) / self.radius,
        ];
        (0.5 - self.radius * distance(self.class, place)).clamp(0.0, 1.0)
    }

    fn mask(&self) -> Vec<bool> {
        let pixels = (0..SIDE * SIDE).map(|at| self.cover(at % SIDE, at / SIDE) > 0.5);
        pixels.collect()
    }
}

/// Draws a scene and returns its objects.
pub(super) fn draw(seed: u64) -> (RgbImage, Vec<ImageObject>) {
    let mut random = random(seed, For::Scene, [0, 0]);
    let mut uniform = |low: f32, high: f32| random.random_range(low..high);
    let ground = [(); 3].map(|()| uniform(0.0, 255.0));
    // The background changes from one side to the other.
    let slope = [(); 2].map(|()| uniform(-40.0, 40.0) / SIDE as f32);
    let noise = uniform(0.0, 20.0);
    let wanted = uniform(1.0, MOST as f32 + 1.0) as usize;
    let mut shapes: Vec<(Shape, Vec<bool>)> = Vec::new();
    for _ in 0..4 * MOST {
        if shapes.len() == wanted.min(MOST) {
            break;
        }
        let radius = uniform(9.0, 22.0);
        let reach = [radius + 0.5, SIDE as f32 - radius - 0.5];
        let shape = Shape {
            class: (uniform(0.0, SHAPES.len() as f32) as usize).min(SHAPES.len() - 1),
            center: [uniform(reach[0], reach[1]), uniform(reach[0], reach[1])],
            radius,
            sin_cos: uniform(0.0, std::f32::consts::TAU).sin_cos(),
            ink: ground.map(|value| {
                let away = uniform(70.0, 160.0);
                if value < 128.0 {
                    value + away
                } else {
                    value - away
                }
            }),
        };
        let mask = shape.mask();
        if shapes
            .iter()
            .all(|(_, other)| overlap(&mask, other) <= HIDDEN)
        {
            shapes.push((shape, mask));
        }
    }
    // A later shape hides earlier ones.
    for last in 1..shapes.len() {
        let (earlier, later) = shapes.split_at_mut(last);
        for (_, mask) in earlier {
            for (inside, hidden) in mask.iter_mut().zip(&later[0].1) {
                *inside &= !hidden;
            }
        }
    }
    let image = RgbImage::from_fn(SIDE as u32, SIDE as u32, |x, y| {
        let shade = slope[0] * (x as f32 - 48.0) + slope[1] * (y as f32 - 48.0);
        let mut color = ground.map(|value| value + shade);
        for (shape, _) in &shapes {
            let cover = shape.cover(x as usize, y as usize);
            for (value, ink) in color.iter_mut().zip(shape.ink) {
                *value += cover * (ink - *value);
            }
        }
        Rgb(color.map(|value| (value + uniform(-1.0, 1.0) * noise).clamp(0.0, 255.0) as u8))
    });
    let objects = shapes
        .iter()
        .filter_map(|(shape, mask)| object(shape, mask));
    (image, objects.collect())
}

/// Returns the share of the smaller mask that both have.
fn overlap(a: &[bool], b: &[bool]) -> f64 {
    let count = |mask: &[bool]| mask.iter().filter(|inside| **inside).count();
    let both = a.iter().zip(b).filter(|(a, b)| **a && **b).count();
    both as f64 / count(a).min(count(b)).max(1) as f64
}

fn object(shape: &Shape, mask: &[bool]) -> Option<ImageObject> {
    let inside: Vec<[usize; 2]> = (0..mask.len())
        .filter(|at| mask[*at])
        .map(|at| [at % SIDE, at / SIDE])
        .collect();
    let low = |axis: usize| inside.iter().map(|at| at[axis]).min();
    let high = |axis: usize| inside.iter().map(|at| at[axis]).max();
    let [x1, y1] = [low(0)?, low(1)?];
    let [x2, y2] = [high(0)?, high(1)?];
    // The middle of the outermost pixels on one side.
    let middle = |axis: usize, side: usize| {
        let line: Vec<usize> = inside
            .iter()
            .filter(|at| at[axis] == side)
            .map(|at| at[1 - axis])
            .collect();
        line.iter().sum::<usize>() as f32 / line.len().max(1) as f32 + 0.5
    };
    let at = |side: usize| side as f32 + 0.5;
    let keypoints = vec![
        [shape.center[0], shape.center[1], 2.0],
        [at(x1), middle(0, x1), 2.0],
        [middle(1, y1), at(y1), 2.0],
        [at(x2), middle(0, x2), 2.0],
        [middle(1, y2), at(y2), 2.0],
    ];
    Some(ImageObject {
        corners: [x1, y1, x2 + 1, y2 + 1].map(|side| side as f32),
        class: shape.class,
        mask: Some(ObjectMask::of_pixels(mask, [SIDE, SIDE])),
        keypoints,
        ..ImageObject::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_have_their_pixels_inside_of_their_boxes() {
        let mut counts = [0; 6];
        for seed in 0..50 {
            let (image, objects) = draw(seed);
            assert_eq!((draw(seed).0, draw(seed).1), (image, objects.clone()));
            assert!((1..=MOST).contains(&objects.len()), "{seed}");
            for object in objects {
                counts[object.class] += 1;
                let [x1, y1, x2, y2] = object.corners.map(|side| side as usize);
                assert!(x2 - x1 >= 8 && y2 - y1 >= 8 && x2 <= SIDE && y2 <= SIDE);
                let pixels = object.mask.unwrap().pixels([SIDE, SIDE]);
                for (at, inside) in pixels.into_iter().enumerate() {
                    let [x, y] = [at % SIDE, at / SIDE];
                    let in_box = (x1..x2).contains(&x) && (y1..y2).contains(&y);
                    assert!(!inside || in_box);
                }
                for [x, y, _] in &object.keypoints[1..] {
                    assert!((x1 as f32..x2 as f32).contains(x), "{seed}");
                    assert!((y1 as f32..y2 as f32).contains(y), "{seed}");
                }
            }
        }
        assert!(counts.iter().all(|count| *count > 5), "{counts:?}");
    }
}
