//! The memory of decoders: close to the size of the pixels, regardless of other data in the file,
//! and limited for all decoders together.
//!
//! A separate test program, because its allocator counts bytes.

#![expect(clippy::print_stdout, reason = "prints the memory in use")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use image::{ColorType, DynamicImage, ImageFormat};
use resnet_image::{
    Channels, DecodeError, Decoder, decode, memory_limit, open, open_as, set_memory_limit,
};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn grow(bytes: usize) {
    let now = NOW.fetch_add(bytes, Ordering::Relaxed) + bytes;
    MOST.fetch_max(now, Ordering::Relaxed);
}

#[expect(unsafe_code, reason = "implementing an allocator requires unsafe code")]
// SAFETY: passes all requests unchanged to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: passes on the arguments of the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: passes on the arguments of the caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: passes on the arguments of the caller.
        unsafe { System.dealloc(pointer, layout) }
    }

    // While data is copied, the old and the new block both count.
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size > layout.size() {
            grow(size);
            NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        } else {
            NOW.fetch_sub(layout.size() - size, Ordering::Relaxed);
        }
        // SAFETY: passes on the arguments of the caller.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Lets one test run at a time, as the counter and the limit are global.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the peak memory of `work` in bytes, beyond the memory in use before.
fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = NOW.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let result = work();
    (result, MOST.load(Ordering::Relaxed) - before)
}

const MEBIBYTE: usize = 1 << 20;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Creates an image of noise with this color type.
fn noisy(width: u32, height: u32, color: ColorType) -> DynamicImage {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as u16
    };
    let image = image::ImageBuffer::from_fn(width, height, |_, _| {
        image::Rgba([next(), next(), next(), next()])
    });
    let image = DynamicImage::ImageRgba16(image);
    match color {
        ColorType::L16 => image.into_luma16().into(),
        ColorType::La16 => image.into_luma_alpha16().into(),
        ColorType::Rgb16 => image.into_rgb16().into(),
        ColorType::Rgb8 => image.into_rgb8().into(),
        ColorType::Rgba8 => image.into_rgba8().into(),
        ColorType::L8 => image.into_luma8().into(),
        _ => image,
    }
}

fn png(image: &DynamicImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    image
        .write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)
        .unwrap();
    bytes
}

fn webp(image: &DynamicImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = image_webp::WebPEncoder::new(&mut bytes);
    let color = match image.color() {
        ColorType::Rgb8 => image_webp::ColorType::Rgb8,
        ColorType::Rgba8 => image_webp::ColorType::Rgba8,
        _ => image_webp::ColorType::L8,
    };
    encoder
        .encode(image.as_bytes(), image.width(), image.height(), color)
        .unwrap();
    bytes
}

fn gif(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    let palette: Vec<u8> = (0..=255).flat_map(|i| [i, 255 - i, i / 2]).collect();
    let mut encoder = gif::Encoder::new(&mut bytes, width, height, &palette).unwrap();
    let image = noisy(width.into(), height.into(), ColorType::L8);
    let mut frame = gif::Frame::from_indexed_pixels(width, height, image.as_bytes(), None);
    frame.palette = None;
    encoder.write_frame(&frame).unwrap();
    drop(encoder);
    bytes
}

#[test]
fn peaks_stay_below_three_times_the_pixels() {
    let _alone = alone();
    let (width, height) = (700, 500);
    let decoded = 3 * width as usize * height as usize;
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for color in [
        ColorType::L16,
        ColorType::La16,
        ColorType::Rgb16,
        ColorType::Rgba16,
    ] {
        files.push((format!("PNG {color:?}"), png(&noisy(width, height, color))));
    }
    for color in [ColorType::L8, ColorType::Rgb8, ColorType::Rgba8] {
        files.push((format!("PNG {color:?}"), png(&noisy(width, height, color))));
        files.push((
            format!("WebP {color:?}"),
            webp(&noisy(width, height, color)),
        ));
    }
    files.push(("GIF".into(), gif(width as u16, height as u16)));
    for (name, bytes) in files {
        for channels in [Channels::Gray, Channels::Rgb, Channels::Rgba] {
            let (image, most) = peak(|| Decoder::default().decode_as(&bytes, channels).unwrap());
            let share = most as f64 / decoded as f64;
            println!("{name:12} to {channels:?}: {share:.2} times");
            assert!(
                share <= 3.0,
                "{name} to {channels:?}: {share:.2} times the pixels"
            );
            assert_eq!(image.dimensions(), (width, height));
        }
    }
}

