//! Decodes arbitrary bytes to one, three and four channels, and preprocesses the images.

#![no_main]

use libfuzzer_sys::fuzz_target;
use resnet_image::{Channels, Decoder, Preprocessing};

fuzz_target!(|bytes: &[u8]| {
    let decoder = Decoder {
        max_pixels: 1 << 18,
    };
    for channels in [Channels::Gray, Channels::Rgb, Channels::Rgba] {
        let Ok(pixels) = decoder.decode_as(bytes, channels) else {
            continue;
        };
        let (width, height) = pixels.dimensions();
        let samples = width as usize * height as usize * channels.count();
        assert_eq!(pixels.as_raw().len(), samples);
        assert_eq!(pixels.channels(), channels);
        let preprocessing = Preprocessing {
            resize: Some(16),
            crop: Some(20),
            ..Preprocessing::imagenet()
        };
        let applied = preprocessing.apply_to(pixels).expect("the image has pixels");
        assert_eq!(applied.dimensions(), (20, 20));
    }
});
