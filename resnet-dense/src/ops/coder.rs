//! The encoding of a box relative to an anchor or proposal.

use burn::tensor::{Tensor, backend::Backend};

use super::boxes::Box4;

/// The largest logarithm of a size ratio that is decoded: `ln(1000 / 16)`.
const MAX_LOG_RATIO: f32 = 4.135_166_5;

/// Box deltas, here called the code of a box (Girshick et al. 2014, appendix C): offsets of the
/// center and logarithms of the size ratios,
/// `(dx, dy, dw, dh) = weights * ((gx - ax) / aw, (gy - ay) / ah, ln(gw / aw), ln(gh / ah))`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoxCoder {
    /// Factors of `dx`, `dy`, `dw` and `dh`.
    pub weights: [f32; 4],
}

impl BoxCoder {
    /// The coder of the RPN and of RetinaNet.
    pub const UNIT: Self = Self { weights: [1.0; 4] };
    /// The coder of R-CNN's box head.
    pub const RCNN: Self = Self {
        weights: [10.0, 10.0, 5.0, 5.0],
    };

    /// Returns the code of `target` relative to `anchor`.
    pub fn encode(self, target: Box4, anchor: Box4) -> [f32; 4] {
        let ([x, y], [w, h]) = center_and_size(anchor);
        let ([gx, gy], [gw, gh]) = center_and_size(target);
        let [wx, wy, ww, wh] = self.weights;
        [
            wx * (gx - x) / w,
            wy * (gy - y) / h,
            ww * (gw / w).ln(),
            wh * (gh / h).ln(),
        ]
    }

    /// Returns the box of a code relative to `anchor`. Sides grow by a factor of 62.5 at most.
    pub fn decode(self, code: [f32; 4], anchor: Box4) -> Box4 {
        let ([x, y], [w, h]) = center_and_size(anchor);
        let [dx, dy, dw, dh] = [0, 1, 2, 3].map(|i| code[i] / self.weights[i]);
        let center = [dx * w + x, dy * h + y];
        // `f32::min` would replace NaN by the limit.
        let ratio = |log: f32| {
            if log > MAX_LOG_RATIO {
                MAX_LOG_RATIO
            } else {
                log
            }
            .exp()
        };
        let half = [0.5 * (ratio(dw) * w), 0.5 * (ratio(dh) * h)];
        [
            center[0] - half[0],
            center[1] - half[1],
            center[0] + half[0],
            center[1] + half[1],
        ]
    }

    /// Returns the boxes of codes, with gradients.
    ///
    /// # Shapes
    /// - `codes`, `anchors`, output: `[boxes, 4]`
    pub fn decode_tensor<B: Backend>(
        self,
        codes: Tensor<B, 2>,
        anchors: Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        let [x1, y1, x2, y2] = columns(anchors);
        let [dx, dy, dw, dh] = columns(codes);
        let axis = |low: Tensor<B, 2>, high: Tensor<B, 2>, [shift, grow]: [Tensor<B, 2>; 2]| {
            let size = high - low.clone();
            let center = shift * size.clone() + (low + size.clone() * 0.5);
            let half = grow.clamp_max(MAX_LOG_RATIO).exp() * size * 0.5;
            [center.clone() - half.clone(), center + half]
        };
        let [wx, wy, ww, wh] = self.weights;
        let [left, right] = axis(x1, x2, [dx / wx, dw / ww]);
        let [top, bottom] = axis(y1, y2, [dy / wy, dh / wh]);
        Tensor::cat(vec![left, top, right, bottom], 1)
    }
}

fn columns<B: Backend>(x: Tensor<B, 2>) -> [Tensor<B, 2>; 4] {
    let [n, _] = x.dims();
    core::array::from_fn(|i| x.clone().slice([0..n, i..i + 1]))
}

/// Distances from the anchor's center to the sides, divided by the anchor's size (FCOS; Tian et al.
/// 2019): `(l / aw, t / ah, r / aw, b / ah)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoxLinearCoder;

impl BoxLinearCoder {
    /// Returns the code of `target` relative to `anchor`.
    pub fn encode(self, target: Box4, anchor: Box4) -> [f32; 4] {
        let ([x, y], [w, h]) = center_and_corner_size(anchor);
        [
            (x - target[0]) / w,
            (y - target[1]) / h,
            (target[2] - x) / w,
            (target[3] - y) / h,
        ]
    }

    /// Returns the box of a code relative to `anchor`.
    pub fn decode(self, [l, t, r, b]: [f32; 4], anchor: Box4) -> Box4 {
        let ([x, y], [w, h]) = center_and_corner_size(anchor);
        [x - l * w, y - t * h, x + r * w, y + b * h]
    }

    /// Returns the boxes of codes, with gradients.
    ///
    /// # Shapes
    /// - `codes`, `anchors`, output: `[boxes, 4]`
    pub fn decode_tensor<B: Backend>(
        self,
        codes: Tensor<B, 2>,
        anchors: Tensor<B, 2>,
    ) -> Tensor<B, 2> {
        let [x1, y1, x2, y2] = columns(anchors);
        let [l, t, r, b] = columns(codes);
        let axis = |low: Tensor<B, 2>, high: Tensor<B, 2>, [before, after]: [Tensor<B, 2>; 2]| {
            let center = (low.clone() + high.clone()) * 0.5;
            let size = high - low;
            [
                center.clone() - before * size.clone(),
                center + after * size,
            ]
        };
        let [left, right] = axis(x1, x2, [l, r]);
        let [top, bottom] = axis(y1, y2, [t, b]);
        Tensor::cat(vec![left, top, right, bottom], 1)
    }
}

/// Returns `([x, y], [width, height])`, rounded like torchvision's `BoxCoder`.
fn center_and_size([x1, y1, x2, y2]: Box4) -> ([f32; 2], [f32; 2]) {
    let [w, h] = [x2 - x1, y2 - y1];
    ([x1 + 0.5 * w, y1 + 0.5 * h], [w, h])
}

/// Returns `([x, y], [width, height])`, rounded like torchvision's `BoxLinearCoder`.
fn center_and_corner_size([x1, y1, x2, y2]: Box4) -> ([f32; 2], [f32; 2]) {
    ([0.5 * (x1 + x2), 0.5 * (y1 + y2)], [x2 - x1, y2 - y1])
}
