#![doc = include_str!("../README.md")]

mod among;
mod autograd;
mod clip;
mod config;
#[cfg(feature = "dense")]
pub mod dense;
mod ema;
mod fit;
mod groups;
mod lamb;
mod least;
pub mod limits;
mod loss;
mod loss_window;
mod memory;
mod micro_batches;
mod observer;
mod optimizer;
mod peers;
mod position;
mod probe;
mod rate;
#[cfg(feature = "report")]
pub mod report;
mod schedule;
mod sgd;
mod trainer;
mod training_state;

pub use among::StepAmong;
pub use autograd::autograd_lock;
pub use clip::clip_global_norm;
pub use config::{AugmentConfig, Config, CropConfig, Head, ScheduleConfig, Task, TrainConfigError};
pub use ema::Ema;
pub use fit::{Fit, FitError};
pub use groups::{ParamGroups, Rule};
pub use least::least_images;
pub use loss::{Loss, LossKind, TargetKind, targets};
pub use observer::{Ending, EpochReport, Observer, StepReport};
pub use optimizer::{Optimizer, OptimizerConfig};
pub use peers::{MEET_SECRET, Peers, PeersError};
pub use position::Position;
pub use probe::{Embeddings, linear_probe};
pub use rate::RateSearch;
pub use resnet_core::{LayerGroup, UnknownLayerGroup};
pub use resnet_data::{EvaluateError, evaluate};
pub use schedule::{Decay, Plateau, Schedule};
pub use trainer::{Settings, Trainable, Trainer};
pub use training_state::TrainingStateError;
