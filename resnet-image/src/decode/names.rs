//! Image formats by their first bytes and by file extension.

use std::path::Path;

use super::pnm;

/// A supported format.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    Bmp,
    Gif,
    Jpeg,
    Png,
    Pnm,
    Tiff,
    WebP,
}

impl Format {
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        Some(match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Self::Png,
            [0xFF, 0xD8, 0xFF, ..] => Self::Jpeg,
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Self::Gif,
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => Self::WebP,
            [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Self::Tiff,
            [b'B', b'M', ..] => Self::Bmp,
            _ if pnm::is_pnm(bytes) => Self::Pnm,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bmp => "BMP",
            Self::Gif => "GIF",
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Pnm => "PNM",
            Self::Tiff => "TIFF",
            Self::WebP => "WebP",
        }
    }
}

/// The file extensions of supported images, in lower case. A file may have any other name, as the
/// content decides the format.
pub const IMAGE_ENDINGS: [&str; 15] = [
    "jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "jpe", "jfif", "apng", "ppm", "pgm",
    "pbm", "pnm",
];

/// The file extensions of unsupported images, and the names of their formats.
const FOREIGN_ENDINGS: [(&str, &str); 45] = [
    ("avif", "AVIF"),
    ("avifs", "AVIF"),
    ("heic", "HEIC"),
    ("heics", "HEIC"),
    ("heif", "HEIC"),
    ("heifs", "HEIC"),
    ("hif", "HEIC"),
    ("jxl", "JPEG XL"),
    ("jp2", "JPEG 2000"),
    ("j2k", "JPEG 2000"),
    ("j2c", "JPEG 2000"),
    ("jpc", "JPEG 2000"),
    ("jpf", "JPEG 2000"),
    ("jpm", "JPEG 2000"),
    ("jpx", "JPEG 2000"),
    ("jxr", "JPEG XR"),
    ("wdp", "JPEG XR"),
    ("hdp", "JPEG XR"),
    ("btf", "BigTIFF"),
    ("tf8", "BigTIFF"),
    ("pam", "PAM"),
    ("pfm", "PFM"),
    ("tga", "TGA"),
    ("ico", "ICO"),
    ("cur", "CUR"),
    ("icns", "ICNS"),
    ("dds", "DDS"),
    ("qoi", "QOI"),
    ("exr", "OpenEXR"),
    ("hdr", "Radiance HDR"),
    ("psd", "PSD"),
    ("psb", "PSD"),
    ("xcf", "XCF"),
    ("svg", "SVG"),
    ("svgz", "SVG"),
    ("pcx", "PCX"),
    ("dib", "DIB"),
    ("dng", "camera raw"),
    ("cr2", "camera raw"),
    ("cr3", "camera raw"),
    ("nef", "camera raw"),
    ("arw", "camera raw"),
    ("orf", "camera raw"),
    ("rw2", "camera raw"),
    ("raf", "camera raw"),
];

fn ending(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}

/// Returns whether a file has an image file extension. Use it to find the images in a folder with
/// other files.
///
/// ```
/// use resnet_image::has_image_ending;
///
/// assert!(has_image_ending("photos/IMG_0001.JPG") && !has_image_ending("photos/notes.txt"));
/// ```
pub fn has_image_ending(path: impl AsRef<Path>) -> bool {
    ending(path.as_ref()).is_some_and(|ending| IMAGE_ENDINGS.contains(&ending.as_str()))
}

/// Returns the image format of a file extension if the format is not supported.
///
/// ```
/// use resnet_image::foreign_image_ending;
///
/// assert_eq!(foreign_image_ending("photos/IMG_0001.HEIC"), Some("HEIC"));
/// assert_eq!(foreign_image_ending("photos/IMG_0001.jpg"), None);
/// assert_eq!(foreign_image_ending("photos/notes.txt"), None);
/// ```
pub fn foreign_image_ending(path: impl AsRef<Path>) -> Option<&'static str> {
    let ending = ending(path.as_ref())?;
    let mut endings = FOREIGN_ENDINGS.iter();
    endings
        .find(|(known, _)| *known == ending)
        .map(|&(_, format)| format)
}

