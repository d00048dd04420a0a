//! Limits on image sizes, and the error of an image beyond them.

/// The default limit on the pixels of an image, and the limit on those of a resize or crop: where
/// Pillow raises `DecompressionBombError` (twice its `MAX_IMAGE_PIXELS`).
pub const MAX_PIXELS: u64 = 178_956_970;

/// The limit on a side of a resized image, past which the table of weights alone would be absurd.
pub const MAX_SIDE: u64 = 1 << 20;

/// Why an image could not be resized or cropped.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TransformError {
    /// The image has no pixels.
    #[error("the image has no pixels: expected sides of at least 1, found {width}x{height}")]
    EmptyImage {
        /// Columns found.
        width: u32,
        /// Rows found.
        height: u32,
    },
    /// The size asked for has a zero side.
    #[error("the size to make is empty: expected sides of at least 1, found {width}x{height}")]
    ZeroSize {
        /// Columns asked for.
        width: u64,
        /// Rows asked for.
        height: u64,
    },
    /// The result, or the image between the two passes of a resize, would be too large.
    #[error(
        "{width}x{height} pixels are too many: expected at most {MAX_PIXELS} in all and \
         {MAX_SIDE} a side; choose a smaller size, or crop a very long image first"
    )]
    TooLarge {
        /// Columns asked for.
        width: u64,
        /// Rows asked for.
        height: u64,
    },
}

pub(crate) fn check_source((width, height): (u32, u32)) -> Result<(), TransformError> {
    if width == 0 || height == 0 {
        return Err(TransformError::EmptyImage { width, height });
    }
    Ok(())
}

pub(crate) fn check_output(width: u64, height: u64) -> Result<(), TransformError> {
    if width == 0 || height == 0 {
        return Err(TransformError::ZeroSize { width, height });
    }
    if width.max(height) > MAX_SIDE || width * height > MAX_PIXELS {
        return Err(TransformError::TooLarge { width, height });
    }
    Ok(())
}
