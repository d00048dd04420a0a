//! Adds category ids and keypoints to the metadata.

use super::Save;
use crate::{CategoryIds, KeypointNames};

impl Save {
    /// Adds the category ids of the classes to the metadata.
    pub fn with_category_ids(self, ids: CategoryIds) -> Self {
        Self {
            category_ids: Some(ids),
            ..self
        }
    }

    /// Adds the names and the skeleton of the keypoints to the metadata.
    pub fn with_keypoints(self, keypoints: KeypointNames) -> Self {
        Self {
            keypoints: Some(keypoints),
            ..self
        }
    }
}
