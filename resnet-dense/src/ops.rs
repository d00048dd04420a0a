//! The operations of detection and segmentation networks.
//!
//! Operations on boxes run on the host, on plain numbers. Operations on feature maps run on the
//! backend and have gradients.

pub mod anchors;
mod bags;
pub mod boxes;
pub mod coder;
pub mod keypoints;
pub mod losses;
pub mod masks;
pub mod matcher;
pub mod nms;
pub mod resize;
pub mod rle;
pub mod roi_align;
