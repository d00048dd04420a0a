//! Matching of candidates to ground-truth boxes, on the host.

use super::boxes::{Box4, iou};

/// The match of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// A ground-truth box, by index.
    Truth(usize),
    /// Background: the best overlap is below the lower threshold.
    Background,
    /// Neither: the best overlap is between both thresholds. The candidate has no loss.
    Between,
}

/// torchvision's `Matcher`: matches candidates by their largest IoU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matcher {
    /// Least IoU of a match.
    pub high: f32,
    /// Candidates with a smaller IoU are background.
    pub low: f32,
    /// Whether the candidates with the largest IoU of a ground-truth box are positive, even if that
    /// IoU is small. Each is matched to the box that it overlaps most, as in torchvision.
    pub allow_low_quality: bool,
}

impl Matcher {
    /// The matcher of the RPN.
    pub const RPN: Self = Self {
        high: 0.7,
        low: 0.3,
        allow_low_quality: true,
    };
    /// The matcher of R-CNN's box head.
    pub const ROI: Self = Self {
        high: 0.5,
        low: 0.5,
        allow_low_quality: false,
    };
    /// The matcher of RetinaNet.
    pub const RETINANET: Self = Self {
        high: 0.5,
        low: 0.4,
        allow_low_quality: true,
    };

    /// Returns the match of each candidate. Without ground truth, everything is background.
    ///
    /// A ground-truth box that overlaps no candidate has the largest IoU 0. With
    /// `allow_low_quality`, all candidates with an IoU of 0 to it then count as its best ones, as in
    /// torchvision.
    pub fn matches(
        &self,
        truth: &[Box4],
        candidates: impl ExactSizeIterator<Item = Box4> + Clone,
    ) -> Vec<Match> {
        let mut best = vec![(f32::NEG_INFINITY, 0); candidates.len()];
        for (i, corners) in truth.iter().enumerate() {
            for (best, candidate) in best.iter_mut().zip(candidates.clone()) {
                let overlap = iou(*corners, candidate);
                if overlap > best.0 {
                    *best = (overlap, i);
                }
            }
        }
        let by_threshold = |(overlap, truth): &(f32, usize)| match *overlap {
            overlap if overlap >= self.high => Match::Truth(*truth),
            overlap if overlap < self.low => Match::Background,
            _ => Match::Between,
        };
        let mut matches: Vec<Match> = best.iter().map(by_threshold).collect();
        if self.allow_low_quality {
            for corners in truth {
                let overlaps = candidates.clone().map(|candidate| iou(*corners, candidate));
                let largest = overlaps.clone().fold(f32::NEG_INFINITY, f32::max);
                for (i, overlap) in overlaps.enumerate() {
                    if overlap == largest {
                        matches[i] = Match::Truth(best[i].1);
                    }
                }
            }
        }
        matches
    }
}

/// The matcher of FCOS (Tian et al. 2019, section 3.2): a box takes the anchors near its center, on
/// the pyramid level that fits its size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FcosMatcher {
    /// Largest distance of a point to the center of its box, in anchor sizes.
    pub center_sampling_radius: f32,
}

impl FcosMatcher {
    /// Returns the ground-truth box of each anchor, or `None` for background. Among several boxes,
    /// the smallest one wins.
    ///
    /// `levels` has the square anchors of each pyramid level.
    pub fn matches(&self, truth: &[Box4], levels: &[Vec<Box4>]) -> Vec<Option<usize>> {
        let last = levels.len().saturating_sub(1);
        let anchors = levels
            .iter()
            .enumerate()
            .flat_map(|(level, anchors)| anchors.iter().map(move |anchor| (level, *anchor)));
        let matched = anchors.map(|(level, [x1, y1, x2, y2])| {
            let [x, y] = [(x1 + x2) / 2.0, (y1 + y2) / 2.0];
            let size = x2 - x1;
            let lower = if level == 0 { 0.0 } else { size * 4.0 };
            let upper = if level == last {
                f32::INFINITY
            } else {
                size * 8.0
            };
            let mut best = (0.0, None);
            for (i, corners) in truth.iter().enumerate() {
                let center = [
                    (corners[0] + corners[2]) / 2.0,
                    (corners[1] + corners[3]) / 2.0,
                ];
                let far = (x - center[0]).abs().max((y - center[1]).abs());
                let sides = [
                    x - corners[0],
                    y - corners[1],
                    corners[2] - x,
                    corners[3] - y,
                ];
                let nearest = sides.iter().copied().fold(f32::INFINITY, f32::min);
                let farthest = sides.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let fits = far < self.center_sampling_radius * size
                    && nearest > 0.0
                    && farthest > lower
                    && farthest < upper;
                let area = (corners[2] - corners[0]) * (corners[3] - corners[1]);
                let value = if fits { 1e8 - area } else { 0.0 };
                if value > best.0 {
                    best = (value, Some(i));
                }
            }
            // torchvision keeps a match only if its value is at least this limit.
            best.1.filter(|_| best.0 >= 1e-5)
        });
        matched.collect()
    }
}
