#![doc = include_str!("../README.md")]

mod about;
mod activation;
mod apply;
mod catalogue;
mod embedded;
mod export;
mod fetch;
mod infer;
mod labels;
mod layout;
mod onnx;
mod options;
mod pretrained;
mod read;

pub use activation::{OutputActivation, UnknownActivation};
pub use apply::{Load, LoadError, Mismatch, Report};
pub use catalogue::{Accuracy, Id, Licence, Source, UnknownWeights, Weights, ids};
pub use export::{FloatType, Save, SaveError, UnknownFloatType, save, write_atomically};
#[cfg(feature = "progress")]
pub use fetch::Bar;
pub use fetch::{
    Advance, CacheFile, CacheFileKind, Clean, Failure, Fetch, FetchError, Found, Notes, Origin,
    Patience, Progress, Silent, Verdict, Verified,
};
pub use infer::{Assumption, InferError, Inferred};
pub use labels::{Labels, LabelsError};
pub use options::{OptionError, Overrides};
pub use pretrained::{Loader, Pretrained, PretrainedError, pretrained};
pub use read::{Checkpoint, Container, Dtype, Entry, ReadError};
