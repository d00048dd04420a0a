//! Drawn shapes on a noisy background.

use std::f32::consts::TAU;

use image::{Rgb, RgbImage};
use rand::RngExt;

use crate::random::{For, random};

/// The shapes, in the order of their class numbers.
pub(crate) const SHAPES: [&str; 6] = ["circle", "ring", "square", "triangle", "cross", "star"];

/// The width and height of an image: 32 pixels, as in CIFAR-10.
const SIDE: u32 = 32;

/// Draws the shape of a class. The seed determines the colors, position, size, angle and noise.
pub(crate) fn draw(class: usize, seed: u64) -> RgbImage {
    let mut random = random(seed, For::Shape, [0, 0]);
    let mut uniform = |low: f32, high: f32| random.random_range(low..high);
    let radius = uniform(6.5, 12.0);
    let middle = SIDE as f32 / 2.0;
    let reach = middle - radius - 0.5;
    let center = [uniform(-reach, reach), uniform(-reach, reach)].map(|offset| middle + offset);
    let (sin, cos) = uniform(0.0, TAU).sin_cos();
    let ground = [(); 3].map(|()| uniform(0.0, 255.0));
    // Differs from the background by at least a quarter of the range in every channel.
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
        let [dx, dy] = [x as f32 + 0.5 - center[0], y as f32 + 0.5 - center[1]];
        let place = [
            (cos * dx + sin * dy) / radius,
            (cos * dy - sin * dx) / radius,
        ];
        // Antialiases the edge over one pixel.
        let inside = (0.5 - radius * distance(class, place)).clamp(0.0, 1.0);
        Rgb([0, 1, 2].map(|channel| {
            let value = ground[channel] + inside * (ink[channel] - ground[channel]);
            (value + uniform(-1.0, 1.0) * noise).clamp(0.0, 255.0) as u8
        }))
    })
}

/// Returns the signed distance of a point from the edge of a shape of radius 1, negative inside.
pub(crate) fn distance(class: usize, [x, y]: [f32; 2]) -> f32 {
    let from_center = x.hypot(y);
    let square = |half: f32| x.abs().max(y.abs()) - half;
    match SHAPES[class] {
        "circle" => from_center - 0.9,
        "ring" => (from_center - 0.75).abs() - 0.22,
        "square" => square(0.7),
        "triangle" => polygon(3.0, 0.5, [x, y]),
        "cross" => square(0.9).max(x.abs().min(y.abs()) - 0.28),
        // Two triangles, one of them upside down.
        _ => polygon(3.0, 0.5, [x, y]).min(polygon(3.0, 0.5, [-x, -y])),
    }
}

/// Returns the signed distance from a regular polygon. `near` is the distance of its sides from the
/// center.
fn polygon(sides: f32, near: f32, [x, y]: [f32; 2]) -> f32 {
    let sector = TAU / sides;
    let angle = (y.atan2(x) + TAU) % sector - sector / 2.0;
    x.hypot(y) * angle.cos() - near
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_inside_the_image_and_differ_from_the_background() {
        for number in 0..60 {
            let image = draw(number % SHAPES.len(), number as u64);
            let values: Vec<u8> = image.pixels().map(|pixel| pixel.0[0]).collect();
            let (low, high) = (values.iter().min().unwrap(), values.iter().max().unwrap());
            assert!(high - low >= 48, "{number}");
        }
    }

    #[test]
    fn a_shape_depends_only_on_its_class_and_seed() {
        assert_eq!(draw(2, 5), draw(2, 5));
        assert_ne!(draw(2, 5), draw(2, 6));
    }

    #[test]
    fn distances_at_a_few_points() {
        // The center is inside every shape except the ring. The corner is outside of every shape.
        let center = [0, 1, 2, 3, 4, 5].map(|class| distance(class, [0.0, 0.0]) < 0.0);
        assert_eq!(center, [true, false, true, true, true, true]);
        assert!((0..6).all(|class| distance(class, [1.0, 1.0]) > 0.0));
        assert!(distance(2, [0.69, 0.69]) < 0.0 && distance(0, [0.69, 0.69]) > 0.0);
    }
}
