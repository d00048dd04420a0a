#![doc = include_str!("../README.md")]

mod classifier;
mod labels;

pub use classifier::{
    ClassScore, Classifier, ClassifyError, OpenError, Prediction, PrepareError, default_recipe,
};
pub use labels::{Labels, LabelsError};
