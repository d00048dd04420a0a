//! Types and functions that the losses of all networks share.

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};

use crate::ops::boxes::{self, Box4};
use crate::ops::matcher::Match;

/// The annotations of an image, in pixels of the image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Target {
    /// Box of each object.
    pub boxes: Vec<Box4>,
    /// Class of each object. For R-CNNs, 0 is the background, so classes start at 1.
    pub labels: Vec<usize>,
    /// Pixels of each object, row by row over the whole image; empty if there are no masks.
    pub masks: Vec<Vec<bool>>,
    /// Keypoints `x, y, visibility` of each object; empty if there are none. A keypoint with a
    /// visibility of 0 is not labeled.
    pub keypoints: Vec<Vec<[f32; 3]>>,
}

/// The losses of a training step.
#[derive(Clone, Debug)]
pub struct Losses<B: Backend>(pub Vec<Loss<B>>);

/// One of the losses of a training step.
#[derive(Clone, Debug)]
pub struct Loss<B: Backend> {
    /// torchvision's name.
    pub name: &'static str,
    /// The value, without the weight.
    pub value: Tensor<B, 1>,
    /// The weight in the sum.
    pub weight: f64,
}

impl<B: Backend> Losses<B> {
    /// Returns losses with a weight of 1.
    pub(crate) fn unweighted(losses: Vec<(&'static str, Tensor<B, 1>)>) -> Self {
        let losses = losses.into_iter().map(|(name, value)| Loss {
            name,
            value,
            weight: 1.0,
        });
        Self(losses.collect())
    }

    /// Returns the weighted sum, which is minimized.
    ///
    /// # Panics
    ///
    /// Panics if there is no loss.
    pub fn total(&self) -> Tensor<B, 1> {
        let losses = self.0.iter().map(|loss| match loss.weight {
            1.0 => loss.value.clone(),
            weight => loss.value.clone() * weight,
        });
        losses.reduce(|a, b| a + b).expect("at least one loss")
    }
}

/// A random sampler without replacement: `draw(n, k)` returns `k` distinct indices below `n` in
/// ascending order.
pub type Draw<'a> = &'a mut dyn FnMut(usize, usize) -> Vec<usize>;

impl Target {
    /// Moves boxes, masks and keypoints to an image of another size, `[height, width]`. Masks are
    /// resized with nearest-neighbor interpolation.
    pub fn resize(&self, from: [usize; 2], to: [usize; 2]) -> Self {
        let [y, x] = [0, 1].map(|side| to[side] as f32 / from[side] as f32);
        let nearest = |i: usize, side: usize| i * from[side] / to[side];
        let mask = |mask: &Vec<bool>| {
            let pixels = (0..to[0]).flat_map(|row| (0..to[1]).map(move |column| (row, column)));
            let at = |(row, column)| mask[nearest(row, 0) * from[1] + nearest(column, 1)];
            pixels.map(at).collect()
        };
        let points = |points: &Vec<[f32; 3]>| {
            let points = points.iter();
            points
                .map(|[px, py, visible]| [px * x, py * y, *visible])
                .collect()
        };
        Self {
            boxes: self
                .boxes
                .iter()
                .map(|b| boxes::scale(*b, from, to))
                .collect(),
            labels: self.labels.clone(),
            masks: self.masks.iter().map(mask).collect(),
            keypoints: self.keypoints.iter().map(points).collect(),
        }
    }
}

/// Checks the arguments of a training step.
///
/// # Panics
///
/// Panics if the numbers of images, targets and sizes differ, a label is no class, or a box has no
/// area.
pub(crate) fn check(images: usize, targets: &[Target], min_sizes: &[usize], classes: usize) {
    assert_eq!(targets.len(), images, "expected one target per image");
    assert_eq!(min_sizes.len(), images, "expected one size per image");
    let mut labels = targets.iter().flat_map(|target| &target.labels);
    assert!(
        labels.all(|label| *label < classes),
        "expected labels below the number of classes, {classes}"
    );
    for corners in targets.iter().flat_map(|target| &target.boxes) {
        let [x1, y1, x2, y2] = *corners;
        assert!(
            x1 < x2 && y1 < y2,
            "expected boxes with positive width and height, found {corners:?}"
        );
    }
}

/// Chooses the candidates of a loss: positives up to a share of `size`, then background. Returns
/// their indices in ascending order.
pub(crate) fn sample(matches: &[Match], size: usize, share: f64, draw: Draw<'_>) -> Vec<usize> {
    let of = |wanted: fn(&Match) -> bool| -> Vec<usize> {
        (0..matches.len())
            .filter(|&i| wanted(&matches[i]))
            .collect()
    };
    let positive = of(|found| matches!(found, Match::Truth(_)));
    let background = of(|found| *found == Match::Background);
    let mut chosen = Vec::new();
    let positives = ((size as f64 * share) as usize).min(positive.len());
    chosen.extend(take(&positive, positives, draw));
    let rest = (size - positives.min(size)).min(background.len());
    chosen.extend(take(&background, rest, draw));
    chosen.sort_unstable();
    chosen
}

fn take(candidates: &[usize], count: usize, draw: Draw<'_>) -> Vec<usize> {
    match count == candidates.len() {
        true => candidates.to_vec(),
        false => {
            let drawn = draw(candidates.len(), count);
            drawn.into_iter().map(|i| candidates[i]).collect()
        }
    }
}

/// Returns the rows with these indices.
pub(crate) fn rows<B: Backend, const D: usize>(x: Tensor<B, D>, indices: &[usize]) -> Tensor<B, D> {
    let device = x.device();
    let indices: Vec<i64> = indices.iter().map(|index| *index as i64).collect();
    let count = indices.len();
    let indices = Tensor::<B, 1, Int>::from_data(TensorData::new(indices, [count]), &device);
    x.select(0, indices)
}

pub(crate) fn floats<B: Backend, const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    device: &B::Device,
) -> Tensor<B, D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Returns codes or boxes as `[count, 4]`.
pub(crate) fn quads<B: Backend>(values: &[[f32; 4]], device: &B::Device) -> Tensor<B, 2> {
    floats(values.concat(), [values.len(), 4], device)
}

/// Returns the mean cross-entropy of rows of logits: `-ln softmax(x)[target]`.
///
/// # Shapes
/// - `logits`: `[rows, classes]`
pub(crate) fn cross_entropy<B: Backend>(logits: Tensor<B, 2>, targets: &[usize]) -> Tensor<B, 1> {
    let [count, classes] = logits.dims();
    let log = burn::tensor::activation::log_softmax(logits, 1).reshape([count * classes]);
    let indices = targets.iter().enumerate();
    let indices: Vec<usize> = indices.map(|(row, class)| row * classes + class).collect();
    -rows(log, &indices).mean()
}

/// Returns a loss of 0 that gives zero gradients to everything that `x` depends on, as in torchvision.
/// A constant would give none, and the optimizer would skip these layers.
pub(crate) fn no_loss<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, 1> {
    x.sum() * 0.0
}
