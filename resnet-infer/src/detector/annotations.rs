//! Category ids and keypoints of the annotations that a detector was trained on.

use burn::tensor::backend::Backend;
use resnet_weights::{CategoryIds, KeypointNames};

use super::Detector;

/// COCO's names of the keypoints of a person.
const PERSON: [&str; 17] = [
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
    "left_hip",
    "right_hip",
    "left_knee",
    "right_knee",
    "left_ankle",
    "right_ankle",
];

/// The lines that torchvision's examples draw between the keypoints of a person.
const SKELETON: [[usize; 2]; 16] = [
    [0, 1],
    [0, 2],
    [1, 3],
    [2, 4],
    [0, 5],
    [0, 6],
    [5, 7],
    [6, 8],
    [7, 9],
    [8, 10],
    [5, 11],
    [6, 12],
    [11, 13],
    [12, 14],
    [13, 15],
    [14, 16],
];

impl<B: Backend> Detector<B> {
    /// Returns the category ids of the classes, or `None` if the file of weights does not contain
    /// them. In torchvision's detectors, class indices are COCO's category ids.
    pub fn category_ids(&self) -> Option<&CategoryIds> {
        self.category_ids.as_ref()
    }

    /// Returns the names and the skeleton of the keypoints. Without names in the file of weights,
    /// 17 keypoints are COCO's keypoints of a person, and other keypoints have numbers as names.
    pub fn keypoints(&self) -> &KeypointNames {
        &self.keypoints
    }
}

/// Returns the keypoints of a network whose file does not name them: COCO's if there are 17,
/// otherwise numbers without a skeleton.
pub(super) fn assumed_keypoints(count: Option<usize>) -> KeypointNames {
    match count {
        Some(17) => KeypointNames {
            names: PERSON.map(String::from).into(),
            skeleton: SKELETON.into(),
        },
        count => KeypointNames {
            names: (0..count.unwrap_or(0)).map(|i| i.to_string()).collect(),
            skeleton: Vec::new(),
        },
    }
}
