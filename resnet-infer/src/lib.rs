#![doc = include_str!("../README.md")]

mod classifier;
mod detector;
mod input;
mod segmenter;

pub use classifier::{
    BuildError, ClassScore, Classifier, ClassifierBuilder, ClassifyError, ImageFailure, Prediction,
    PrepareError,
};
pub use detector::{DenseBuildError, DetectedKeypoint, DetectedObject, Detector, ImageDetections};
pub use input::ImageInput;
pub use resnet_engine::{Batch, Engine, MemoryMode, Outputs};
pub use resnet_weights::{
    CategoryIds, Fetch, FloatType, KeypointNames, Labels, LabelsError, ModelSource,
    OutputActivation, Progress, ProgressHandle,
};
pub use segmenter::{ClassShare, ImageSegmentation, Segmenter};
