//! Training of detectors and segmentation networks.

mod detection;
mod fit;
mod scores;
mod segmentation;

pub use detection::DetectionTask;
pub use fit::{DenseEpoch, DenseFit, DenseObserver, DenseTask};
pub use scores::DenseScores;
pub use segmentation::SegmentationTask;

/// Formats an error with its causes on one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    causes.join(": ")
}
