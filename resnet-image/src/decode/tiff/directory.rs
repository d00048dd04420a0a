//! What a TIFF claims about its first image, checked before anything is allocated for it.

use super::{DecodeError, FORMAT, TRUNCATED};
use crate::decode::jpeg;

const WIDTH: u16 = 256;
const HEIGHT: u16 = 257;
const BITS: u16 = 258;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const STRIP_OFFSETS: u16 = 273;
const SAMPLES: u16 = 277;
const ROWS_PER_STRIP: u16 = 278;
const STRIP_BYTES: u16 = 279;
const TILE_WIDTH: u16 = 322;
const TILE_HEIGHT: u16 = 323;
const TILE_OFFSETS: u16 = 324;
const TILE_BYTES: u16 = 325;

/// The tags with a value for each strip or tile.
const LISTS: [u16; 4] = [STRIP_OFFSETS, STRIP_BYTES, TILE_OFFSETS, TILE_BYTES];

/// The other tags whose values the decoder reads.
const READ: [u16; 16] = [
    WIDTH,
    HEIGHT,
    BITS,
    COMPRESSION,
    PHOTOMETRIC,
    274, // Orientation
    SAMPLES,
    ROWS_PER_STRIP,
    284, // PlanarConfiguration
    317, // Predictor
    320, // ColorMap
    TILE_WIDTH,
    TILE_HEIGHT,
    338, // ExtraSamples
    339, // SampleFormat
    347, // JPEGTables
];

/// The first directory.
pub(super) struct Directory {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Where the photometric interpretation is, and what.
    pub(super) photometric: Option<(usize, u16)>,
    pub(super) is_little: bool,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    tag: u16,
    /// Bytes of one value.
    size: u64,
    count: u64,
    /// Where the values are.
    at: u64,
}

