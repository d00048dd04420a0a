//! The layers of residual networks, for heads, decoders and your own networks.
//!
//! [`ConvNormAct`] and [`conv_norm_act`] compute every convolution with its norm and activation.
//! They use fused layers if the backend registers them.

mod activation;
mod attention;
mod batch_norm;
mod batch_stats;
mod conv;
mod conv_norm_act;
mod drop_path;
mod fold_mark;
mod group_norm;
mod norm;
mod pool;
mod running_stat;

pub use attention::{Attention, EfficientChannelAttention, SqueezeExcite};
pub use batch_norm::{BatchNorm, NormMode};
pub use batch_stats::BatchStatsNorm;
pub use conv_norm_act::{ConvNormAct, Residual, conv, conv_norm, conv_norm_act, norm_act};
pub use drop_path::drop_path;
pub use fold_mark::FoldMark;
pub use group_norm::GroupNorm;
pub use norm::{Norm, fold};
pub use pool::{anti_alias, avg_pool_same, global_pool, max_pool};
pub use running_stat::RunningStat;

pub use crate::block::{BasicBlock, Block, Bottleneck, PreActBasicBlock, PreActBottleneck};
pub use crate::plan::ConvPlan;
pub use crate::shortcut::{PooledProjection, Shortcut, ZeroPad};
pub use crate::stem::{DeepStem, Stem, adapt_in_channels};

pub(crate) use conv::conv1x1;
