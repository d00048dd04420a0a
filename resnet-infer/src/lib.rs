#![doc = include_str!("../README.md")]

mod classifier;

pub use classifier::{
    ClassScore, Classifier, ClassifierError, ClassifyError, Prediction, PrepareError,
};
pub use resnet_weights::{Labels, LabelsError, OutputActivation};
