//! Errors of unreadable and unsupported images.

use std::error::Error;

use resnet_image::{DecodeError, Decoder, OpenError, decode, open};

use crate::{files, fixtures};

fn image(name: &str) -> Vec<u8> {
    std::fs::read(fixtures("formats").join("images").join(name)).unwrap()
}

#[test]
fn empty_and_text_files_are_not_images() {
    assert!(matches!(decode(b""), Err(DecodeError::Empty)));
    let error = decode(b"label,path\n").unwrap_err();
    assert!(matches!(error, DecodeError::UnknownFormat { .. }));
    assert!(
        error.to_string().ends_with(r"found bytes `label,path\n`"),
        "{error}"
    );
}

#[test]
fn errors_name_folders_and_missing_files() {
    for path in [fixtures("formats"), fixtures("missing.png")] {
        let error = open(&path).unwrap_err();
        assert!(matches!(error, OpenError::Read { .. }));
        assert!(
            error.to_string().contains(&path.display().to_string()),
            "{error}"
        );
        assert!(error.source().is_some());
    }
    let path = fixtures("formats").join("make.py");
    let error = open(&path).unwrap_err();
    assert!(matches!(error, OpenError::Decode { .. }));
    assert!(error.to_string().contains("make.py"), "{error}");
}

#[test]
fn half_a_file_is_an_error_in_every_format() {
    for path in files(&fixtures("formats").join("images")) {
        let bytes = std::fs::read(&path).unwrap();
        let result = decode(&bytes[..bytes.len() / 2]);
        assert!(result.is_err(), "{}: half of it decoded", path.display());
    }
    let jpeg = image("baseline.jpg");
    let error = decode(&jpeg[..jpeg.len() - 2]).unwrap_err();
    assert!(
        matches!(error, DecodeError::Truncated { format: "JPEG" }),
        "{error}"
    );
}

#[test]
fn errors_name_unsupported_formats() {
    let contents: [(&[u8], &str); 6] = [
        (b"\0\0\0\x1Cftypavif\0\0\0\0mif1miafrest", "AVIF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heicrest", "HEIC"),
        (b"\xFF\x0A\xFA\x1F", "JPEG XL"),
        (b"\0\0\0\x0CJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x0CjP  \r\n\x87\n", "JPEG 2000"),
        (b"MM\0\x2B\0\x08\0\0", "BigTIFF"),
    ];
    for (bytes, format) in contents {
        let error = decode(bytes).unwrap_err();
        assert!(matches!(error, DecodeError::ForeignFormat { format: found } if found == format));
        let text = format!("found {format}; convert it to PNG first");
        assert!(error.to_string().contains(&text), "{error}");
    }
    // The file name identifies the format of a failed download.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("IMG_0001.HEIC");
    std::fs::write(&path, b"").unwrap();
    let error = open(&path).unwrap_err();
    let source = error.source().unwrap().to_string();
    assert!(source.contains("found HEIC; convert it to PNG"), "{source}");
    std::fs::rename(&path, folder.path().join("empty.png")).unwrap();
    let error = open(folder.path().join("empty.png")).unwrap_err();
    assert!(matches!(
        error,
        OpenError::Decode {
            source: DecodeError::Empty,
            ..
        }
    ));
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_not_images() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.png");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let socket = folder.path().join("socket.png");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let link = folder.path().join("link.png");
    std::os::unix::fs::symlink(folder.path().join("nothing"), &link).unwrap();
    let cases = [
        (pipe, "expected a file, found a named pipe"),
        (socket, "expected a file, found a socket"),
        ("/dev/zero".into(), "expected a file, found a device"),
        (folder.path().to_owned(), "expected a file, found a folder"),
        (link, "No such file or directory"),
    ];
    for (path, text) in cases {
        let error = open(&path).unwrap_err();
        assert!(matches!(error, OpenError::Read { .. }), "{error:?}");
        let source = error.source().unwrap().to_string();
        assert!(source.contains(text), "{}: {source}", path.display());
    }
}

/// Flips every byte in turn. A wrong image or an error is acceptable, a panic is not.
#[test]
fn flipped_bytes_never_panic() {
    let limit = Decoder {
        max_pixels: 1 << 20,
    };
    for path in files(&fixtures("formats").join("images")) {
        let mut bytes = std::fs::read(&path).unwrap();
        for at in 0..bytes.len().min(600) {
            for flip in [0xFF, 0x01] {
                bytes[at] ^= flip;
                drop(limit.decode(&bytes));
                bytes[at] ^= flip;
            }
        }
    }
}

#[test]
fn pixels_are_limited_in_every_format() {
    let limit = Decoder { max_pixels: 100 };
    for path in files(&fixtures("formats").join("images")) {
        let result = limit.decode(&std::fs::read(&path).unwrap());
        assert!(
            matches!(
                result,
                Err(DecodeError::TooManyPixels {
                    max_pixels: 100,
                    ..
                })
            ),
            "{}: {result:?}",
            path.display()
        );
    }
}

#[test]
fn a_decompression_bomb_is_rejected_by_its_header() {
    // 30000 x 30000 pixels in the header of a file of a few hundred bytes.
    let mut bmp = image("rgb.bmp");
    bmp[18..22].copy_from_slice(&30_000u32.to_le_bytes());
    bmp[22..26].copy_from_slice(&30_000u32.to_le_bytes());
    let error = decode(&bmp).unwrap_err();
    assert!(error.to_string().contains("found 30000x30000"), "{error}");
}
