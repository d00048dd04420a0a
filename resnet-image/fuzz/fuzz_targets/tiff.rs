//! Decodes TIFFs, whose directories may claim anything.

#![no_main]

use libfuzzer_sys::fuzz_target;
use resnet_image::{Channels, Decoder};

fuzz_target!(|bytes: &[u8]| {
    if !bytes.starts_with(b"II\x2A\0") && !bytes.starts_with(b"MM\0\x2A") {
        return;
    }
    let decoder = Decoder {
        max_pixels: 1 << 18,
    };
    if let Ok(pixels) = decoder.decode_as(bytes, Channels::Rgba) {
        let (width, height) = pixels.dimensions();
        assert_eq!(pixels.as_raw().len(), 4 * width as usize * height as usize);
    }
});
