#![doc = include_str!("../README.md")]

mod batch;
mod channel_mismatch;
mod channels;
mod convert;
mod crop;
#[cfg(feature = "decode")]
mod decode;
#[cfg(feature = "draw")]
pub mod draw;
mod filter;
mod limits;
mod memory;
mod per_channel;
mod pixels;
mod preprocessing;
mod resize;

pub use batch::{BatchError, normalized, to_tensor};
pub use channel_mismatch::ChannelMismatch;
pub use channels::{Channels, ChannelsError};
pub use crop::center_crop;
#[cfg(feature = "decode")]
pub use decode::{
    DecodeError, Decoder, IMAGE_ENDINGS, OpenError, decode, foreign_image_ending, has_image_ending,
    memory_limit, open, open_as, set_memory_limit,
};
pub use filter::{Filter, ParseFilterError};
pub use image::{GrayImage, RgbImage, RgbaImage};
pub use limits::{MAX_PIXELS, MAX_SIDE, TransformError};
pub use memory::default_memory_limit;
pub use per_channel::PerChannel;
pub use pixels::{AsSamples, Pixels};
pub use preprocessing::{IMAGENET_MEAN, IMAGENET_STD, Preprocessing, PreprocessingError};
pub use resize::{resize, resize_shorter_side};