/// Noise does not compress: the file is as large as its samples, and counts in addition.
#[test]
fn files_count_once_in_addition_to_the_pixels() {
    let _alone = alone();
    let (width, height) = (700, 500);
    let decoded = 3 * width as usize * height as usize;
    let folder = tempfile::tempdir().unwrap();
    let image = |color| noisy(width, height, color);
    let files = [
        ("rgb16.png", png(&image(ColorType::Rgb16))),
        ("rgba16.png", png(&image(ColorType::Rgba16))),
        ("rgb.webp", webp(&image(ColorType::Rgb8))),
        ("rgba.webp", webp(&image(ColorType::Rgba8))),
        ("palette.gif", gif(width as u16, height as u16)),
    ];
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let file = bytes.len();
        drop(bytes);
        for channels in [Channels::Gray, Channels::Rgb, Channels::Rgba] {
            let (_, most) = peak(|| open_as(&path, channels).unwrap());
            let share = |bytes: usize| bytes as f64 / decoded as f64;
            let (most, file) = (share(most), share(file));
            println!("{name:12} to {channels:?}: {most:.2} times, {file:.2} of it the file");
            assert!(
                most <= 3.0 + file,
                "{name} to {channels:?}: {most:.2} times"
            );
        }
    }
}

/// Checks that no decoder takes more than it reserves, as the limit applies to reservations.
#[test]
fn decoders_take_at_most_what_they_reserve() {
    let _alone = alone();
    let all = memory_limit();
    let mut low = Vec::new();
    let folders = [
        "formats/images",
        "preprocess/images",
        "jpeg/scans",
        "odd/images",
    ];
    for folder in folders {
        let entries = fixtures().join(folder).read_dir().unwrap();
        let paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        assert!(!paths.is_empty(), "{folder}");
        for path in paths {
            let bytes = std::fs::read(&path).unwrap();
            for channels in [Channels::Gray, Channels::Rgb, Channels::Rgba] {
                set_memory_limit(0);
                let refused = Decoder::default().decode_as(&bytes, channels).map(drop);
                set_memory_limit(all);
                let (result, most) = peak(|| Decoder::default().decode_as(&bytes, channels));
                match (refused, result) {
                    (Err(DecodeError::Memory { needed, .. }), Ok(_)) if most as u64 <= needed => {}
                    (Err(_), Err(_)) => {}
                    (refused, _) => low.push((path.clone(), channels, most, refused)),
                }
            }
        }
    }
    assert!(low.is_empty(), "{low:#?}");
}

/// Returns the number of bytes that opening a file reserves.
fn needed(path: &Path) -> usize {
    let bytes = std::fs::read(path).unwrap();
    let all = memory_limit();
    set_memory_limit(0);
    let refused = decode(&bytes);
    set_memory_limit(all);
    match refused {
        Err(DecodeError::Memory { needed, .. }) => needed as usize + bytes.len(),
        other => panic!("{}: {other:?}", path.display()),
    }
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut rest = !0u32;
    for &byte in kind.iter().chain(data) {
        rest ^= u32::from(byte);
        for _ in 0..8 {
            rest = if rest & 1 == 1 {
                0xEDB8_8320 ^ rest >> 1
            } else {
                rest >> 1
            };
        }
    }
    let length = (data.len() as u32).to_be_bytes();
    [&length, &kind[..], data, &(!rest).to_be_bytes()].concat()
}

/// Creates a zlib stream of this many zeros with fixed codes, each of which repeats the previous
/// byte 258 times.
fn zeros(count: usize) -> Vec<u8> {
    let mut bytes = vec![0x78, 0x9C];
    let (mut buffer, mut bits) = (0u32, 0);
    let mut put = |value: u32, count: u32| {
        buffer |= value << bits;
        bits += count;
        while bits >= 8 {
            bytes.push(buffer as u8);
            buffer >>= 8;
            bits -= 8;
        }
    };
    put(0b011, 3);
    put(0b0000_1100, 8);
    for _ in 0..count / 258 {
        // Length 258 is code 285, 11000101, and distance 1 is 00000. The first bit of a code comes
        // first.
        put(0b1010_0011, 8);
        put(0, 5);
    }
    put(0, 14);
    bytes.extend([0; 4]);
    bytes
}

