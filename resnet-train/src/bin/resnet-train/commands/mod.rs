//! One file a command.

pub(crate) mod bench;
pub(crate) mod find_rate;
pub(crate) mod preview;
pub(crate) mod probe;
pub(crate) mod recipes;
pub(crate) mod train;

use std::io::Cursor;
use std::path::Path;

use anyhow::{Context, Result};
use image::{ImageFormat, RgbImage};
use resnet_weights::write_atomically;

/// Writes a file, or names it in the error.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically(path, bytes)
        .with_context(|| format!("`{}`: cannot be written", path.display()))
}

fn png(image: &RgbImage) -> Result<Vec<u8>> {
    let mut png = Cursor::new(Vec::new());
    image.write_to(&mut png, ImageFormat::Png)?;
    Ok(png.into_inner())
}
