//! Decodes JPEGs, and checks of those that are decoded that they are whole: less of them is none.

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
    // Cut inside the last scan, before its last byte of data, and closed.
    let scan = bytes.windows(2).rposition(|pair| pair == [0xFF, 0xDA]);
    let end = bytes.windows(2).rposition(|pair| pair == [0xFF, 0xD9]);
    let (Some(scan), Some(end)) = (scan, end) else {
        return;
    };
    let cut = [&bytes[..scan.min(end)], &[0xFF, 0xD9]].concat();
    match decoder.decode(&cut) {
        // What followed the end of the image, such as another one, does not matter.
        Ok(same) => assert_eq!(same, image),
        Err(DecodeError::Truncated { .. } | DecodeError::Malformed { .. }) => {}
        Err(other) => panic!("{other:?}"),
    }
});
