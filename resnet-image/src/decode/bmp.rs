use image::RgbImage;

/// Brings the 5- and 6-bit channels of a 16-bit BMP to Pillow's 8 bits.
///
/// Pillow truncates `v * 255 / 31`, the decoder rounds it.
pub(super) fn scale_as_pillow(bytes: &[u8], image: &mut RgbImage) {
    const BITFIELDS: u32 = 3;
    let word = |at: usize| {
        bytes
            .get(at..at + 4)
            .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    };
    let (Some(header), Some(planes_bits), Some(compression)) = (word(14), word(26), word(30))
    else {
        return;
    };
    if header < 40 || planes_bits >> 16 != 16 {
        return;
    }
    let masks = [word(54), word(58), word(62)];
    let maxima = match (compression, masks) {
        (BITFIELDS, [Some(0xF800), Some(0x7E0), Some(0x1F)]) => [31, 63, 31],
        (BITFIELDS, [Some(0x7C00), Some(0x3E0), Some(0x1F)]) | (0, _) => [31; 3],
        _ => return,
    };
    for pixel in image.pixels_mut() {
        for (value, max) in pixel.0.iter_mut().zip(maxima) {
            let packed = (u32::from(*value) * max + 127) / 255;
            *value = (packed * 255 / max) as u8;
        }
    }
}
