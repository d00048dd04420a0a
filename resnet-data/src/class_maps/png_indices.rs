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
    #[error("`{}`: expected a PNG with a palette, or with gray values of 8 bits, found {found}", .path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// The content found.
        found: String,
    },
}

/// Reads the class indices of a PNG: palette indices of 1, 2, 4 or 8 bits (Pascal VOC), or gray
/// values of 8 bits. Returns width and height, and the index of each pixel, row by row.
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
    let has_indices = match color {
        png::ColorType::Indexed => true,
        // Smaller gray values are ambiguous: programs that reduce the bits of a gray image scale its
        // values, so that 255 becomes 1.
        png::ColorType::Grayscale => depth == png::BitDepth::Eight,
        _ => false,
    };
    let bits = usize::from(depth as u8);
    if !has_indices {
        return Err(form(format!("{color:?} of {bits} bits")));
    }
    let (width, height) = (reader.info().width, reader.info().height);
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(form(format!(
            "{width} x {height} pixels, more than {MAX_PIXELS}"
        )));
    }
    let size = reader.output_buffer_size();
    let size = size.ok_or_else(|| form("too many pixels".into()))?;
    let mut packed = vec![0; size];
    reader.next_frame(&mut packed).map_err(damaged)?;
    let [width, height] = [width, height].map(|side| side as usize);
    Ok(([width, height], unpacked(packed, width, bits)))
}

/// Returns one index per pixel of rows with `bits` bits per pixel. Each row starts at a byte, and
/// the first pixel of a byte has its most significant bits.
fn unpacked(packed: Vec<u8>, width: usize, bits: usize) -> Vec<u8> {
    if bits == 8 {
        return packed;
    }
    let per_byte = 8 / bits;
    let largest = (1_u8 << bits) - 1;
    let mut indices = Vec::with_capacity(packed.len() * per_byte);
    for row in packed.chunks_exact(width.div_ceil(per_byte)) {
        let index = |x: usize| (row[x / per_byte] >> (8 - bits * (x % per_byte + 1))) & largest;
        indices.extend((0..width).map(index));
    }
    indices
}
