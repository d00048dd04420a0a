use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use self::frame::Color;
use self::stream::Stream;
use super::DecodeError;
use super::canvas::{Canvas, Layout};
use super::job::Job;

mod bits;
mod frame;
mod idct;
mod planes;
mod scan;
mod source;
mod standard;
mod stream;
mod tables;

const FORMAT: &str = "JPEG";

/// The most scans of an image, which each may take the time of the whole image and few bytes.
const MAX_SCANS: usize = 100;

pub(super) fn decode(job: &mut Job, bytes: &[u8]) -> Result<Canvas, DecodeError> {
    let Stream {
        data,
        frame,
        color,
        planes,
    } = Stream::read(job, bytes)?;
    if let Some(planes) = planes {
        return Ok(planes.finish(color, &frame, job));
    }
    let (layout, output) = match color {
        Color::Gray => (Layout::Gray, ColorSpace::Luma),
        Color::YCbCr | Color::Rgb => (Layout::Rgb, ColorSpace::RGB),
        Color::Cmyk | Color::Ycck => (Layout::Cmyk, ColorSpace::CMYK),
    };
    let (width, height) = (frame.width.into(), frame.height.into());
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_max_scans(MAX_SCANS)
        .jpeg_set_out_colorspace(output);
    let mut samples = vec![0; width as usize * height as usize * layout.samples()];
    zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(&data[..]), options)
        .decode_into(&mut samples)
        .map_err(|error| DecodeError::malformed(FORMAT, error))?;
    drop(data);
    if layout == Layout::Cmyk {
        convert_line(&mut samples, color);
    }
    let canvas = Canvas::from_samples((width, height), samples, layout, job.channels);
    canvas.ok_or(DecodeError::Truncated { format: FORMAT })
}

/// Width and height of the frame, as the header has them.
pub(super) fn size(bytes: &[u8]) -> Option<(u16, u16)> {
    source::frame_header(bytes)
        .map(|[_, h1, h0, w1, w0]| (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0])))
}

/// What libjpeg and Pillow do with the samples of pixels, where the decoder has not done it.
fn convert_line(samples: &mut [u8], color: Color) {
    match color {
        Color::Gray | Color::Rgb => {}
        Color::YCbCr => {
            for pixel in samples.as_chunks_mut::<3>().0 {
                *pixel = to_rgb(*pixel);
            }
        }
        // Pillow takes four components for inverted, with an Adobe marker or without.
        Color::Cmyk => samples
            .iter_mut()
            .for_each(|sample| *sample = 255 - *sample),
        Color::Ycck => {
            // libjpeg inverts RGB for ink, and Pillow inverts once more.
            for [y, cb, cr, black] in samples.as_chunks_mut().0 {
                [*y, *cb, *cr] = to_rgb([*y, *cb, *cr]);
                *black = 255 - *black;
            }
        }
    }
}

/// libjpeg's `ycc_rgb_convert`.
fn to_rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    // Factors of 16 bits after the point: 1.402, 0.34414, 0.71414 and 1.772.
    let half = 1 << 15;
    let [y, cb, cr] = [y.into(), i32::from(cb) - 128, i32::from(cr) - 128];
    let red = y + ((91881 * cr + half) >> 16);
    let green = y + ((-22554 * cb - 46802 * cr + half) >> 16);
    let blue = y + ((116130 * cb + half) >> 16);
    [red, green, blue].map(|light| light.clamp(0, 255) as u8)
}
