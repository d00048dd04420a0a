//! The results of a detector.

use crate::ops::boxes::{self, Box4};
use crate::ops::keypoints::ScoredPoint;
use crate::ops::masks::BoxMask;

/// One detected object.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// Box in pixels of the original image.
    pub corners: Box4,
    /// Class index.
    pub label: usize,
    /// Score in `[0, 1]`.
    pub score: f32,
    /// Mask in the box, if the network predicts masks.
    pub mask: Option<BoxMask>,
    /// Keypoints in pixels of the original image, if the network predicts keypoints.
    pub keypoints: Option<Vec<ScoredPoint>>,
}

impl Detection {
    /// Returns whether the box, the score, the mask and the keypoints are finite.
    pub fn is_finite(&self) -> bool {
        let mask = self.mask.iter().flat_map(|mask| &mask.probabilities);
        let points = self.keypoints.iter().flatten();
        boxes::is_finite(self.corners)
            && self.score.is_finite()
            && mask.into_iter().all(|value| value.is_finite())
            && points.into_iter().all(|point| point.score.is_finite())
    }
}

/// The objects of one image, the best first.
pub type Detections = Vec<Detection>;

/// A box with label and score, in pixels of the resized image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoredBox {
    /// Box in pixels of the resized image.
    pub corners: Box4,
    /// Class index.
    pub label: usize,
    /// Score in `[0, 1]`.
    pub score: f32,
}

impl ScoredBox {
    pub(crate) fn rescale(self, from: [usize; 2], to: [usize; 2]) -> Detection {
        Detection {
            corners: boxes::scale(self.corners, from, to),
            label: self.label,
            score: self.score,
            mask: None,
            keypoints: None,
        }
    }
}
