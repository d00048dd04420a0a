#![doc = include_str!("../README.md")]

mod activation;
mod annotations;
mod apply;
mod catalog;
mod dense;
mod embedded;
mod export;
mod fetch;
mod infer;
mod labels;
mod layout;
mod metadata;
mod onnx;
mod options;
mod pretrained;
mod quantized;
mod read;
mod source;

pub use activation::{OutputActivation, UnknownActivation};
pub use annotations::{CategoryIds, KeypointNames};
pub use apply::{Load, LoadError, LoadHint, Mismatch, Report};
pub use catalog::{Accuracy, Id, License, PublishedFile, Source, UnknownWeights, Weights, ids};
pub use dense::{
    DenseMetrics, DenseSourceError, DenseWeights, EmbeddedDense, InferredDense, LabelSet,
    ResolvedDense,
};
pub use export::{FloatType, Save, SaveError, UnknownFloatType, save};
#[cfg(feature = "progress")]
pub use fetch::Bar;
pub use fetch::{
    CacheFile, CacheFileKind, Clean, Failure, Fetch, FetchError, Found, Notes, Origin, Progress,
    ProgressHandle, RetryPolicy, Silent, Verdict, Verified,
};
pub use infer::{Assumption, InferError, Inferred};
pub use labels::{Labels, LabelsError};
pub use options::{OptionError, Overrides};
pub use pretrained::{Pretrained, PretrainedBuilder, pretrained};
pub use quantized::QuantizationInfo;
pub use read::{Checkpoint, Container, Dtype, Entry, ReadError};
pub use source::{Classes, Described, ModelSource, Resolved, SourceError, default_preprocessing};
