//! One module per command.

pub(crate) mod bench;
#[cfg(feature = "dense")]
pub(crate) mod dense;
pub(crate) mod find_rate;
pub(crate) mod preview;
pub(crate) mod probe;
pub(crate) mod recipes;
pub(crate) mod train;

use std::io::Cursor;

use anyhow::Result;
use image::{ImageFormat, RgbImage};

fn png(image: &RgbImage) -> Result<Vec<u8>> {
    let mut png = Cursor::new(Vec::new());
    image.write_to(&mut png, ImageFormat::Png)?;
    Ok(png.into_inner())
}