#[test]
fn data_outside_the_pixels_takes_no_memory() {
    let _alone = alone();
    let image = noisy(10, 10, ColorType::Rgb8);
    let whole = png(&image);
    let zipped = [&b"x\0\0"[..], &zeros(64 * MEBIBYTE)].concat();
    let raw = vec![b'x'; 8 * MEBIBYTE];
    let pieces: [(&[u8; 4], &[u8]); 5] = [
        (b"iCCP", &zipped),
        (b"zTXt", &zipped),
        (b"eXIf", &raw),
        (b"tEXt", &raw),
        (b"prVt", &raw),
    ];
    let mut files = Vec::new();
    for (kind, data) in pieces {
        let bytes = [&whole[..33], &chunk(kind, data), &whole[33..]].concat();
        files.push((format!("PNG {}", kind.escape_ascii()), bytes));
    }
    let mut jpeg = Vec::new();
    image
        .write_to(&mut Cursor::new(&mut jpeg), ImageFormat::Jpeg)
        .unwrap();
    let mut bytes = jpeg[..2].to_vec();
    for number in 1..=100 {
        bytes.extend(b"\xFF\xE2\xFF\xF0ICC_PROFILE\0");
        bytes.extend([number, 100]);
        bytes.extend(&raw[..0xFFF0 - 16]);
    }
    bytes.extend(&jpeg[2..]);
    files.push(("JPEG APP2".into(), bytes));
    let lossless = webp(&image);
    let mut header = [0x2C, 0, 0, 0, 9, 0, 0, 9, 0, 0].to_vec();
    header.splice(0..0, b"VP8X\x0A\0\0\0".iter().copied());
    let size = (raw.len() as u32).to_le_bytes();
    let part = |kind: &[u8]| [kind, &size, &raw].concat();
    let body = [
        &header[..],
        &part(b"ICCP"),
        &lossless[12..],
        &part(b"EXIF"),
        &part(b"XMP "),
    ];
    let body = body.concat();
    let mut bytes = [b"RIFF", &(body.len() as u32 + 4).to_le_bytes()[..], b"WEBP"].concat();
    bytes.extend(body);
    files.push(("WebP".into(), bytes));
    let still = gif(10, 10);
    let mut note = b"\x21\xFF\x0BXMP DataXMP".to_vec();
    note.extend(
        raw.chunks(255)
            .flat_map(|part| [&[part.len() as u8], part].concat()),
    );
    note.push(0);
    let start = 13 + 768;
    files.push((
        "GIF".into(),
        [&still[..start], &note, &still[start..]].concat(),
    ));
    for (name, bytes) in files {
        let (image, most) =
            peak(|| decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error:?}")));
        assert_eq!(image.dimensions(), (10, 10), "{name}");
        // A JPEG may take a copy of the file, as it is rewritten without metadata.
        let allowed = MEBIBYTE + if name == "JPEG APP2" { bytes.len() } else { 0 };
        assert!(most <= allowed, "{name}: {most} bytes");
    }
}

