//! The directory of the first image of a TIFF, checked before any allocation for the image.

use super::{DecodeError, FORMAT, TRUNCATED};
use crate::decode::jpeg;

pub(super) const WIDTH: u16 = 256;
pub(super) const HEIGHT: u16 = 257;
pub(super) const BITS: u16 = 258;
pub(super) const COMPRESSION: u16 = 259;
pub(super) const PHOTOMETRIC: u16 = 262;
pub(super) const FILL_ORDER: u16 = 266;
pub(super) const STRIP_OFFSETS: u16 = 273;
pub(super) const ORIENTATION: u16 = 274;
pub(super) const SAMPLES: u16 = 277;
pub(super) const ROWS_PER_STRIP: u16 = 278;
pub(super) const STRIP_BYTES: u16 = 279;
pub(super) const PLANAR: u16 = 284;
pub(super) const PREDICTOR: u16 = 317;
pub(super) const COLOR_MAP: u16 = 320;
pub(super) const TILE_WIDTH: u16 = 322;
pub(super) const TILE_HEIGHT: u16 = 323;
pub(super) const TILE_OFFSETS: u16 = 324;
pub(super) const TILE_BYTES: u16 = 325;
pub(super) const EXTRA_SAMPLES: u16 = 338;
pub(super) const SAMPLE_FORMAT: u16 = 339;
pub(super) const JPEG_TABLES: u16 = 347;

/// The tags with one value per strip or tile.
const LISTS: [u16; 4] = [STRIP_OFFSETS, STRIP_BYTES, TILE_OFFSETS, TILE_BYTES];

/// The other tags whose values matter.
const READ: [u16; 17] = [
    WIDTH,
    HEIGHT,
    BITS,
    COMPRESSION,
    PHOTOMETRIC,
    FILL_ORDER,
    ORIENTATION,
    SAMPLES,
    ROWS_PER_STRIP,
    PLANAR,
    PREDICTOR,
    COLOR_MAP,
    TILE_WIDTH,
    TILE_HEIGHT,
    EXTRA_SAMPLES,
    SAMPLE_FORMAT,
    JPEG_TABLES,
];

/// The first directory.
pub(super) struct Directory {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) is_little: bool,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    tag: u16,
    /// The size of one value in bytes.
    size: u64,
    count: u64,
    /// The position of the values.
    at: u64,
}

impl Directory {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut directory = Self {
            width: 0,
            height: 0,
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
                // The decoder skips these as well.
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
        Ok(directory)
    }

    /// Returns the last entry of a tag, which is the one that the decoder uses.
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

    /// Returns the first value of a tag.
    pub(super) fn value(&self, bytes: &[u8], tag: u16) -> Option<u64> {
        let entry = self.entry(tag).filter(|entry| entry.count > 0)?;
        self.number(bytes, entry.at, entry.size)
    }

    /// Returns all values of a tag that lie within the file.
    pub(super) fn values(&self, bytes: &[u8], tag: u16) -> Vec<u64> {
        let Some(entry) = self.entry(tag) else {
            return Vec::new();
        };
        (0..entry.count)
            .map_while(|i| self.number(bytes, entry.at + i * entry.size, entry.size))
            .collect()
    }

    /// Returns the stored bytes of a tag's values.
    pub(super) fn bytes<'a>(&self, bytes: &'a [u8], tag: u16) -> Option<&'a [u8]> {
        let entry = self.entry(tag)?;
        let start = usize::try_from(entry.at).ok()?;
        bytes
            .get(start..)?
            .get(..(entry.size * entry.count) as usize)
    }

    /// Returns the number of bits per sample.
    pub(super) fn bits(&self, bytes: &[u8]) -> u64 {
        self.value(bytes, BITS).unwrap_or(1)
    }

    /// Returns the number of planes that store the samples of a pixel.
    pub(super) fn planes(&self, bytes: &[u8]) -> u64 {
        const SEPARATE: u64 = 2;
        match self.value(bytes, PLANAR) {
            Some(SEPARATE) => self.value(bytes, SAMPLES).unwrap_or(1),
            _ => 1,
        }
    }

    /// Returns the predictor, which only LZW and deflate have.
    pub(super) fn predictor(&self, bytes: &[u8]) -> Option<u64> {
        let compression = self.value(bytes, COMPRESSION);
        let predictor = self.value(bytes, PREDICTOR);
        predictor.filter(|_| matches!(compression, Some(5 | 8 | 32_946)))
    }

    /// Returns the offset and size of all strips or tiles.
    pub(super) fn chunks(&self, bytes: &[u8]) -> Vec<(u64, u64)> {
        let [offsets, sizes] = match self.entry(TILE_WIDTH) {
            Some(_) => [TILE_OFFSETS, TILE_BYTES],
            None => [STRIP_OFFSETS, STRIP_BYTES],
        };
        let sizes = self.values(bytes, sizes);
        self.values(bytes, offsets).into_iter().zip(sizes).collect()
    }

    /// Returns the number of strips or tiles per plane.
    pub(super) fn chunks_in_plane(&self, bytes: &[u8]) -> usize {
        let [width, height] = self.chunk(bytes);
        let across = u64::from(self.width).div_ceil(width);
        across.saturating_mul(u64::from(self.height).div_ceil(height)) as usize
    }

    /// Checks that values lie within the file and are not far larger than the image needs.
    ///
    /// # Errors
    /// Returns a [`DecodeError`] that names the tag.
    pub(super) fn check(&self, bytes: &[u8]) -> Result<(), DecodeError> {
        /// Far more than a palette (three colors, 2^16 entries, 16 bits) or JPEG tables need.
        const LARGEST: u64 = 1 << 20;
        /// Far more than one value per sample of a pixel needs.
        const LARGEST_PLAIN: u64 = 1 << 12;
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
            let most = match entry.tag {
                COLOR_MAP | JPEG_TABLES => LARGEST,
                _ => LARGEST_PLAIN,
            };
            if !is_list && size > most {
                let what = format!("tag {} has {size} bytes, more than {most}", entry.tag);
                return Err(DecodeError::broken(FORMAT, what));
            }
        }
        let [width, height] = self.chunk(bytes);
        if width == 0 || height == 0 {
            let what = "the strips or tiles have no size";
            return Err(DecodeError::broken(FORMAT, what));
        }
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

    /// Returns the number of values in the lists of strips and tiles.
    pub(super) fn listed(&self) -> u64 {
        let lists = self
            .entries
            .iter()
            .filter(|entry| LISTS.contains(&entry.tag));
        lists.map(|entry| entry.count).sum()
    }

    /// Returns the width and height of a tile, or of all strips but the last.
    pub(super) fn chunk(&self, bytes: &[u8]) -> [u64; 2] {
        let value = |tag| self.value(bytes, tag);
        let strip = || {
            value(ROWS_PER_STRIP)
                .unwrap_or(u64::MAX)
                .min(self.height.into())
        };
        match self.entry(TILE_WIDTH) {
            Some(_) => [TILE_WIDTH, TILE_HEIGHT].map(|tag| value(tag).unwrap_or(0)),
            None => [self.width.into(), strip()],
        }
    }

    /// Checks that no JPEG strip or tile is larger than its area in the image.
    pub(super) fn check_jpegs(&self, bytes: &[u8]) -> Result<(), DecodeError> {
        let [width, height] = self.chunk(bytes);
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
        Ok(())
    }
}
