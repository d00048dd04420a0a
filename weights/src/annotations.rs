//! Category ids and keypoints of the annotations that a network was trained on.

use serde::{Deserialize, Serialize};

/// The category id of each class in the annotation file of the training set. A background class has
/// none.
///
/// ```
/// use resnet_weights::CategoryIds;
///
/// let ids: CategoryIds = [None, Some(1), Some(18)].into_iter().collect();
/// assert_eq!(ids.get(2), Some(18));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CategoryIds(Vec<Option<u64>>);

impl CategoryIds {
    /// Returns the number of classes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no classes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the category id of a class, or `None` if the class has none or does not exist.
    pub fn get(&self, class: usize) -> Option<u64> {
        self.0.get(class).copied().flatten()
    }

    /// Returns the classes that have a category id, with their ids.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, u64)> {
        let ids = self.0.iter().enumerate();
        ids.filter_map(|(class, id)| Some((class, (*id)?)))
    }
}

impl FromIterator<Option<u64>> for CategoryIds {
    fn from_iter<I: IntoIterator<Item = Option<u64>>>(ids: I) -> Self {
        Self(ids.into_iter().collect())
    }
}

/// The keypoints that a network predicts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeypointNames {
    /// Their names.
    pub names: Vec<String>,
    /// Pairs of keypoints to connect in drawings, by their indices from 0.
    #[serde(default)]
    pub skeleton: Vec<[usize; 2]>,
}

impl KeypointNames {
    /// Checks that the skeleton connects existing keypoints.
    ///
    /// # Errors
    ///
    /// Returns the reason if it does not.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let count = self.names.len();
        let mut ends = self.skeleton.iter().flatten();
        match ends.find(|end| **end >= count) {
            Some(end) => Err(format!(
                "expected keypoint indices below {count} in `skeleton`, found {end}"
            )),
            None => Ok(()),
        }
    }
}
