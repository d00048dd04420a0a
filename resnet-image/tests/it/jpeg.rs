//! Comparison of JPEG files with Pillow's pixels.

use resnet_image::{DecodeError, RgbImage, decode};
use serde::Deserialize;

use crate::{assert_same, difference, files, fixtures};

const EXPECTED: &str = "a sound file";

/// Returns the segments up to and including the first scan header: marker, start, end.
fn segments(bytes: &[u8]) -> Vec<(u8, usize, usize)> {
    let mut at = 2;
    let mut found = Vec::new();
    loop {
        let length = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        let end = at + 2 + length;
        found.push((bytes[at + 1], at, end));
        if bytes[at + 1] == 0xDA {
            return found;
        }
        at = end;
    }
}

fn scan_headers(bytes: &[u8]) -> Vec<usize> {
    let pairs = bytes.windows(2).enumerate();
    pairs
        .filter(|(_, pair)| pair == &[0xFF, 0xDA])
        .map(|(at, _)| at)
        .collect()
}

fn read(folder: &str, name: &str) -> Vec<u8> {
    std::fs::read(fixtures("jpeg").join(folder).join(name)).unwrap()
}

fn close(label: &str, found: &RgbImage, expected: &RgbImage, largest: u8) {
    let (mean, max) = difference(found, expected);
    assert!(
        mean <= 0.8 && max <= largest,
        "{label}: mean {mean} max {max}"
    );
}

#[derive(Deserialize)]
struct Variant {
    base: String,
    label: String,
    markers: String,
    ids: Vec<u8>,
    seen: String,
}

impl Variant {
    /// Inserts the markers after the first two bytes of the base file, and replaces the component
    /// ids.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = read("color", &self.base);
        let frame = segments(&bytes);
        let &(_, at, _) = frame
            .iter()
            .find(|(marker, ..)| matches!(marker, 0xC0..=0xC2))
            .unwrap();
        let places: Vec<usize> = (0..self.ids.len()).map(|i| at + 10 + 3 * i).collect();
        let old: Vec<u8> = places.iter().map(|&place| bytes[place]).collect();
        let new = |id: u8| self.ids[old.iter().position(|&other| other == id).unwrap()];
        let mut named = places;
        for at in scan_headers(&bytes) {
            named.extend((0..usize::from(bytes[at + 4])).map(|i| at + 5 + 2 * i));
        }
        for place in named {
            bytes[place] = new(bytes[place]);
        }
        let markers = self.markers.as_bytes().chunks(2);
        let markers =
            markers.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap());
        bytes.splice(2..2, markers);
        bytes
    }
}

/// JFIF and Adobe markers in all combinations: libjpeg's rules determine the colors.
#[test]
fn colors_follow_libjpeg() {
    let json = std::fs::read_to_string(fixtures("jpeg").join("color.json")).unwrap();
    let variants: Vec<Variant> = serde_json::from_str(&json).unwrap();
    assert_eq!(variants.len(), 492);
    for variant in variants {
        let label = format!("{} {} {:?}", variant.base, variant.label, variant.ids);
        let found = decode(&variant.bytes()).unwrap_or_else(|error| panic!("{label}: {error:?}"));
        let expected = decode(&read("color", &variant.seen)).unwrap();
        close(&label, &found, &expected, 4);
    }
}

#[test]
fn components_in_several_scans_and_other_valid_forms_match_pillow() {
    let mut compared = 0;
    for path in files(&fixtures("jpeg").join("scans")) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.ends_with(".jpg") || name == "factors_of_chroma_progressive.jpg" {
            continue;
        }
        let found =
            decode(&read("scans", &name)).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let expected = decode(&read("scans", &format!("{name}.png"))).unwrap();
        let (mean, max) = difference(&found, &expected);
        println!("{name:40} mean {mean:.4} max {max}");
        let own = ["each", "first", "3x1", "1x1_2x2_2x2", "1x2_2x1_1x1"];
        let own = own.iter().any(|part| name.contains(part));
        if own {
            assert_same(&name, &found, &expected);
        } else {
            close(&name, &found, &expected, 6);
        }
        compared += 1;
    }
    assert_eq!(compared, 54);
}

