//! Antialiased shapes.

use image::{Rgb, RgbImage};

use super::blend;

/// An image that shapes are drawn on. A shape is a function that returns the signed distance of a
/// pixel from its edge, negative inside.
pub(super) struct Canvas(RgbImage);

impl Canvas {
    pub(super) fn new(image: RgbImage) -> Self {
        Self(image)
    }

    pub(super) fn into_image(self) -> RgbImage {
        self.0
    }

    /// Draws the outline of a rectangle.
    pub(super) fn rectangle(&mut self, [x1, y1, x2, y2]: [f32; 4], stroke: f32, color: Rgb<u8>) {
        let (left, top) = ([x1, y1], [x1, y2]);
        for (from, to) in [
            (left, [x2, y1]),
            (top, [x2, y2]),
            (left, top),
            ([x2, y1], [x2, y2]),
        ] {
            self.line(from, to, stroke, color);
        }
    }

    /// Draws a line with round ends.
    pub(super) fn line(&mut self, from: [f32; 2], to: [f32; 2], stroke: f32, color: Rgb<u8>) {
        let half = stroke / 2.0;
        let [dx, dy] = [to[0] - from[0], to[1] - from[1]];
        let length = (dx * dx + dy * dy).max(1e-6);
        let distance = |[x, y]: [f32; 2]| {
            let (px, py) = (x - from[0], y - from[1]);
            let along = ((px * dx + py * dy) / length).clamp(0.0, 1.0);
            (px - along * dx).hypot(py - along * dy) - half
        };
        let low = [from[0].min(to[0]), from[1].min(to[1])].map(|side| side - half);
        let high = [from[0].max(to[0]), from[1].max(to[1])].map(|side| side + half);
        self.fill(low, high, color, distance);
    }

    pub(super) fn disc(&mut self, center: [f32; 2], radius: f32, color: Rgb<u8>) {
        let distance = |[x, y]: [f32; 2]| (x - center[0]).hypot(y - center[1]) - radius;
        let [low, high] = [-radius, radius].map(|by| center.map(|side| side + by));
        self.fill(low, high, color, distance);
    }

    /// Fills a shape between two corners. The edge fades over one pixel.
    fn fill(
        &mut self,
        low: [f32; 2],
        high: [f32; 2],
        color: Rgb<u8>,
        distance: impl Fn([f32; 2]) -> f32,
    ) {
        let (width, height) = self.0.dimensions();
        // `as` saturates, and NaN becomes 0.
        let [columns, rows] = [(0, width), (1, height)].map(|(axis, side)| {
            let from = (low[axis] - 1.0).max(0.0) as u32;
            let to = (high[axis] + 2.0).max(0.0) as u32;
            from..to.min(side)
        });
        for y in rows {
            for x in columns.clone() {
                let place = [x as f32 + 0.5, y as f32 + 0.5];
                let inside = (0.5 - distance(place)).clamp(0.0, 1.0);
                if inside > 0.0 {
                    blend(self.0.get_pixel_mut(x, y), color, inside);
                }
            }
        }
    }
}
