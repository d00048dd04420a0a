//! What Burn lacks, or has otherwise than PyTorch.

mod attention;
mod batch_norm;
mod batch_stats;
mod conv;
mod conv_norm_act;
mod drop_path;
mod group_norm;
mod norm;
mod pool;
mod running_stat;

pub use attention::{Attention, EfficientChannelAttention, SqueezeExcite};
pub use batch_norm::{BatchNorm, NormMode};
pub use batch_stats::BatchStatsNorm;
pub use group_norm::GroupNorm;
pub use norm::Norm;
pub use running_stat::RunningStat;

pub(crate) use attention::{eca_kernel, squeezed_channels};
pub(crate) use conv::{ConvPlan, conv1x1};
pub(crate) use conv_norm_act::{Residual, conv, conv_norm, conv_norm_act, norm_act};
pub(crate) use drop_path::drop_path;
pub(crate) use norm::fold;
pub(crate) use pool::{anti_alias, avg_pool_same, global_pool, max_pool};
