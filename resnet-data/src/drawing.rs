//! Draws a shape on a noisy ground.

use std::f32::consts::TAU;

use image::{Rgb, RgbImage};
use rand::RngExt;

use crate::random::{For, random};

/// The shapes, by the number of their class.
pub(crate) const SHAPES: [&str; 6] = ["circle", "ring", "square", "triangle", "cross", "star"];

/// Width and height of an image: 32 pixels, as in CIFAR-10.
const SIDE: u32 = 32;

/// Draws the shape of a class. The seed determines colors, place, size, angle and noise.
pub(crate) fn draw(class: usize, seed: u64) -> RgbImage {
    let mut random = random(seed, For::Shape, [0, 0]);
    let mut uniform = |low: f32, high: f32| random.random_range(low..high);
    let radius = uniform(6.5, 12.0);
    let middle = SIDE as f32 / 2.0;
    let reach = middle - radius - 0.5;
    let centre = [uniform(-reach, reach), uniform(-reach, reach)].map(|offset| middle + offset);
    let (sin, cos) = uniform(0.0, TAU).sin_cos();
    let ground = [(); 3].map(|()| uniform(0.0, 255.0));
    // Unlike the ground by at least a quarter of the range in every channel.
    let ink = ground.map(|value| {
        let away = uniform(64.0, 160.0);
        if value < 128.0 {
            value + away
        } else {
            value - away
        }
    });
    let noise = uniform(0.0, 24.0);
    RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let [dx, dy] = [x as f32 + 0.5 - centre[0], y as f32 + 0.5 - centre[1]];
        let place = [
            (cos * dx + sin * dy) / radius,
            (cos * dy - sin * dx) / radius,
        ];
        // One pixel wide, the edge is softened.
        let inside = (0.5 - radius * distance(class, place)).clamp(0.0, 1.0);
        Rgb([0, 1, 2].map(|channel| {
            let value = ground[channel] + inside * (ink[channel] - ground[channel]);
            (value + uniform(-1.0, 1.0) * noise).clamp(0.0, 255.0) as u8
        }))
    })
}

/// How far a place is outside a shape of radius 1, negative inside.
fn distance(class: usize, [x, y]: [f32; 2]) -> f32 {
    let from_centre = x.hypot(y);
    let square = |half: f32| x.abs().max(y.abs()) - half;
    match SHAPES[class] {
        "circle" => from_centre - 0.9,
        "ring" => (from_centre - 0.75).abs() - 0.22,
        "square" => square(0.7),
        "triangle" => polygon(3.0, 0.5, [x, y]),
        "cross" => square(0.9).max(x.abs().min(y.abs()) - 0.28),
        // Two triangles, one of them on its head.
        _ => polygon(3.0, 0.5, [x, y]).min(polygon(3.0, 0.5, [-x, -y])),
    }
}

/// A regular polygon whose sides are at `near` from the centre.
fn polygon(sides: f32, near: f32, [x, y]: [f32; 2]) -> f32 {
    let sector = TAU / sides;
    let angle = (y.atan2(x) + TAU) % sector - sector / 2.0;
    x.hypot(y) * angle.cos() - near
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_in_the_picture_and_differ_from_the_ground() {
        for number in 0..60 {
            let image = draw(number % SHAPES.len(), number as u64);
            let values: Vec<u8> = image.pixels().map(|pixel| pixel.0[0]).collect();
            let (low, high) = (values.iter().min().unwrap(), values.iter().max().unwrap());
            assert!(high - low >= 48, "{number}");
        }
    }

    #[test]
    fn a_shape_depends_on_its_class_and_seed_only() {
        assert_eq!(draw(2, 5), draw(2, 5));
        assert_ne!(draw(2, 5), draw(2, 6));
    }

    #[test]
    fn distances_of_a_few_places() {
        // class by class: the centre is inside but for the ring, a corner is outside.
        let centre = [0, 1, 2, 3, 4, 5].map(|class| distance(class, [0.0, 0.0]) < 0.0);
        assert_eq!(centre, [true, false, true, true, true, true]);
        assert!((0..6).all(|class| distance(class, [1.0, 1.0]) > 0.0));
        assert!(distance(2, [0.69, 0.69]) < 0.0 && distance(0, [0.69, 0.69]) > 0.0);
    }
}
