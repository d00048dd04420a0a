//! Premultiplied alpha, as in Pillow's modes `RGBa` and `La`, for resizing images with alpha.

/// Multiplies the color of each pixel by its alpha, as Pillow's `rgbA2rgba` does.
pub(super) fn multiply(samples: &mut [u8], channels: usize) {
    for pixel in samples.chunks_exact_mut(channels) {
        if let Some((&mut alpha, color)) = pixel.split_last_mut() {
            for value in color {
                let product = u32::from(*value) * u32::from(alpha) + 128;
                *value = (((product >> 8) + product) >> 8) as u8;
            }
        }
    }
}

/// Divides the color of each pixel by its alpha, as Pillow's `rgba2rgbA` does. Leaves invisible
/// pixels unchanged.
pub(super) fn divide(samples: &mut [u8], channels: usize) {
    for pixel in samples.chunks_exact_mut(channels) {
        if let Some((&mut alpha @ 1..=254, color)) = pixel.split_last_mut() {
            for value in color {
                *value = (255 * u32::from(*value) / u32::from(alpha)).min(255) as u8;
            }
        }
    }
}