impl Directory {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut directory = Self {
            width: 0,
            height: 0,
            photometric: None,
            is_little: bytes.first() == Some(&b'I'),
            entries: Vec::new(),
        };
        let start = directory.number(bytes, 4, 4).ok_or(TRUNCATED)?;
        let count = directory.number(bytes, start, 2).ok_or(TRUNCATED)?;
        for i in 0..count {
            let at = start + 2 + 12 * i;
            let field = |offset, size| directory.number(bytes, at + offset, size).ok_or(TRUNCATED);
            let size = match field(2, 2)? {
                1 | 2 | 6 | 7 => 1,
                3 | 8 => 2,
                4 | 9 | 11 | 13 => 4,
                5 | 10 | 12 | 16..=18 => 8,
                // The decoder passes over these, too.
                _ => continue,
            };
            let (tag, count) = (field(0, 2)? as u16, field(4, 4)?);
            let at = if size * count <= 4 {
                at + 8
            } else {
                field(8, 4)?
            };
            directory.entries.push(Entry {
                tag,
                size,
                count,
                at,
            });
        }
        let side = |tag| {
            directory
                .value(bytes, tag)
                .and_then(|side| u32::try_from(side).ok())
        };
        let (width, height) = (side(WIDTH), side(HEIGHT));
        let (Some(width @ 1..), Some(height @ 1..)) = (width, height) else {
            return Err(DecodeError::broken(FORMAT, "the image has no size"));
        };
        directory.width = width;
        directory.height = height;
        let photometric = directory.entry(PHOTOMETRIC).map(|entry| entry.at as usize);
        directory.photometric =
            photometric.and_then(|at| Some((at, directory.number(bytes, at as u64, 2)? as u16)));
        Ok(directory)
    }

    /// As the decoder has it, the last entry of a tag counts.
    fn entry(&self, tag: u16) -> Option<Entry> {
        self.entries.iter().rfind(|entry| entry.tag == tag).copied()
    }

    fn number(&self, bytes: &[u8], at: u64, size: u64) -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let raw = bytes.get(at..)?.get(..size as usize)?;
        let join = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
        Some(match self.is_little {
            true => raw.iter().rev().fold(0, join),
            false => raw.iter().fold(0, join),
        })
    }

    /// The first value of a tag.
    fn value(&self, bytes: &[u8], tag: u16) -> Option<u64> {
        let entry = self.entry(tag)?;
        self.number(bytes, entry.at, entry.size)
    }

    /// The bytes of a pixel as it is stored, at least one.
    pub(super) fn bytes_per_pixel(&self, bytes: &[u8]) -> u64 {
        let value = |tag| self.value(bytes, tag).unwrap_or(1);
        let bits = value(BITS).saturating_mul(value(SAMPLES));
        bits.div_ceil(8).max(1)
    }

    /// Refuses values that are not in the file or far more than the image needs.
    ///
    /// # Errors
    /// [`DecodeError`], which names the tag.
    pub(super) fn check(&self, bytes: &[u8]) -> Result<(), DecodeError> {
        const LARGEST: u64 = 1 << 20;
        for entry in &self.entries {
            let is_list = LISTS.contains(&entry.tag);
            if !is_list && !READ.contains(&entry.tag) {
                continue;
            }
            let size = entry.size.saturating_mul(entry.count);
            let end = entry.at.saturating_add(size);
            if end > bytes.len() as u64 {
                return Err(TRUNCATED);
            }
            if !is_list && size > LARGEST {
                let what = format!("tag {} has {size} bytes, more than {LARGEST}", entry.tag);
                return Err(DecodeError::broken(FORMAT, what));
            }
        }
        let (width, height) = self.chunk(bytes);
        let is_large =
            |chunk: u64, image: u32| chunk > u64::from(image).next_multiple_of(16).max(4096);
        if self.entry(TILE_WIDTH).is_some()
            && (is_large(width, self.width) || is_large(height, self.height))
        {
            let what = format!("tiles of {width}x{height} pixels are larger than the image");
            return Err(DecodeError::broken(FORMAT, what));
        }
        Ok(())
    }

    /// The values in the lists of strips and tiles.
    pub(super) fn listed(&self) -> u64 {
        let lists = self
            .entries
            .iter()
            .filter(|entry| LISTS.contains(&entry.tag));
        lists.map(|entry| entry.count).sum()
    }

    /// Width and height of a tile or of all strips but the last.
    fn chunk(&self, bytes: &[u8]) -> (u64, u64) {
        let value = |tag| self.value(bytes, tag);
        let strip = || {
            value(ROWS_PER_STRIP)
                .unwrap_or(u64::MAX)
                .min(self.height.into())
        };
        (
            value(TILE_WIDTH).unwrap_or(self.width.into()),
            value(TILE_HEIGHT).unwrap_or_else(strip),
        )
    }

    /// Refuses compressed strips and tiles that announce more pixels than they have a place for.
    pub(super) fn check_jpegs(&self, bytes: &[u8]) -> Result<bool, DecodeError> {
        const JPEG: u64 = 7;
        if self.value(bytes, COMPRESSION) != Some(JPEG) {
            return Ok(false);
        }
        let (width, height) = self.chunk(bytes);
        let offsets = [STRIP_OFFSETS, TILE_OFFSETS].map(|tag| self.entry(tag));
        for entry in offsets.into_iter().flatten() {
            for i in 0..entry.count {
                let start = self.number(bytes, entry.at + i * entry.size, entry.size);
                let start = usize::try_from(start.ok_or(TRUNCATED)?).ok();
                let chunk = start
                    .and_then(|start| bytes.get(start..))
                    .ok_or(TRUNCATED)?;
                let Some(found) = jpeg::size(chunk) else {
                    return Err(DecodeError::broken(
                        FORMAT,
                        "a strip or a tile holds no JPEG",
                    ));
                };
                if u64::from(found.0) > width || u64::from(found.1) > height {
                    let what = format!(
                        "a strip or a tile of {width}x{height} pixels holds a JPEG of {}x{}",
                        found.0, found.1
                    );
                    return Err(DecodeError::broken(FORMAT, what));
                }
            }
        }
        Ok(true)
    }
}
