//! Non-maximum suppression, on the host.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use rayon::prelude::*;

use super::boxes::{Box4, area, intersection};

/// On the CPU, torchvision runs one NMS per group above this number of boxes.
const GROUPWISE_ABOVE: usize = 1000;

/// Compares two scores: the higher one first, NaN last.
pub fn by_score(a: f32, b: f32) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => b.total_cmp(&a),
        (a, b) => a.cmp(&b),
    }
}

/// Returns the indices of `scores` from the highest score to the lowest. Equal scores keep their
/// order.
pub fn order(scores: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| by_score(scores[a], scores[b]));
    order
}

/// Returns the indices of the `count` highest scores, from the highest to the lowest: the start of
/// [`order`], without sorting the rest.
pub fn top(scores: &[f32], count: usize) -> Vec<usize> {
    let better = |a: &usize, b: &usize| by_score(scores[*a], scores[*b]).then(a.cmp(b));
    let mut order: Vec<usize> = (0..scores.len()).collect();
    if count < order.len() {
        order.select_nth_unstable_by(count, better);
        order.truncate(count);
    }
    order.sort_unstable_by(better);
    order
}

/// Returns the indices of the boxes that no better box overlaps by more than `threshold`, the best
/// box first.
///
/// The quotient has float32 precision and the threshold float64 precision, as in torchvision: an
/// overlap of exactly 0.6 is suppressed at 0.6, because 0.6 in float32 is greater than 0.6.
///
/// # Panics
///
/// Panics if the numbers of boxes and scores differ.
pub fn nms(boxes: &[Box4], scores: &[f32], threshold: f64) -> Vec<usize> {
    assert_eq!(boxes.len(), scores.len(), "expected one score per box");
    let mut kept: Vec<usize> = Vec::new();
    let mut kept_boxes: Vec<(Box4, f32)> = Vec::new();
    for i in order(scores) {
        let (corners, area) = (boxes[i], area(boxes[i]));
        let suppressed = kept_boxes.iter().any(|(other, other_area)| {
            let both = intersection(*other, corners);
            f64::from(both / (other_area + area - both)) > threshold
        });
        if !suppressed {
            kept.push(i);
            kept_boxes.push((corners, area));
        }
    }
    kept
}

/// Returns the result of [`nms`] within each group, such as a class or a pyramid level, the best
/// box first.
///
/// Up to 1,000 boxes, torchvision on the CPU moves each group by an offset and runs one NMS. The
/// offset rounds the coordinates, so this function does the same.
///
/// # Panics
///
/// Panics if the numbers of boxes, scores and groups differ.
pub fn batched_nms(boxes: &[Box4], scores: &[f32], groups: &[usize], threshold: f64) -> Vec<usize> {
    assert_eq!(boxes.len(), groups.len(), "expected one group per box");
    if boxes.len() > GROUPWISE_ABOVE {
        return groupwise_nms(boxes, scores, groups, threshold);
    }
    let largest = boxes
        .iter()
        .flatten()
        .fold(f32::NEG_INFINITY, |a, b| a.max(*b));
    let moved = |(b, group): (&Box4, &usize)| b.map(|side| side + *group as f32 * (largest + 1.0));
    let moved: Vec<Box4> = boxes.iter().zip(groups).map(moved).collect();
    nms(&moved, scores, threshold)
}

fn groupwise_nms(boxes: &[Box4], scores: &[f32], groups: &[usize], threshold: f64) -> Vec<usize> {
    assert_eq!(boxes.len(), scores.len(), "expected one score per box");
    let mut members = BTreeMap::<usize, Vec<usize>>::new();
    for (i, group) in groups.iter().enumerate() {
        members.entry(*group).or_default().push(i);
    }
    let members: Vec<Vec<usize>> = members.into_values().collect();
    let mut kept: Vec<usize> = members
        .par_iter()
        .flat_map_iter(|members| {
            let boxes: Vec<Box4> = members.iter().map(|&i| boxes[i]).collect();
            let scores: Vec<f32> = members.iter().map(|&i| scores[i]).collect();
            nms(&boxes, &scores, threshold)
                .into_iter()
                .map(|i| members[i])
        })
        .collect();
    // torchvision sorts the kept boxes in the order of their indices.
    kept.sort_unstable();
    kept.sort_by(|&a, &b| by_score(scores[a], scores[b]));
    kept
}
