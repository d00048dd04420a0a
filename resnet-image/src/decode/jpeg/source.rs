//! The segments of a JPEG.

use super::{DecodeError, FORMAT};

pub(super) const CUT: DecodeError = DecodeError::Truncated { format: FORMAT };

pub(super) fn broken(what: &str) -> DecodeError {
    DecodeError::broken(FORMAT, what)
}

/// Returns the first bytes of the frame header.
pub(super) fn frame_header(bytes: &[u8]) -> Option<[u8; 5]> {
    let mut source = Source { bytes, at: 2 };
    loop {
        match source.marker()? {
            0x01 | 0xD0..=0xD9 => {}
            0xDA => return None,
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                return source.segment().ok()?.first_chunk().copied();
            }
            _ => {
                source.segment().ok()?;
            }
        }
    }
}

pub(super) struct Source<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Source<'a> {
    /// Reads the next marker, including fill bytes. Skips everything before it.
    pub(super) fn marker(&mut self) -> Option<u8> {
        self.at = self.next_marker()?;
        while *self.bytes.get(self.at)? == 0xFF {
            self.at += 1;
        }
        self.at += 1;
        Some(self.bytes[self.at - 1])
    }

    /// Returns the position of the next marker.
    pub(super) fn next_marker(&self) -> Option<usize> {
        let mut at = self.at;
        loop {
            let start = at
                + self
                    .bytes
                    .get(at..)?
                    .iter()
                    .position(|&byte| byte == 0xFF)?;
            at = start + self.bytes[start..].iter().position(|&byte| byte != 0xFF)?;
            if self.bytes[at] != 0 {
                return Some(start);
            }
        }
    }

    /// Reads the contents of a segment, after its length.
    pub(super) fn segment(&mut self) -> Result<&'a [u8], DecodeError> {
        let rest = self.bytes.get(self.at..).ok_or(CUT)?;
        let length = usize::from(u16::from_be_bytes(*rest.first_chunk().ok_or(CUT)?));
        if length < 2 {
            return Err(broken("a segment is shorter than its length"));
        }
        self.at += length;
        rest.get(2..length).ok_or(CUT)
    }
}