/// Inserts bytes that must not affect the pixels.
#[test]
fn data_outside_the_pixels_does_not_matter() {
    for (folder, name) in sound() {
        let whole = read(folder, name);
        let expected = decode(&whole).expect(EXPECTED);
        let check = |what: &str, bytes: &[u8]| {
            let found = decode(bytes).unwrap_or_else(|error| panic!("{name}, {what}: {error:?}"));
            assert_same(&format!("{name}, {what}"), &found, &expected);
        };
        check(
            "more after the end",
            &[&whole[..], b"\0\0more\xFF\xD8\xFF\xD9"].concat(),
        );
        let first = &whole[..2];
        let comment = b"\xFF\xFE\0\x07hello";
        let odd: [&[u8]; 7] = [
            comment,
            b"\xFF\xEE\0\x02",
            b"\xFF\xEE\0\x08Adobe\0",
            b"\xFF\xE0\0\x02",
            b"\xFF\xE1\0\x08Exif\0\0",
            b"\xFF\xE2\0\x10ICC_PROFILE\0\x01\x01",
            b"\xFF\xED\0\x10Photoshop 3.0\0",
        ];
        for segment in odd {
            let bytes = [first, segment, &whole[2..]].concat();
            check(&segment.escape_ascii().to_string(), &bytes);
        }
        let mut filled = first.to_vec();
        for (_, start, end) in segments(&whole) {
            filled.extend([0xFF; 3]);
            filled.extend(&whole[start..end]);
        }
        let (_, _, data) = *segments(&whole).last().unwrap();
        for pair in whole[data..].windows(2) {
            if pair[0] == 0xFF && pair[1] > 0 {
                filled.extend([0xFF; 2]);
            }
            filled.push(pair[0]);
        }
        filled.push(0xD9);
        check("filling before markers", &filled);
        for at in scan_headers(&whole).into_iter().rev() {
            filled = whole.clone();
            filled.splice(at..at, comment.iter().copied());
            check("a comment before a scan", &filled);
        }
        let end = whole.len() - 2;
        check(
            "a comment after the data",
            &[&whole[..end], comment, &whole[end..]].concat(),
        );
        check(
            "zeros after the data",
            &[&whole[..end], &[0; 9], &whole[end..]].concat(),
        );
    }
}

fn sound() -> [(&'static str, &'static str); 12] {
    [
        ("color", "444.jpg"),
        ("color", "420.jpg"),
        ("color", "progressive.jpg"),
        ("color", "grey.jpg"),
        ("color", "four.jpg"),
        ("scans", "420_restarts.jpg"),
        ("scans", "420_bits.jpg"),
        ("scans", "422_progressive_restarts.jpg"),
        ("scans", "420_luma_first.jpg"),
        ("scans", "440_each_restarts.jpg"),
        ("scans", "four_alone.jpg"),
        ("scans", "grey_progressive.jpg"),
    ]
}

/// Cuts files at every byte: a truncated image is always an error.
#[test]
fn truncated_files_are_errors() {
    for (folder, name) in sound() {
        let whole = read(folder, name);
        decode(&whole).expect(EXPECTED);
        for end in 2..whole.len() - 2 {
            for tail in [&b""[..], b"\xFF\xD9", b"\xFF\xFF\xD9", b"\xFF\xD9trailing"] {
                let cut = [&whole[..end], tail].concat();
                let result = decode(&cut).map(|image| image.dimensions());
                assert!(
                    result.is_err(),
                    "{name} cut at {end} before {tail:?}: {result:?}"
                );
            }
        }
    }
}

/// After a gap, a decoder could resume at a restart marker, but the missing pixels would be made
/// up.
#[test]
fn gaps_between_restarts_are_errors() {
    for name in [
        "420_restarts.jpg",
        "422_progressive_restarts.jpg",
        "440_each_restarts.jpg",
    ] {
        let whole = read("scans", name);
        let data = segments(&whole).last().unwrap().2;
        let pairs = whole.windows(2).enumerate().skip(data);
        let restarts = pairs.filter(|(_, pair)| pair[0] == 0xFF && matches!(pair[1], 0xD0..=0xD7));
        let restarts: Vec<usize> = restarts.map(|(at, _)| at).collect();
        assert!(restarts.len() > 3, "{name}");
        for pair in restarts.windows(2) {
            let without = [&whole[..pair[0]], &whole[pair[1]..]].concat();
            assert!(
                decode(&without).is_err(),
                "{name}: no interval at {}",
                pair[0]
            );
            let middle = (pair[0] + pair[1]) / 2;
            let half = [&whole[..middle], &whole[pair[1]..]].concat();
            assert!(
                decode(&half).is_err(),
                "{name}: half an interval at {}",
                pair[0]
            );
        }
    }
}

#[test]
fn missing_scans_are_errors() {
    for name in [
        "420_bits.jpg",
        "444_alone.jpg",
        "420_each.jpg",
        "four_alone.jpg",
    ] {
        let whole = read("scans", name);
        let headers = scan_headers(&whole);
        assert!(headers.len() > 2, "{name}");
        for &at in &headers {
            let cut = [&whole[..at], &b"\xFF\xD9"[..]].concat();
            let error = decode(&cut).unwrap_err();
            let is_cut = matches!(error, DecodeError::Truncated { format: "JPEG" });
            assert!(is_cut, "{name} before the scan at {at}: {error:?}");
        }
    }
}

#[test]
fn errors_name_unsupported_features() {
    let whole = read("color", "444.jpg");
    let (_, at, _) = *segments(&whole)
        .iter()
        .find(|(marker, ..)| matches!(marker, 0xC0 | 0xC1))
        .unwrap();
    let changed = |place: usize, value: u8| {
        let mut bytes = whole.clone();
        bytes[place] = value;
        decode(&bytes).unwrap_err().to_string()
    };
    assert!(
        changed(at + 1, 0xC9).contains("found arithmetic coding"),
        "SOF9"
    );
    assert!(changed(at + 1, 0xC3).contains("found lossless"), "SOF3");
    assert!(
        changed(at + 4, 12).contains("found 12 bits per sample"),
        "12 bits"
    );
    assert!(
        changed(at + 9, 2).contains("found 2 components"),
        "two components"
    );
}
