//! Limits on image sizes.

/// The default limit on the pixels of an image, and the limit on the pixels of a resize or crop. It
/// is twice Pillow's `MAX_IMAGE_PIXELS`, where Pillow raises `DecompressionBombError`.
pub const MAX_PIXELS: u64 = 178_956_970;

/// The limit on a side of a resized image; a larger resize would need a huge table of weights.
pub const MAX_SIDE: u64 = 1 << 20;

/// The error of an image that cannot be resized or cropped.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TransformError {
    /// An image without pixels.
    #[error("the image has no pixels: expected sides of at least 1, found {width}x{height}")]
    EmptyImage {
        /// The width of the image.
        width: u32,
        /// The height of the image.
        height: u32,
    },
    /// A requested size with a zero side.
    #[error("the requested size is empty: expected sides of at least 1, found {width}x{height}")]
    ZeroSize {
        /// The requested width.
        width: u64,
        /// The requested height.
        height: u64,
    },
    /// A result, or an intermediate image of a resize, that is too large.
    #[error(
        "{width}x{height} pixels are too many: expected at most {MAX_PIXELS} in all and \
         {MAX_SIDE} per side; choose a smaller size, or crop a very long image first"
    )]
    TooLarge {
        /// The requested width.
        width: u64,
        /// The requested height.
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
