//! A view of a TIFF in which the decoder sees one plane of gray samples.
//!
//! The `tiff` decoder (<https://github.com/image-rs/image-tiff>, version 0.11.3) has limits: it
//! ignores palettes and bit order, drops extra samples incorrectly, and panics on planes in tiles.
//! The view puts a new directory before the bytes of the file; it declares all samples as gray.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use super::directory::{self as tags, Directory};
use crate::decode::parts::Parts;

/// The header: byte order, BigTIFF's magic number, the size of an offset, and the position of the
/// directory. 64-bit offsets cannot overflow.
const HEADER: u64 = 16;
const ENTRY: u64 = 20;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const LONG8: u16 = 16;

/// The extra bytes shown to the LZW decoder after the data of a strip or tile. Without input, the
/// decoder reports no progress even when it makes some (weezl 0.1.12).
const MORE: u64 = 8;
const LZW: u64 = 5;

/// One plane of samples. It has all samples if they are stored pixel by pixel.
pub(super) struct Plane {
    /// The number of samples per pixel.
    pub(super) samples: u16,
    /// The offset and size of each strip or tile.
    pub(super) chunks: Vec<(u64, u64)>,
}

/// Writes the directory of a plane.
pub(super) fn directory(file: &[u8], found: &Directory, plane: &Plane) -> Vec<u8> {
    const COPIED: [u16; 6] = [
        tags::WIDTH,
        tags::HEIGHT,
        tags::COMPRESSION,
        tags::ROWS_PER_STRIP,
        tags::TILE_WIDTH,
        tags::TILE_HEIGHT,
    ];
    let mut entries: Vec<(u16, u16, u64)> = Vec::new();
    for tag in COPIED {
        if let Some(value) = found.value(file, tag) {
            // A strip may extend past the image.
            let value = value.min(u32::MAX.into());
            entries.push((tag, LONG, value));
        }
    }
    const BLACK_IS_ZERO: u64 = 1;
    entries.push((tags::BITS, SHORT, found.bits(file)));
    entries.push((tags::PHOTOMETRIC, SHORT, BLACK_IS_ZERO));
    entries.push((tags::SAMPLES, SHORT, plane.samples.into()));
    if let Some(predictor) = found.predictor(file) {
        entries.push((tags::PREDICTOR, SHORT, predictor));
    }
    let (offsets, sizes) = match found.value(file, tags::TILE_WIDTH) {
        Some(_) => (tags::TILE_OFFSETS, tags::TILE_BYTES),
        None => (tags::STRIP_OFFSETS, tags::STRIP_BYTES),
    };
    let count = plane.chunks.len() as u64;
    // The decoder accepts lists of up to 1 MiB, so use short values where they suffice.
    let (kind, size, most) = match file.len() < u32::MAX as usize / 2 {
        true => (LONG, 4, u32::MAX.into()),
        false => (LONG8, 8, u64::MAX),
    };
    let is_inline = count * size <= 8;
    let lists = HEADER + 8 + ENTRY * (entries.len() as u64 + 2) + 8;
    let end = lists + if is_inline { 0 } else { 2 * size * count };
    let mut out = Writer {
        bytes: Vec::with_capacity(end as usize),
        is_little: found.is_little,
    };
    out.bytes
        .extend(if found.is_little { b"II" } else { b"MM" });
    out.number(43, 2);
    out.number(8, 2);
    out.number(0, 2);
    out.number(HEADER, 8);
    out.number(entries.len() as u64 + 2, 8);
    for (tag, kind, value) in entries {
        out.entry(tag, kind, 1);
        let size = if kind == SHORT { 2 } else { 4 };
        out.number(value, size);
        out.bytes.extend(&[0; 8][size..]);
    }
    let more = match found.value(file, tags::COMPRESSION) {
        Some(LZW) => MORE,
        _ => 0,
    };
    let values: [Vec<u64>; 2] = [
        plane
            .chunks
            .iter()
            .map(|(offset, _)| offset.saturating_add(end).min(most))
            .collect(),
        plane
            .chunks
            .iter()
            .map(|(_, size)| size.saturating_add(more).min(most))
            .collect(),
    ];
    for (place, tag) in (0..).zip([offsets, sizes]) {
        out.entry(tag, kind, count);
        if is_inline {
            let values = &values[place as usize];
            values
                .iter()
                .for_each(|&value| out.number(value, size as usize));
            out.bytes.extend(&[0; 8][(count * size) as usize..]);
        } else {
            out.number(lists + size * count * place, 8);
        }
    }
    out.number(0, 8);
    for value in values.into_iter().flatten().filter(|_| !is_inline) {
        out.number(value, size as usize);
    }
    out.bytes
}

struct Writer {
    bytes: Vec<u8>,
    is_little: bool,
}

impl Writer {
    fn number(&mut self, value: u64, size: usize) {
        match self.is_little {
            true => self.bytes.extend(&value.to_le_bytes()[..size]),
            false => self.bytes.extend(&value.to_be_bytes()[8 - size..]),
        }
    }

    fn entry(&mut self, tag: u16, kind: u16, count: u64) {
        self.number(tag.into(), 2);
        self.number(kind.into(), 2);
        self.number(count, 8);
    }
}

/// The directory, the file (with the bits of each byte reversed if needed), and a few bytes that
/// are not LZW codes.
pub(super) struct View<'a> {
    parts: Parts<'a, 3>,
    /// The position of the file.
    start: u64,
    is_reversed: bool,
}

impl<'a> View<'a> {
    pub(super) fn new(directory: &'a [u8], file: &'a [u8], is_reversed: bool) -> Self {
        Self {
            parts: Parts::new([directory, file, &[0xFF; MORE as usize]]),
            start: directory.len() as u64,
            is_reversed,
        }
    }
}

impl Read for View<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let is_file = self.parts.stream_position()? >= self.start;
        let count = self.parts.fill_buf()?.read(buf)?;
        self.parts.consume(count);
        if is_file && self.is_reversed {
            buf[..count]
                .iter_mut()
                .for_each(|byte| *byte = byte.reverse_bits());
        }
        Ok(count)
    }
}

impl Seek for View<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.parts.seek(to)
    }
}
