//! Drawings and files of class maps.

use image::RgbImage;
use resnet_image::draw::{LegendEntry, overlay, with_legend};

use super::ImageSegmentation;

impl ImageSegmentation {
    /// Returns the class of each pixel as a PNG of indices with the palette of Pascal VOC. Classes
    /// from 256 on become 255.
    ///
    /// # Errors
    ///
    /// Returns an error if the image is too large for the format.
    pub fn to_palette_png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, side(self.width), side(self.height));
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_palette(voc_palette());
        let indices: Vec<u8> = self
            .pixels
            .iter()
            .map(|class| u8::try_from(*class).unwrap_or(u8::MAX))
            .collect();
        encoder.write_header()?.write_image_data(&indices)?;
        Ok(bytes)
    }

    /// Draws the classes over the image, with a legend below. Class 0, the background, stays clear.
    /// Small images are enlarged.
    ///
    /// # Panics
    ///
    /// Panics if the image has another size.
    pub fn draw(&self, image: &RgbImage) -> RgbImage {
        let drawn = overlay(image, &self.pixels);
        let classes = self.classes.iter().filter(|share| share.class > 0);
        let entries: Vec<LegendEntry> = classes
            .map(|share| LegendEntry {
                color: share.class,
                text: format!("{} {:.1} %", share.label, 100.0 * share.share),
            })
            .collect();
        with_legend(&drawn, &entries)
    }
}

/// Returns the 256 colors of Pascal VOC: the bits of an index, distributed over red, green and blue.
fn voc_palette() -> Vec<u8> {
    let color = |index: usize| {
        let mut color = [0_u8; 3];
        for bit in 0..8 {
            let (channel, value) = (bit % 3, (index >> bit) & 1);
            color[channel] |= (value as u8) << (7 - bit / 3);
        }
        color
    };
    (0..256).flat_map(color).collect()
}
