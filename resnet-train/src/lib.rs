#![doc = include_str!("../README.md")]

mod batch;
mod checkpoint;
mod clip;
mod ema;
mod evaluate;
mod fit;
mod groups;
mod loss;
mod optimizer;
mod schedule;
mod trainer;

pub use batch::tensors;
pub use checkpoint::CheckpointError;
pub use clip::clip_global_norm;
pub use ema::Ema;
pub use evaluate::{EvaluateError, evaluate};
pub use fit::{Ending, EpochReport, Fit, FitError, Observer, Position, StepReport};
pub use groups::{Groups, Part, Rule, UnknownPart};
pub use loss::{LossKind, smoothed, targets};
pub use optimizer::{Optimizer, OptimizerConfig};
pub use schedule::{Decay, Plateau, Schedule};
pub use trainer::{Settings, Trainer};
