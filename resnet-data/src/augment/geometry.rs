//! Geometric operations that match Pillow byte for byte: nearest neighbor, black outside the image.

use image::{Rgb, RgbImage};

/// The source position of each pixel: `x' = m0 x + m1 y + m2`, `y' = m3 x + m4 y + m5`.
type Matrix = [f64; 6];

/// Moves each row by `slope` times its distance from the top.
pub(super) fn shear_x(image: &mut RgbImage, slope: f64) {
    transform(image, sheared(slope.atan().to_degrees(), 0.0));
}

/// Moves each column by `slope` times its distance from the left.
pub(super) fn shear_y(image: &mut RgbImage, slope: f64) {
    transform(image, sheared(0.0, slope.atan().to_degrees()));
}

/// Computes torchvision's `_get_inverse_affine_matrix` for a shear about the origin.
fn sheared(x: f64, y: f64) -> Matrix {
    let (x, y) = (x.to_radians(), y.to_radians());
    let a = (-y).cos() / y.cos();
    let b = -(-y).cos() * x.tan() / y.cos();
    let c = (-y).sin() / y.cos();
    let d = -(-y).sin() * x.tan() / y.cos() + 1.0;
    [d, -b, 0.0, -c, a, 0.0]
}

/// Moves the image by whole pixels, to the right and down.
pub(super) fn translate(image: &mut RgbImage, [right, down]: [i32; 2]) {
    transform(
        image,
        [1.0, 0.0, -f64::from(right), 0.0, 1.0, -f64::from(down)],
    );
}

/// Rotates the image counterclockwise about its center.
pub(super) fn rotate(image: &mut RgbImage, degrees: f64) {
    let angle = -(degrees.rem_euclid(360.0)).to_radians();
    // Pillow rounds to 15 digits, so that right angles are exact.
    let rounded = |value: f64| (value * 1e15).round_ties_even() / 1e15;
    let (cos, sin) = (rounded(angle.cos()), rounded(angle.sin()));
    let [x, y] = [image.width(), image.height()].map(|side| f64::from(side) / 2.0);
    transform(
        image,
        [
            cos,
            sin,
            cos * -x + sin * -y + x,
            -sin,
            cos,
            -sin * -x + cos * -y + y,
        ],
    );
}

/// Applies Pillow's `Image.transform` with `AFFINE` and `NEAREST`.
fn transform(image: &mut RgbImage, matrix: Matrix) {
    let source = image.clone();
    let at = |x: i64, y: i64| match (u32::try_from(x), u32::try_from(y)) {
        (Ok(x), Ok(y)) => source.get_pixel_checked(x, y).copied(),
        _ => None,
    };
    let black = Rgb([0; 3]);
    let [m0, m1, m2, m3, m4, m5] = matrix;
    if m1 == 0.0 && m3 == 0.0 {
        let places = |count: u32, start: f64, step: f64| -> Vec<i64> {
            let next = |place: &f64| Some(place + step);
            let places = std::iter::successors(Some(start), next).take(count as usize);
            places
                .map(|place| if place < 0.0 { -1 } else { place as i64 })
                .collect()
        };
        let columns = places(source.width(), m2 + m0 * 0.5, m0);
        let rows = places(source.height(), m5 + m4 * 0.5, m4);
        for (x, y, pixel) in image.enumerate_pixels_mut() {
            *pixel = at(columns[x as usize], rows[y as usize]).unwrap_or(black);
        }
        return;
    }
    // Fixed-point numbers with 16 fractional bits.
    let fixed = |value: f64| (value * 65536.0 + 0.5).floor() as i64;
    let [x_step, y_step] = [[m0, m1], [m3, m4]].map(|row| row.map(fixed));
    let start = [
        fixed(m2 + m0 * 0.5 + m1 * 0.5),
        fixed(m5 + m3 * 0.5 + m4 * 0.5),
    ];
    for (x, y, pixel) in image.enumerate_pixels_mut() {
        let place = |start: i64, [by_x, by_y]: [i64; 2]| {
            (start + by_x * i64::from(x) + by_y * i64::from(y)) >> 16
        };
        *pixel = at(place(start[0], x_step), place(start[1], y_step)).unwrap_or(black);
    }
}
