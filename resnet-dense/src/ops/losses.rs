//! Losses of detectors, with gradients.

use burn::tensor::activation::{log_sigmoid, sigmoid};
use burn::tensor::{Tensor, backend::Backend};

/// Returns the binary cross-entropy of each logit: `-t ln σ(x) - (1 - t) ln σ(-x)`.
pub fn binary_cross_entropy<B: Backend, const D: usize>(
    logits: Tensor<B, D>,
    targets: Tensor<B, D>,
) -> Tensor<B, D> {
    logits.clone() - logits.clone() * targets - log_sigmoid(logits)
}

/// Returns the focal loss of each logit (Lin et al. 2017): the binary cross-entropy times
/// `(1 - p_t)^2`, weighted by 0.25 for positive targets and 0.75 for negative ones.
pub fn sigmoid_focal<B: Backend, const D: usize>(
    logits: Tensor<B, D>,
    targets: Tensor<B, D>,
) -> Tensor<B, D> {
    const ALPHA: f64 = 0.25;
    let p = sigmoid(logits.clone());
    // 1 - p_t
    let wrong = p.clone() + targets.clone() - p * targets.clone() * 2.0;
    let weight = targets.clone() * (2.0 * ALPHA - 1.0) + (1.0 - ALPHA);
    binary_cross_entropy(logits, targets) * wrong.clone() * wrong * weight
}

/// Returns the smooth L1 loss of each value: `d² / 2β` below `β`, `|d| - β / 2` above.
pub fn smooth_l1<B: Backend, const D: usize>(
    a: Tensor<B, D>,
    b: Tensor<B, D>,
    beta: f64,
) -> Tensor<B, D> {
    let d = (a - b).abs();
    let below = d.clone().clamp_max(beta);
    // d² / 2β = m² / 2β and |d| - β / 2 = m² / 2β + (d - m), with m = min(d, β).
    let above = d - below.clone();
    below.clone() * below / (2.0 * beta) + above
}

/// Returns the generalized IoU loss of each pair of boxes (Rezatofighi et al. 2019).
///
/// # Shapes
/// - `a`, `b`: `[boxes, 4]`
/// - output: `[boxes, 1]`
pub fn generalized_iou<B: Backend>(a: Tensor<B, 2>, b: Tensor<B, 2>) -> Tensor<B, 2> {
    const EPSILON: f64 = 1e-7;
    let [ax1, ay1, ax2, ay2] = sides(a);
    let [bx1, by1, bx2, by2] = sides(b);
    let width = ax2.clone().min_pair(bx2.clone()) - ax1.clone().max_pair(bx1.clone());
    let height = ay2.clone().min_pair(by2.clone()) - ay1.clone().max_pair(by1.clone());
    let both = width.clamp_min(0.0) * height.clamp_min(0.0);
    let area = |x1: &Tensor<B, 2>, y1: &Tensor<B, 2>, x2: &Tensor<B, 2>, y2: &Tensor<B, 2>| {
        (x2.clone() - x1.clone()) * (y2.clone() - y1.clone())
    };
    let union = area(&ax1, &ay1, &ax2, &ay2) + area(&bx1, &by1, &bx2, &by2) - both.clone();
    let hull = (ax2.max_pair(bx2) - ax1.min_pair(bx1)) * (ay2.max_pair(by2) - ay1.min_pair(by1));
    let iou = both / (union.clone() + EPSILON);
    let outside = (hull.clone() - union) / (hull + EPSILON);
    -(iou - outside) + 1.0
}

fn sides<B: Backend>(boxes: Tensor<B, 2>) -> [Tensor<B, 2>; 4] {
    let [n, _] = boxes.dims();
    core::array::from_fn(|side| boxes.clone().slice([0..n, side..side + 1]))
}
