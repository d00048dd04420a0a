#![doc = include_str!("../README.md")]

mod classifier;

pub use classifier::{
    BuildError, ClassScore, Classifier, ClassifierBuilder, ClassifyError, ImageFailure, ImageInput,
    Prediction, PrepareError,
};
pub use resnet_weights::{
    Fetch, Labels, LabelsError, ModelSource, OutputActivation, Progress, ProgressHandle,
};
