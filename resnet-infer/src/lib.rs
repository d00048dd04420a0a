#![doc = include_str!("../README.md")]

mod classifier;

pub use classifier::{ClassScore, Classifier, ClassifyError, OpenError, Prediction, PrepareError};
pub use resnet_weights::{Labels, LabelsError, OutputActivation};

/// The examples of the README and of the book, as tests.
#[cfg(doctest)]
mod examples {
    #[doc = include_str!("../../README.md")]
    struct Readme;

    #[doc = include_str!("../../docs/src/quick-start.md")]
    struct QuickStart;

    #[doc = include_str!("../../docs/src/weights.md")]
    struct Weights;

    #[doc = include_str!("../../docs/src/backends.md")]
    struct Backends;
}