/// Creates a little-endian TIFF with one directory.
fn tiff(tags: &[(u16, u16, u32, u32)], rest: &[u8]) -> Vec<u8> {
    let mut bytes = b"II\x2A\0\x08\0\0\0".to_vec();
    bytes.extend((tags.len() as u16).to_le_bytes());
    for &(tag, kind, count, value) in tags {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend([0; 4]);
    bytes.extend(rest);
    bytes
}

#[test]
fn tags_with_huge_claims_take_no_memory() {
    let _alone = alone();
    const BASE: [(u16, u16, u32, u32); 9] = [
        (256, 3, 1, 10),
        (257, 3, 1, 10),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 200),
        (277, 3, 1, 1),
        (278, 3, 1, 10),
        (279, 4, 1, 100),
    ];
    let image = tiff(&BASE, &[7; 200]);
    assert_eq!(decode(&image).unwrap().get_pixel(9, 9).0, [7; 3]);
    let claims = [
        (258, 3, 8_000_000, 8),
        (273, 4, 8_000_000, 8),
        (273, 3, u32::MAX, 8),
        (279, 4, 8_000_000, 8),
        (258, 2, 200_000_000, 8),
        (338, 3, 8_000_000, 8),
        (339, 3, 8_000_000, 8),
        (320, 3, 8_000_000, 8),
        (347, 7, 200_000_000, 8),
        (277, 3, 1, 65_535),
        (322, 4, 1, 1 << 31),
        (323, 4, 1, 1 << 31),
        (256, 4, 1, u32::MAX),
        (257, 4, 1, 100_000_000),
    ];
    for claim in claims {
        let mut tags = BASE.to_vec();
        tags.retain(|tag| tag.0 != claim.0);
        if matches!(claim.0, 322 | 323) {
            tags.retain(|tag| !matches!(tag.0, 273 | 278 | 279));
            tags.extend([
                (322, 4, 1, 16),
                (323, 4, 1, 16),
                (324, 4, 1, 200),
                (325, 4, 1, 256),
            ]);
            tags.retain(|tag| tag.0 != claim.0);
        }
        if claim.0 == 347 {
            tags.retain(|tag| tag.0 != 259);
            tags.push((259, 3, 1, 7));
        }
        tags.push(claim);
        tags.sort_unstable();
        let bytes = tiff(&tags, &[7; 400]);
        let (_, most) = peak(|| decode(&bytes).map(drop));
        assert!(most < 2 * MEBIBYTE, "{claim:?}: {most} bytes");
    }
    // A strip of 10x10 pixels with a JPEG of 16000x16000 pixels.
    let jpeg =
        b"\xFF\xD8\xFF\xC0\0\x11\x08\x3E\x80\x3E\x80\x03\x01\x11\0\x02\x11\0\x03\x11\0\xFF\xDA\0\0";
    let mut tags = BASE;
    tags[3].3 = 7;
    tags[5].3 = 8 + 2 + 12 * 9 + 4;
    let (result, most) = peak(|| decode(&tiff(&tags, jpeg)).map(drop));
    assert!(most < MEBIBYTE, "{most}");
    let error = std::error::Error::source(&result.unwrap_err())
        .unwrap()
        .to_string();
    assert!(error.contains("holds a JPEG of 16000x16000"), "{error}");
}

#[test]
fn an_image_beyond_the_limit_is_an_error_that_names_the_file() {
    let _alone = alone();
    let path = fixtures().join("preprocess/images/rocket_640x427.jpg");
    let all = memory_limit();
    set_memory_limit(1_500_000);
    let error = open(&path).unwrap_err();
    set_memory_limit(all);
    assert!(error.to_string().contains("rocket_640x427.jpg"), "{error}");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        source.contains("expected at most 1500000 bytes, found "),
        "{source}"
    );
    open(&path).unwrap();
}

/// Starts many decoders at once with too low a limit: they wait, and every decoder gets its turn.
#[test]
fn concurrent_decoders_stay_within_the_limit() {
    let _alone = alone();
    let folder = fixtures().join("preprocess/images");
    let mut paths: Vec<PathBuf> = folder
        .read_dir()
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    paths.sort();
    let all = memory_limit();
    // Enough for the largest image alone, plus half of that for others.
    let limit = paths.iter().map(|path| needed(path)).max().unwrap();
    let limit = limit + limit / 2;
    set_memory_limit(limit as u64);
    let (done, receiver) = std::sync::mpsc::channel();
    let work = {
        let paths = paths.clone();
        move || {
            std::thread::scope(|scope| {
                for thread in 0..8 {
                    let paths = &paths;
                    scope.spawn(move || {
                        for round in 0..20 {
                            let path = &paths[(thread * 5 + round) % paths.len()];
                            match round % 3 {
                                0 => drop(decode(&std::fs::read(path).unwrap()).unwrap()),
                                1 => drop(open("no/such/file.png").unwrap_err()),
                                _ => drop(open(path).unwrap()),
                            }
                        }
                    });
                }
            });
            done.send(()).unwrap();
        }
    };
    let before = NOW.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let worker = std::thread::spawn(work);
    let finished = receiver.recv_timeout(Duration::from_secs(120));
    let most = MOST.load(Ordering::Relaxed) - before;
    set_memory_limit(all);
    finished.expect("the decoders wait for each other");
    worker.join().unwrap();
    // Files read for `decode`, images dropped after their decoder, and threads.
    let besides = 8 * (400_000 + 1_000_000);
    assert!(most <= limit + besides, "{most} of {limit}");
}

#[test]
fn a_new_limit_applies_immediately() {
    let _alone = alone();
    let all = memory_limit();
    let bytes = png(&noisy(300, 200, ColorType::Rgb8));
    set_memory_limit(1000);
    assert!(matches!(
        decode(&bytes),
        Err(DecodeError::Memory { limit: 1000, .. })
    ));
    set_memory_limit(all);
    decode(&bytes).unwrap();
}
