//! PNG decoder.

use std::io::{self, BufRead, ErrorKind, Read, Seek, SeekFrom};

use png::{ColorType, DecodeOptions, DecodingError, Limits, Transformations};

use super::DecodeError;
use super::canvas::{Canvas, Layout};
use super::job::Job;

const FORMAT: &str = "PNG";
const TRUNCATED: DecodeError = DecodeError::Truncated { format: FORMAT };

/// The columns and rows of each pass of an interlaced image: the first one, and the step to the
/// next.
const PASSES: [[(u32, u32); 2]; 7] = [
    [(0, 8), (0, 8)],
    [(4, 8), (0, 8)],
    [(0, 4), (4, 8)],
    [(2, 4), (0, 4)],
    [(0, 2), (2, 4)],
    [(1, 2), (0, 2)],
    [(0, 1), (1, 2)],
];

pub(super) fn decode(job: &mut Job, bytes: &[u8]) -> Result<Canvas, DecodeError> {
    let mut options = DecodeOptions::default();
    // `Pieces::read` has checked the CRCs that matter. The Adler-32 of the image data matters as
    // well.
    options.set_ignore_crc(true);
    options.set_ignore_adler32(false);
    let pieces = Pieces::read(bytes)?;
    let (key, palette) = (pieces.key, pieces.palette);
    let listed = 2 * size_of::<&[u8]>() as u64 * pieces.rest.len() as u64;
    let mut decoder = png::Decoder::new_with_options(pieces, options);
    decoder.set_limits(Limits { bytes: usize::MAX });
    decoder.set_transformations(match palette {
        Some(_) => Transformations::IDENTITY,
        None => Transformations::EXPAND | Transformations::STRIP_16,
    });
    let (width, height, is_interlaced) = {
        let info = decoder.read_header_info().map_err(failed)?;
        (info.width, info.height, info.interlaced)
    };
    job.check(width, height)?;
    // Row buffers of up to 16 bits and four channels, and the list of chunks.
    job.reserve((width, height), 0, 8 * 8 * u64::from(width) + listed)?;
    let mut reader = decoder.read_info().map_err(failed)?;
    let (color, depth) = reader.output_color_type();
    let layout = match color {
        ColorType::Grayscale => Layout::Gray,
        ColorType::GrayscaleAlpha => Layout::GrayAlpha,
        ColorType::Rgb => Layout::Rgb,
        ColorType::Rgba | ColorType::Indexed => Layout::Rgba,
    };

    let mut canvas = Canvas::new(width, height, job.channels);
    let mut line = vec![0; width as usize * layout.samples()];
    let mut packed = vec![0; if palette.is_some() { width as usize } else { 0 }];
    let mut read = |line: &mut [u8]| match &palette {
        None => reader.read_row(line).map(drop),
        Some(palette) => {
            reader.read_row(&mut packed)?;
            palette.expand(&packed, depth as u8, line);
            Ok(())
        }
    };
    // Stops after the last row: like Pillow, accepts files that lack the data after it.
    if !is_interlaced {
        for y in 0..height as usize {
            read(&mut line).map_err(failed)?;
            canvas.put_row(y, 0, &line, layout);
        }
    }
    for [(left, step), (top, rows)] in PASSES.into_iter().filter(|_| is_interlaced) {
        let count = width.saturating_sub(left).div_ceil(step) as usize;
        if count == 0 {
            continue;
        }
        for y in (top..height).step_by(rows as usize) {
            read(&mut line).map_err(failed)?;
            let samples = &line[..count * layout.samples()];
            canvas.put_spread(y as usize, (left as usize, step as usize), samples, layout);
        }
    }
    if let Some(key) = key {
        canvas.hide(key);
    }
    Ok(canvas)
}

fn failed(error: DecodingError) -> DecodeError {
    match error {
        DecodingError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => TRUNCATED,
        other => DecodeError::malformed(FORMAT, other),
    }
}

/// The colors of an indexed image, hidden from the `png` decoder. The decoder panics if bytes
/// follow the last color, and drops transparency that precedes the palette.
#[derive(Clone, Copy)]
struct Palette([[u8; 4]; 256]);

impl Palette {
    /// Creates a palette as Pillow does: missing colors are black, extra bytes are dropped, and the
    /// two chunks may come in any order.
    fn new(colors: &[u8], alphas: &[u8]) -> Self {
        let mut palette = [[0, 0, 0, 255]; 256];
        for (entry, color) in palette.iter_mut().zip(colors.as_chunks::<3>().0) {
            entry[..3].copy_from_slice(color);
        }
        for (entry, &alpha) in palette.iter_mut().zip(alphas) {
            entry[3] = alpha;
        }
        Self(palette)
    }

    /// Looks up indices of 1, 2, 4 or 8 bits, the first one in the high bits.
    fn expand(&self, packed: &[u8], depth: u8, line: &mut [u8]) {
        let depth = usize::from(depth);
        let per_byte = 8 / depth;
        for (x, pixel) in line.as_chunks_mut().0.iter_mut().enumerate() {
            let shift = 8 - depth * (x % per_byte + 1);
            let index = usize::from(packed[x / per_byte]) >> shift & ((1 << depth) - 1);
            *pixel = self.0[index];
        }
    }
}

/// The parts of a PNG that determine its pixels. All other parts are skipped unread.
struct Pieces<'a> {
    /// The remaining pieces in reverse order, so that a read piece can be popped.
    rest: Vec<&'a [u8]>,
    /// The palette of an indexed image.
    palette: Option<Palette>,
    /// The transparent color of an image without a palette.
    key: Option<[u8; 3]>,
}

