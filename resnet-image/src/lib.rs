#![doc = include_str!("../README.md")]

mod batch;
mod crop;
#[cfg(feature = "decode")]
mod decode;
mod filter;
mod limits;
mod recipe;
mod resize;

pub use batch::{BatchError, normalised, to_tensor};
pub use crop::center_crop;
#[cfg(feature = "decode")]
pub use decode::{DecodeError, Decoder, IMAGE_ENDINGS, OpenError, decode, has_image_ending, open};
pub use filter::{Filter, ParseFilterError};
pub use image::RgbImage;
pub use limits::{MAX_PIXELS, MAX_SIDE, TransformError};
pub use recipe::{IMAGENET_MEAN, IMAGENET_STD, Recipe, RecipeError};
pub use resize::{resize, resize_shorter_side};
