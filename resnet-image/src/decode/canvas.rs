//! Conversion of decoded samples to the requested channels.

use image::{GrayImage, RgbImage, RgbaImage};

use crate::channels::Channels;
use crate::convert::{self, luma, map};
use crate::pixels::Pixels;

/// The meaning of 8-bit samples from a decoder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Layout {
    Gray,
    GrayAlpha,
    Rgb,
    Rgba,
    /// 255 is full ink.
    Cmyk,
}

impl Layout {
    pub(super) fn samples(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::GrayAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba | Self::Cmyk => 4,
        }
    }
}

/// The image to return, filled row by row.
#[derive(Clone, Debug)]
pub(super) struct Canvas {
    width: u32,
    height: u32,
    channels: Channels,
    samples: Vec<u8>,
}

impl Canvas {
    /// Allocates an image of zeros.
    pub(super) fn new(width: u32, height: u32, channels: Channels) -> Self {
        let bytes = width as usize * height as usize * channels.count();
        Self {
            width,
            height,
            channels,
            samples: vec![0; bytes],
        }
    }

    /// Converts a whole image. Returns `None` if the number of samples does not match the size.
    pub(super) fn from_samples(
        (width, height): (u32, u32),
        mut samples: Vec<u8>,
        layout: Layout,
        channels: Channels,
    ) -> Option<Self> {
        let row = width as usize * layout.samples();
        if samples.len() != row * height as usize || row == 0 {
            return None;
        }
        let target = width as usize * channels.count();
        if target > row {
            let mut canvas = Self::new(width, height, channels);
            for (y, line) in samples.chunks_exact(row).enumerate() {
                canvas.put_row(y, 0, line, layout);
            }
            return Some(canvas);
        }
        if layout == Layout::Cmyk || target < row {
            let mut line = vec![0; target];
            for y in 0..height as usize {
                convert(&samples[y * row..][..row], layout, &mut line, channels);
                samples[y * target..][..target].copy_from_slice(&line);
            }
            samples.truncate(target * height as usize);
            samples.shrink_to_fit();
        }
        Some(Self {
            width,
            height,
            channels,
            samples,
        })
    }

    /// Converts the pixels of `line` and writes them to row `y`, from column `x` on.
    pub(super) fn put_row(&mut self, y: usize, x: usize, line: &[u8], layout: Layout) {
        let start = (y * self.width as usize + x) * self.channels.count();
        let bytes = line.len() / layout.samples() * self.channels.count();
        let target = &mut self.samples[start..start + bytes];
        convert(line, layout, target, self.channels);
    }

    /// Writes the pixels of `line` to every `step`th column of row `y`, from column `x` on.
    pub(super) fn put_spread(
        &mut self,
        y: usize,
        (x, step): (usize, usize),
        line: &[u8],
        layout: Layout,
    ) {
        let count = self.channels.count();
        let start = y * self.width as usize * count;
        let row = &mut self.samples[start..][..self.width as usize * count];
        let targets = row.chunks_exact_mut(count).skip(x).step_by(step);
        for (target, pixel) in targets.zip(line.chunks_exact(layout.samples())) {
            convert(pixel, layout, target, self.channels);
        }
    }

    /// Makes all pixels of a color transparent if the image has alpha.
    pub(super) fn hide(&mut self, color: [u8; 3]) {
        if self.channels == Channels::Rgba {
            for [r, g, b, alpha] in self.samples.as_chunks_mut().0 {
                if [*r, *g, *b] == color {
                    *alpha = 0;
                }
            }
        }
    }

    pub(super) fn into_pixels(self) -> Option<Pixels> {
        let (width, height) = (self.width, self.height);
        let samples = self.samples;
        match self.channels {
            Channels::Gray => GrayImage::from_raw(width, height, samples).map(Pixels::Gray),
            Channels::Rgb => RgbImage::from_raw(width, height, samples).map(Pixels::Rgb),
            Channels::Rgba => RgbaImage::from_raw(width, height, samples).map(Pixels::Rgba),
        }
    }
}

/// Converts pixels by the rules of Pillow's `convert`.
fn convert(source: &[u8], layout: Layout, target: &mut [u8], channels: Channels) {
    use {Channels as To, Layout as From};
    match (layout, channels) {
        (From::Gray, to) => convert::convert(source, To::Gray, target, to),
        (From::Rgb, to) => convert::convert(source, To::Rgb, target, to),
        (From::Rgba, to) => convert::convert(source, To::Rgba, target, to),
        (From::GrayAlpha, To::Gray) => map(source, target, |[l, _]| [l]),
        (From::GrayAlpha, To::Rgb) => map(source, target, |[l, _]| [l; 3]),
        (From::GrayAlpha, To::Rgba) => map(source, target, |[l, a]| [l, l, l, a]),
        (From::Cmyk, To::Gray) => map(source, target, |cmyk| [luma(cmyk_to_rgb(cmyk))]),
        (From::Cmyk, To::Rgb) => map(source, target, cmyk_to_rgb),
        (From::Cmyk, To::Rgba) => map(source, target, |cmyk| {
            let [r, g, b] = cmyk_to_rgb(cmyk);
            [r, g, b, 255]
        }),
    }
}

/// Converts CMYK to RGB as Pillow's `cmyk2rgb` does. With `white = 255 - black`, a channel is
/// `white - ink * white / 255`, rounded.
fn cmyk_to_rgb([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    let white = u32::from(255 - k);
    [c, m, y].map(|ink| {
        let product = u32::from(ink) * white + 128;
        (white - (((product >> 8) + product) >> 8)) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_images_convert_as_rows_do() {
        let layouts = [
            Layout::Gray,
            Layout::GrayAlpha,
            Layout::Rgb,
            Layout::Rgba,
            Layout::Cmyk,
        ];
        for layout in layouts {
            let samples: Vec<u8> = (0..5 * 3 * layout.samples())
                .map(|i| (i * 37) as u8)
                .collect();
            for channels in [Channels::Gray, Channels::Rgb, Channels::Rgba] {
                let mut rows = Canvas::new(5, 3, channels);
                let mut spread = rows.clone();
                for (y, line) in samples.chunks_exact(5 * layout.samples()).enumerate() {
                    rows.put_row(y, 0, line, layout);
                    spread.put_spread(y, (0, 1), line, layout);
                }
                let whole = Canvas::from_samples((5, 3), samples.clone(), layout, channels);
                let whole = whole.unwrap().into_pixels();
                assert_eq!(whole, rows.into_pixels(), "{layout:?} {channels:?}");
                assert_eq!(whole, spread.into_pixels(), "{layout:?} {channels:?}");
            }
        }
    }
}