impl<'a> Pieces<'a> {
    /// Finds the header, the palette, the transparency and the image data.
    ///
    /// As in Pillow, only the checksums of chunks before the image data count. If a chunk occurs
    /// twice, the last one counts.
    fn read(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let (signature, mut rest) = bytes.split_at_checked(8).ok_or(TRUNCATED)?;
        let (mut header, mut colors, mut transparency): (&[u8], &[u8], &[u8]) = (&[], &[], &[]);
        loop {
            let (kind, length) = next(rest).ok_or(TRUNCATED)?;
            if kind == b"IDAT" {
                break;
            }
            if kind == b"IEND" {
                return Err(DecodeError::broken(FORMAT, "there is no image data"));
            }
            let name = kind.escape_ascii();
            if !is_name(kind) {
                let what = format!("expected the name of a chunk, found `{name}`");
                return Err(DecodeError::broken(FORMAT, what));
            }
            let (chunk, after) = rest.split_at_checked(length).ok_or(TRUNCATED)?;
            let (data, sum) = chunk[4..].split_at(length - 8);
            if checksum(data).to_be_bytes() != sum {
                let what = format!("the checksum of chunk `{name}` does not match its data");
                return Err(DecodeError::broken(FORMAT, what));
            }
            match kind {
                b"IHDR" => header = chunk,
                b"PLTE" => colors = &data[4..],
                b"tRNS" => transparency = &data[4..],
                _ => {}
            }
            rest = after;
        }
        // Length, name, width and height come first, then the bit depth and the color type.
        let (depth, color) = (header.get(16).copied(), header.get(17).copied());
        if color == Some(3) && colors.len() / 3 > 256 {
            let what = "the palette has more than 256 colors";
            return Err(DecodeError::broken(FORMAT, what));
        }
        // In other color types, a palette is only a suggestion.
        let palette = (color == Some(3)).then(|| Palette::new(colors, transparency));
        let key = transparent_color(transparency, depth, color);
        let mut pieces = vec![signature, header];
        while let Some((b"IDAT", length)) = next(rest) {
            // Empty chunks mean nothing, regardless of their number.
            if length > 12 {
                pieces.push(&rest[..length.min(rest.len())]);
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        check_rest(rest)?;
        pieces.reverse();
        Ok(Self {
            rest: pieces,
            palette,
            key,
        })
    }
}

/// Returns the color that Pillow makes transparent: it compares 8 bits of the key with the 8-bit
/// samples.
///
/// So a key of 2 or 4 bits may match unintended samples, and only the low byte of a 16-bit key
/// counts. In 16-bit gray, Pillow makes nothing transparent.
fn transparent_color(data: &[u8], depth: Option<u8>, color: Option<u8>) -> Option<[u8; 3]> {
    match (color, depth, data) {
        (Some(0), Some(1), [high, low, ..]) => {
            let is_white = [*high, *low] != [0, 0];
            Some([if is_white { 255 } else { 0 }; 3])
        }
        (Some(0), Some(2..=8), [_, low, ..]) => Some([*low; 3]),
        (Some(2), _, [_, red, _, green, _, blue, ..]) => Some([*red, *green, *blue]),
        _ => None,
    }
}

/// Returns the name of the chunk at the start of `bytes`, and its total length with length field,
/// name and checksum.
fn next(bytes: &[u8]) -> Option<(&[u8; 4], usize)> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = u32::from_be_bytes(*length) as usize;
    Some((rest.first_chunk()?, length.saturating_add(12)))
}

fn is_name(kind: &[u8; 4]) -> bool {
    kind.iter()
        .all(|&byte| byte == b'_' || byte.is_ascii_alphanumeric())
}

/// Returns an error for truncated chunks after the image data, up to the end chunk or the next
/// frame, as Pillow does.
fn check_rest(mut bytes: &[u8]) -> Result<(), DecodeError> {
    while let Some((kind, length)) = next(bytes) {
        if !is_name(kind) || matches!(kind, b"IEND" | b"fcTL") {
            break;
        }
        if bytes.len() < length - 4 {
            return Err(TRUNCATED);
        }
        bytes = bytes.get(length..).unwrap_or_default();
    }
    Ok(())
}

impl Read for Pieces<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buf)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Pieces<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.rest.last().is_some_and(|piece| piece.is_empty()) {
            self.rest.pop();
        }
        Ok(self.rest.last().copied().unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        if let Some(piece) = self.rest.last_mut() {
            *piece = piece.get(count..).unwrap_or_default();
        }
    }
}

impl Seek for Pieces<'_> {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(ErrorKind::Unsupported.into())
    }
}

/// Computes the checksum of a chunk (ISO 3309, polynomial 0xEDB88320).
fn checksum(data: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let mut rest = byte as u32;
            let mut bit = 0;
            while bit < 8 {
                rest = if rest & 1 == 1 {
                    0xEDB8_8320 ^ rest >> 1
                } else {
                    rest >> 1
                };
                bit += 1;
            }
            table[byte] = rest;
            byte += 1;
        }
        table
    };
    let step = |sum: u32, &byte: &u8| TABLE[usize::from(sum as u8 ^ byte)] ^ sum >> 8;
    !data.iter().fold(!0, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_matches_the_standard() {
        assert_eq!(checksum(b"123456789"), 0xCBF4_3926);
        assert_eq!(checksum(b"IEND"), 0xAE42_6082);
    }
}
