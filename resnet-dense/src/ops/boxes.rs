//! Boxes and their overlap.

/// A box `[x1, y1, x2, y2]` in pixels, with `x1 <= x2` and `y1 <= y2`.
pub type Box4 = [f32; 4];

/// Returns the area, without the "+ 1" of older detection code.
pub fn area([x1, y1, x2, y2]: Box4) -> f32 {
    (x2 - x1) * (y2 - y1)
}

/// Returns the area of the intersection.
pub fn intersection(a: Box4, b: Box4) -> f32 {
    let width = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let height = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    width * height
}

/// Returns the intersection over union; NaN if both boxes are empty.
pub fn iou(a: Box4, b: Box4) -> f32 {
    let intersection = intersection(a, b);
    intersection / (area(a) + area(b) - intersection)
}

/// Returns the generalized IoU `IoU - (hull - union) / hull` (Rezatofighi et al. 2019), in `(-1, 1]`.
pub fn generalized_iou(a: Box4, b: Box4) -> f32 {
    let intersection = intersection(a, b);
    let union = area(a) + area(b) - intersection;
    let hull = [
        a[0].min(b[0]),
        a[1].min(b[1]),
        a[2].max(b[2]),
        a[3].max(b[3]),
    ];
    let hull = area(hull);
    intersection / union - (hull - union) / hull
}

/// Clips a box to an image of `[height, width]` pixels. The largest coordinates are the height and
/// width.
pub fn clip([x1, y1, x2, y2]: Box4, [height, width]: [usize; 2]) -> Box4 {
    let x = |x: f32| x.clamp(0.0, width as f32);
    let y = |y: f32| y.clamp(0.0, height as f32);
    [x(x1), y(y1), x(x2), y(y2)]
}

/// Returns whether both sides have at least `min_size` pixels.
pub fn is_large([x1, y1, x2, y2]: Box4, min_size: f32) -> bool {
    x2 - x1 >= min_size && y2 - y1 >= min_size
}

/// Returns whether all coordinates are finite.
pub fn is_finite(corners: Box4) -> bool {
    corners.into_iter().all(f32::is_finite)
}

/// Scales a box from an image of one size to another, each `[height, width]`.
pub fn scale([x1, y1, x2, y2]: Box4, from: [usize; 2], to: [usize; 2]) -> Box4 {
    let [y, x] = [0, 1].map(|side| to[side] as f32 / from[side] as f32);
    [x1 * x, y1 * y, x2 * x, y2 * y]
}
