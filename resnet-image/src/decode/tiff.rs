//! TIFF decoder.

use image::DynamicImage;
use image::metadata::Orientation;

use self::directory::Directory;
use self::form::Form;
use self::samples::Stored;
use super::DecodeError;
use super::canvas::Canvas;
use super::job::Job;
use crate::pixels::Pixels;

mod directory;
mod form;
mod samples;
mod view;

const FORMAT: &str = "TIFF";
const TRUNCATED: DecodeError = DecodeError::Truncated { format: FORMAT };

/// Decodes the first image and applies its orientation tag. Pillow does this only for TIFF.
pub(super) fn decode(job: &mut Job, bytes: &[u8]) -> Result<Pixels, DecodeError> {
    let directory = Directory::read(bytes)?;
    let (width, height) = (directory.width, directory.height);
    job.check(width, height)?;
    directory.check(bytes)?;
    let form = Form::read(bytes, &directory)?;
    if form.is_jpeg {
        directory.check_jpegs(bytes)?;
    }
    let (working, fixed) = samples::memory(bytes, &directory, &form, job.channels.count());
    job.reserve((width, height), working, fixed)?;

    let stored = Stored::read(job, bytes, &directory, &form)?;
    let mut canvas = Canvas::new(width, height, job.channels);
    let (mut samples, mut colors) = (Vec::new(), Vec::new());
    for y in 0..height as usize {
        let row = stored.row(y, form.palette.is_some(), &mut samples);
        row.ok_or(TRUNCATED)?;
        canvas.put_row(y, 0, form.finish(&mut samples, &mut colors), form.layout);
    }
    drop(stored);
    let pixels = canvas.into_pixels().ok_or(TRUNCATED)?;
    let orientation = directory.value(bytes, directory::ORIENTATION);
    let orientation = orientation.and_then(|value| u8::try_from(value).ok());
    Ok(match orientation.and_then(Orientation::from_exif) {
        Some(orientation) => turn(pixels, orientation),
        None => pixels,
    })
}

fn turn(pixels: Pixels, orientation: Orientation) -> Pixels {
    let mut image = match pixels {
        Pixels::Gray(image) => DynamicImage::ImageLuma8(image),
        Pixels::Rgb(image) => DynamicImage::ImageRgb8(image),
        Pixels::Rgba(image) => DynamicImage::ImageRgba8(image),
    };
    image.apply_orientation(orientation);
    match image {
        DynamicImage::ImageLuma8(image) => Pixels::from(image),
        DynamicImage::ImageRgba8(image) => Pixels::from(image),
        other => Pixels::from(other.into_rgb8()),
    }
}

/// Returns the high byte of a 16-bit channel, as Pillow does for 16-bit RGB. Applies to gray too.
fn high_byte(word: u16) -> u8 {
    (word >> 8) as u8
}