/// Returns the name of an unsupported image format by the first bytes.
pub(super) fn foreign_format(bytes: &[u8]) -> Option<&'static str> {
    const FORMATS: [(&[u8], &str); 22] = [
        (b"II\x2B\0", "BigTIFF"),
        (b"MM\0\x2B", "BigTIFF"),
        (b"\xFF\x0A", "JPEG XL"),
        (b"\0\0\0\x0CJXL \r\n\x87\n", "JPEG XL"),
        (b"\0\0\0\x0CjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xFF\x4F\xFF\x51", "JPEG 2000"),
        (b"II\xBC\x01", "JPEG XR"),
        (b"P7\n", "PAM"),
        (b"PF\n", "PFM"),
        (b"Pf\n", "PFM"),
        (b"DDS ", "DDS"),
        (b"qoif", "QOI"),
        (b"\x76\x2F\x31\x01", "OpenEXR"),
        (b"#?RADIANCE", "Radiance HDR"),
        (b"#?RGBE", "Radiance HDR"),
        (b"8BPS", "PSD"),
        (b"gimp xcf", "XCF"),
        (b"icns", "ICNS"),
        (b"\0\0\x01\0", "ICO"),
        (b"<svg", "SVG"),
        (b"%PDF", "PDF"),
        (b"%!PS", "PostScript"),
    ];
    if bytes.get(4..8) == Some(b"ftyp") {
        return base_media_format(bytes);
    }
    let mut formats = FORMATS.iter();
    formats
        .find(|(start, _)| bytes.starts_with(start))
        .map(|&(_, format)| format)
}

/// Returns the format of an ISO base media file by its brands: the major brand, then the compatible
/// ones.
fn base_media_format(bytes: &[u8]) -> Option<&'static str> {
    let size = u32::from_be_bytes(*bytes.first_chunk()?) as usize;
    let brands = bytes
        .get(8..size.clamp(12, 256).min(bytes.len()))?
        .as_chunks::<4>()
        .0;
    let format = |brand: &[u8; 4]| match brand {
        b"avif" | b"avis" => Some("AVIF"),
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" => Some("HEIC"),
        b"crx " => Some("camera raw"),
        b"jp2 " | b"jpx " => Some("JPEG 2000"),
        _ => None,
    };
    let is_image = |brand: &[u8; 4]| matches!(brand, b"mif1" | b"msf1" | b"mif2");
    let known = brands.iter().find_map(format);
    known.or_else(|| brands.iter().any(is_image).then_some("HEIC"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_ending_is_both_known_and_foreign() {
        for ending in IMAGE_ENDINGS {
            let name = format!("a.{}", ending.to_uppercase());
            assert!(has_image_ending(&name) && foreign_image_ending(&name).is_none());
        }
        for (ending, format) in FOREIGN_ENDINGS {
            let name = format!("a.b.{ending}");
            assert!(!has_image_ending(&name) && foreign_image_ending(&name) == Some(format));
        }
        assert!(!has_image_ending("jpg") && foreign_image_ending(".heic").is_none());
    }

    #[test]
    fn foreign_content_is_named() {
        let file = |brands: &[u8]| {
            let size = (8 + brands.len()) as u32;
            [&size.to_be_bytes(), b"ftyp", brands, b"rest"].concat()
        };
        assert_eq!(foreign_format(&file(b"avif\0\0\0\0mif1miaf")), Some("AVIF"));
        assert_eq!(foreign_format(&file(b"mif1\0\0\0\0mif1avif")), Some("AVIF"));
        assert_eq!(foreign_format(&file(b"mif1\0\0\0\0heic")), Some("HEIC"));
        assert_eq!(foreign_format(&file(b"mif1\0\0\0\0")), Some("HEIC"));
        assert_eq!(foreign_format(&file(b"isom\0\0\0\0mp42")), None);
        assert_eq!(foreign_format(b"II\x2B\0\x08\0\0\0"), Some("BigTIFF"));
        assert_eq!(foreign_format(b"\xFF\x0A\0"), Some("JPEG XL"));
        assert_eq!(
            foreign_format(b"\0\0\0\x0CjP  \r\n\x87\n"),
            Some("JPEG 2000")
        );
        assert_eq!(foreign_format(b"text"), None);
    }
}
