//! Pillow's `convert` between gray, RGB and RGBA.

use crate::channels::Channels;

/// Converts pixels. A new alpha channel is opaque; an unneeded one is dropped.
pub(crate) fn convert(source: &[u8], from: Channels, target: &mut [u8], to: Channels) {
    use Channels::{Gray, Rgb, Rgba};
    match (from, to) {
        (Gray, Gray) | (Rgb, Rgb) | (Rgba, Rgba) => target.copy_from_slice(source),
        (Gray, Rgb) => map(source, target, |[l]| [l; 3]),
        (Gray, Rgba) => map(source, target, |[l]| [l, l, l, 255]),
        (Rgb, Gray) => map(source, target, |rgb| [luma(rgb)]),
        (Rgb, Rgba) => map(source, target, |[r, g, b]| [r, g, b, 255]),
        (Rgba, Gray) => map(source, target, |[r, g, b, _]| [luma([r, g, b])]),
        (Rgba, Rgb) => map(source, target, |[r, g, b, _]| [r, g, b]),
    }
}

/// Applies `pixel` to every pixel of `N` samples.
pub(crate) fn map<const N: usize, const M: usize>(
    source: &[u8],
    target: &mut [u8],
    pixel: impl Fn([u8; N]) -> [u8; M],
) {
    let targets = target.as_chunks_mut().0;
    for (target, &source) in targets.iter_mut().zip(source.as_chunks().0) {
        *target = pixel(source);
    }
}

/// Computes the luma (ITU-R 601-2) in the fixed-point arithmetic of Pillow's `L24`.
pub(crate) fn luma([r, g, b]: [u8; 3]) -> u8 {
    let sum = u32::from(r) * 19595 + u32::from(g) * 38470 + u32::from(b) * 7471 + 0x8000;
    (sum >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn luma_of_grays_is_the_gray() {
        assert!((0..=255).all(|value| luma([value; 3]) == value));
        assert_eq!(luma([255, 0, 0]), 76); // 0.299 * 255 = 76.245
    }
}
