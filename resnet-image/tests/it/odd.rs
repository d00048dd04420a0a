//! Unusual but valid files, and unsupported files.

use std::error::Error;

use resnet_image::{Channels, DecodeError, Decoder, decode, open_as};

use crate::{files, fixtures};

#[test]
fn unusual_files_match_pillow() {
    let mut wrong = Vec::new();
    for path in files(&fixtures("odd").join("images")) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let modes = [
            ("L", Channels::Gray),
            ("RGB", Channels::Rgb),
            ("RGBA", Channels::Rgba),
        ];
        for (mode, channels) in modes {
            let found = match open_as(&path, channels) {
                Ok(found) => found,
                Err(error) => {
                    let source = error.source().map(|source| format!("{source:?}"));
                    wrong.push(format!("{name} to {mode}: {}", source.unwrap_or_default()));
                    continue;
                }
            };
            let expected = fixtures("odd").join(mode).join(format!("{name}.png"));
            let expected = open_as(expected, channels).unwrap();
            assert_eq!(found.dimensions(), expected.dimensions(), "{name}");
            let pairs = found.as_raw().iter().zip(expected.as_raw());
            let sum: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            let mean = sum as f64 / found.as_raw().len() as f64;
            let allowed = if name.starts_with("jpeg_") { 0.8 } else { 0.0 };
            let pairs = found.as_raw().iter().zip(expected.as_raw());
            let most = pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
            if mean > allowed || most > if allowed > 0.0 { 5 } else { 0 } {
                wrong.push(format!(
                    "{name} to {mode}: mean difference {mean}, largest {most}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn errors_name_unsupported_features() {
    let cases = [
        ("bits12.tif", "unsigned samples of 12 bits"),
        ("bits32.tif", "unsigned samples of 32 bits"),
        ("float.tif", "floating-point samples of 32 bits"),
        ("group3.tif", "CCITT Group 3 compression"),
        ("huffman.tif", "CCITT Huffman compression"),
        ("jpeg2000.tif", "JPEG 2000 compression"),
        ("lab.tif", "Lab"),
        ("lzma.tif", "LZMA compression"),
        ("narrow_progressive.jpg", "narrow chroma"),
        ("signed16.tif", "signed samples of 16 bits"),
        ("webp.tif", "WebP compression"),
        ("ycbcr_lzw.tif", "YCbCr that is not 8-bit JPEG"),
        ("zstd.tif", "Zstandard compression"),
    ];
    let folder = fixtures("odd").join("refused");
    assert_eq!(files(&folder).len(), cases.len());
    for (name, text) in cases {
        let error = decode(&std::fs::read(folder.join(name)).unwrap()).unwrap_err();
        assert!(
            matches!(error, DecodeError::Unsupported { .. }),
            "{name}: {error:?}"
        );
        assert!(error.to_string().contains(text), "{name}: {error}");
    }
}

/// Changes random bytes. The result may be an error or any image, but no decoder may panic, even if
/// the panic becomes an error.
#[test]
fn changed_bytes_never_panic() {
    let limit = Decoder {
        max_pixels: 1 << 16,
    };
    let mut state = 7u32;
    let mut next = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    let images = files(&fixtures("odd").join("images"));
    assert!(!images.is_empty());
    for path in &images {
        let original = std::fs::read(path).unwrap();
        for _ in 0..20 {
            let mut bytes = original.clone();
            for _ in 0..=next(3) {
                let at = match next(2) {
                    0 => next(bytes.len()),
                    _ => next(bytes.len().min(400)),
                };
                bytes[at] = next(256) as u8;
            }
            if let Err(error) = limit.decode_as(&bytes, Channels::Rgba) {
                let source = error.source().map(ToString::to_string).unwrap_or_default();
                let name = path.display();
                assert!(!source.contains("the decoder failed"), "{name}: {source}");
            }
        }
    }
}
