//! Class indices in PNG files.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use resnet_image::MAX_PIXELS;

/// The error of a file without class indices.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The file cannot be opened.
    #[error("`{}`: cannot be opened", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file is no PNG, or is damaged.
    #[error("`{}`: expected a PNG", .path.display())]
    Png {
        /// The file.
        path: PathBuf,
        /// The error of the decoder.
        source: png::DecodingError,
    },
    /// The file has no indices.
    #[error("`{}`: expected a PNG with 8 bits per pixel, a palette or gray, found {found}", .path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// The content found.
        found: String,
    },
}

/// Reads the class indices of a PNG with 8 bits per pixel: palette indices (Pascal VOC) or gray
/// values. Returns width and height, and the index of each pixel, row by row.
///
/// # Errors
///
/// Returns an error if the file cannot be read or has another form.
pub fn read_indices(path: impl AsRef<Path>) -> Result<([usize; 2], Vec<u8>), IndexError> {
    let path = path.as_ref();
    let damaged = |source| IndexError::Png {
        path: path.into(),
        source,
    };
    let form = |found| IndexError::Form {
        path: path.into(),
        found,
    };
    let file = File::open(path).map_err(|source| IndexError::Open {
        path: path.into(),
        source,
    })?;
    let mut decoder = png::Decoder::new_with_limits(BufReader::new(file), png::Limits::default());
    decoder.set_transformations(png::Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(damaged)?;
    let (color, depth) = reader.output_color_type();
    let indexed = matches!(color, png::ColorType::Indexed | png::ColorType::Grayscale);
    if !indexed || depth != png::BitDepth::Eight {
        return Err(form(format!("{color:?} of {depth:?} bits")));
    }
    let (width, height) = (reader.info().width, reader.info().height);
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(form(format!(
            "{width} x {height} pixels, more than {MAX_PIXELS}"
        )));
    }
    let size = reader.output_buffer_size();
    let size = size.ok_or_else(|| form("too many pixels".into()))?;
    let mut indices = vec![0; size];
    reader.next_frame(&mut indices).map_err(damaged)?;
    Ok(([width as usize, height as usize], indices))
}
