//! The metadata of the networks that a run saves.

use resnet_data::objects::ObjectDataset;
use resnet_dense::DenseConfig;
use resnet_train::Task;
use resnet_weights::{CategoryIds, KeypointNames, Save};

use super::{Data, Job};

impl Job {
    /// Returns the options for saving networks, with the metadata that `resnet-infer` uses.
    pub(super) fn save_options(&self) -> Save {
        let save = Save::default()
            .with_labels(self.data.labels(&self.start.network))
            .with_dense_config(self.start.network.clone());
        let save = match self.data.category_ids(&self.start.network) {
            Some(ids) => save.with_category_ids(ids),
            None => save,
        };
        match (self.config.task, &self.data) {
            (Task::Segment, _) => save.with_preprocessing(self.config.segmentation_preprocessing()),
            (Task::Keypoints, Data::Objects([train, _])) => save.with_keypoints(keypoints(train)),
            _ => save,
        }
    }
}

impl Data {
    /// Returns the category ids of a network's classes, if the annotations are in COCO's format.
    fn category_ids(&self, config: &DenseConfig) -> Option<CategoryIds> {
        let ids = match self {
            Self::Objects([train, _]) => train.category_ids()?,
            Self::ClassMaps([train, _]) => train.category_ids()?,
        };
        let background = (config.num_classes() > ids.len()).then_some(None);
        let ids = ids.iter().map(|id| Some(*id));
        Some(background.into_iter().chain(ids).collect())
    }
}

fn keypoints(data: &ObjectDataset) -> KeypointNames {
    let keypoints = data.keypoints();
    KeypointNames {
        names: keypoints.names.clone(),
        skeleton: keypoints.skeleton.clone(),
    }
}
