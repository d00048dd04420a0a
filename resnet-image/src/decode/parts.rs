//! A reader over several slices, so that a decoder can read a modified file without a copy.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

/// Slices that are read as one file.
pub(super) struct Parts<'a, const N: usize> {
    parts: [&'a [u8]; N],
    at: u64,
}

impl<'a, const N: usize> Parts<'a, N> {
    pub(super) fn new(parts: [&'a [u8]; N]) -> Self {
        Self { parts, at: 0 }
    }

    /// Returns the unread bytes of the current slice.
    fn rest(&self) -> &'a [u8] {
        let mut at = self.at;
        for part in self.parts {
            match usize::try_from(at).ok().and_then(|at| part.get(at..)) {
                Some(rest @ [_, ..]) => return rest,
                _ => at -= part.len() as u64,
            }
        }
        &[]
    }
}

impl<const N: usize> Read for Parts<'_, N> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.rest().read(buf)?;
        self.at += count as u64;
        Ok(count)
    }
}

impl<const N: usize> BufRead for Parts<'_, N> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.rest())
    }

    fn consume(&mut self, count: usize) {
        self.at += count as u64;
    }
}

impl<const N: usize> Seek for Parts<'_, N> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let size: u64 = self.parts.iter().map(|part| part.len() as u64).sum();
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => size.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_one() {
        let mut parts = Parts::new([&b"ab"[..], b"", b"cde"]);
        let mut text = String::new();
        parts.read_to_string(&mut text).unwrap();
        assert_eq!(text, "abcde");
        for (to, rest) in [
            (SeekFrom::Start(1), "bcde"),
            (SeekFrom::End(-3), "cde"),
            (SeekFrom::Start(4), "e"),
            (SeekFrom::Start(9), ""),
        ] {
            parts.seek(to).unwrap();
            text.clear();
            parts.read_to_string(&mut text).unwrap();
            assert_eq!(text, rest);
        }
        parts.seek(SeekFrom::End(-9)).unwrap_err();
    }
}
