//! Decodes JPEGs and checks that a decoded image is complete: without its last scan, the file must
//! not decode to another image.

#![no_main]

use libfuzzer_sys::fuzz_target;
use resnet_image::{DecodeError, Decoder};

fuzz_target!(|bytes: &[u8]| {
    if !bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
        return;
    }
    let decoder = Decoder {
        max_pixels: 1 << 18,
    };
    let Ok(image) = decoder.decode(bytes) else {
        return;
    };
    // Removes the last scan and closes the image.
    let scan = bytes.windows(2).rposition(|pair| pair == [0xFF, 0xDA]);
    let end = bytes.windows(2).rposition(|pair| pair == [0xFF, 0xD9]);
    let (Some(scan), Some(end)) = (scan, end) else {
        return;
    };
    let cut = [&bytes[..scan.min(end)], &[0xFF, 0xD9]].concat();
    match decoder.decode(&cut) {
        // The data after the end of the image, such as a second image, does not matter.
        Ok(same) => assert_eq!(same, image),
        Err(DecodeError::Truncated { .. } | DecodeError::Malformed { .. }) => {}
        Err(other) => panic!("{other:?}"),
    }
});
