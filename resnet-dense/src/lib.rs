#![doc = include_str!("../README.md")]

mod arch;
mod backbone;
mod config;
mod detections;
mod detector;
mod fcos;
mod fpn;
mod host;
mod image_batch;
mod init;
mod legacy_keys;
pub mod ops;
mod rcnn;
mod retinanet;
mod roi_heads;
mod rpn;
mod segmentation;
mod training;
mod validate;

pub use arch::{DenseArch, UnknownDenseArch};
pub use backbone::{Backbone, BackboneConfig};
pub use config::{DenseConfig, DetectorConfig};
pub use detections::{Detection, Detections, ScoredBox};
pub use detector::DetectorNetwork;
pub use fcos::{Fcos, FcosConfig};
pub use fpn::{Fpn, FpnConfig, TopLevels};
pub use image_batch::{ImageBatch, ImageTensor, TransformConfig};
pub use rcnn::{Rcnn, RcnnConfig};
pub use retinanet::{BoxLoss, RetinaNet, RetinaNetConfig};
pub use roi_heads::RoiHeads;
pub use rpn::{Proposal, Rpn, RpnLevel};
pub use segmentation::{
    IGNORE, Segmentation, SegmentationConfig, SegmentationHead, SegmentationOutput,
};
pub use training::{Draw, Loss, Losses, Target};
pub use validate::DenseConfigError;
