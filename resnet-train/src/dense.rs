//! Training of detectors and segmentation networks.

mod detection;
mod fit;
mod scores;
mod segmentation;

pub use detection::DetectionTask;
pub use fit::{DenseEpoch, DenseFit, DenseObserver, DenseTask};
pub use scores::DenseScores;
pub use segmentation::SegmentationTask;
