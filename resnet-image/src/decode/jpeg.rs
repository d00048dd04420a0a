//! JPEG decoder.

use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

pub(super) use self::frame::Color;
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

/// The maximum number of scans. A scan has few bytes but may take as long as the whole image.
const MAX_SCANS: usize = 100;

pub(super) fn decode(job: &mut Job, bytes: &[u8]) -> Result<Canvas, DecodeError> {
    let mut stream = Stream::read(job, bytes, None)?;
    let (color, layout) = (stream.color, stream.color.layout());
    let size @ (width, height) = (stream.frame.width.into(), stream.frame.height.into());
    if let Some(planes) = stream.planes.take() {
        let mut canvas = Canvas::new(width, height, job.channels);
        planes.rows(color, &stream.frame, |y, line| {
            canvas.put_row(y, 0, line, layout);
        });
        return Ok(canvas);
    }
    let samples = decode_stream(stream)?;
    let canvas = Canvas::from_samples(size, samples, layout, job.channels);
    canvas.ok_or(DecodeError::Truncated { format: FORMAT })
}

/// The samples of a TIFF strip or tile, with as many samples per pixel as `color` has.
pub(super) struct Samples {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) samples: Vec<u8>,
}

/// Decodes a TIFF strip or tile. Only the TIFF defines the meaning of its components.
pub(super) fn decode_part(job: &Job, bytes: &[u8], color: Color) -> Result<Samples, DecodeError> {
    let mut stream = Stream::read(&mut job.for_part(), bytes, Some(color))?;
    let (width, height) = (stream.frame.width.into(), stream.frame.height.into());
    let samples = match stream.planes.take() {
        None => decode_stream(stream)?,
        Some(planes) => {
            let mut samples = Vec::with_capacity(width * height * color.layout().samples());
            planes.rows(color, &stream.frame, |_, line| samples.extend(line));
            samples
        }
    };
    Ok(Samples {
        width,
        height,
        samples,
    })
}

/// Decodes an image with `zune-jpeg`.
fn decode_stream(stream: Stream) -> Result<Vec<u8>, DecodeError> {
    let Stream {
        data, frame, color, ..
    } = stream;
    let layout = color.layout();
    let output = match layout {
        Layout::Gray => ColorSpace::Luma,
        Layout::Cmyk => ColorSpace::CMYK,
        _ => ColorSpace::RGB,
    };
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_max_scans(MAX_SCANS)
        .jpeg_set_out_colorspace(output);
    let (width, height) = (usize::from(frame.width), usize::from(frame.height));
    let mut samples = vec![0; width * height * layout.samples()];
    zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(&data[..]), options)
        .decode_into(&mut samples)
        .map_err(|error| DecodeError::malformed(FORMAT, error))?;
    if layout == Layout::Cmyk {
        convert_line(&mut samples, color);
    }
    Ok(samples)
}

/// Returns the width and height in the frame header.
pub(super) fn size(bytes: &[u8]) -> Option<(u16, u16)> {
    source::frame_header(bytes)
        .map(|[_, h1, h0, w1, w0]| (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0])))
}

/// Converts samples as libjpeg and Pillow do, where `zune-jpeg` does not.
fn convert_line(samples: &mut [u8], color: Color) {
    match color {
        Color::Gray | Color::Rgb | Color::GrayAlpha | Color::Inks => {}
        Color::YCbCr => {
            for pixel in samples.as_chunks_mut::<3>().0 {
                *pixel = to_rgb(*pixel);
            }
        }
        // Pillow treats four components as inverted, with or without an Adobe marker.
        Color::Cmyk => samples
            .iter_mut()
            .for_each(|sample| *sample = 255 - *sample),
        Color::Ycck => {
            // libjpeg converts to RGB and inverts it to CMY; Pillow inverts again.
            for [y, cb, cr, black] in samples.as_chunks_mut().0 {
                [*y, *cb, *cr] = to_rgb([*y, *cb, *cr]);
                *black = 255 - *black;
            }
        }
    }
}

/// Converts YCbCr to RGB as libjpeg's `ycc_rgb_convert` does.
fn to_rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    // Fixed-point factors with 16 fractional bits: 1.402, 0.34414, 0.71414 and 1.772.
    let half = 1 << 15;
    let [y, cb, cr] = [y.into(), i32::from(cb) - 128, i32::from(cr) - 128];
    let red = y + ((91881 * cr + half) >> 16);
    let green = y + ((-22554 * cb - 46802 * cr + half) >> 16);
    let blue = y + ((116130 * cb + half) >> 16);
    [red, green, blue].map(|light| light.clamp(0, 255) as u8)
}
