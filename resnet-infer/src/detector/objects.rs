//! The objects of an image.

use resnet_dense::Detection;
use resnet_dense::ops::masks::BoxMask;
use resnet_dense::ops::rle::Rle;
use resnet_weights::{KeypointNames, Labels};
use serde::{Deserialize, Serialize};

/// torchvision thresholds masks at this probability.
const MASK_THRESHOLD: f32 = 0.5;

/// The objects of an image, the best first. Coordinates are in pixels of the image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageDetections {
    /// Width of the image.
    pub width: usize,
    /// Height of the image.
    pub height: usize,
    /// The objects.
    pub objects: Vec<DetectedObject>,
    /// Pairs of keypoints to connect in drawings, by their indices from 0. Empty if the network
    /// predicts no keypoints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skeleton: Vec<[usize; 2]>,
}

/// One detected object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectedObject {
    /// Index of the class.
    pub class: usize,
    /// Name of the class.
    pub label: String,
    /// Score from 0 to 1.
    pub score: f32,
    /// Box: `x1, y1, x2, y2`.
    #[serde(rename = "box")]
    pub bounds: [f32; 4],
    /// The pixels of the object, if the network predicts masks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<Rle>,
    /// The keypoints, if the network predicts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keypoints: Option<Vec<DetectedKeypoint>>,
}

/// One keypoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetectedKeypoint {
    /// Name of the keypoint, or its index.
    pub name: String,
    /// Horizontal position.
    pub x: f32,
    /// Vertical position.
    pub y: f32,
    /// Logit of the position: positive for most visible keypoints. It is not a probability.
    pub score: f32,
}

pub(super) fn image_detections(
    [height, width]: [usize; 2],
    mut found: Vec<Detection>,
    labels: &Labels,
    keypoints: &KeypointNames,
) -> ImageDetections {
    let name = |index: usize| {
        let name = keypoints.names.get(index).cloned();
        name.unwrap_or_else(|| index.to_string())
    };
    let masks: Vec<BoxMask> = found
        .iter_mut()
        .filter_map(|found| found.mask.take())
        .collect();
    // All detections of a network have a mask, or none.
    let mut masks = Rle::of_boxes(&masks, MASK_THRESHOLD).into_iter();
    let object = |found: Detection| DetectedObject {
        class: found.label,
        label: labels.get(found.label).to_string(),
        score: found.score,
        bounds: found.corners,
        mask: masks.next(),
        keypoints: found.keypoints.map(|points| {
            let points = points.into_iter().enumerate();
            points
                .map(|(index, point)| DetectedKeypoint {
                    name: name(index),
                    x: point.x,
                    y: point.y,
                    score: point.score,
                })
                .collect()
        }),
    };
    ImageDetections {
        width,
        height,
        objects: found.into_iter().map(object).collect(),
        skeleton: keypoints.skeleton.clone(),
    }
}
