//! Reads the arguments of pickle operations.

use std::io::{self, BufRead, Read};

use super::MAX_NAME_BYTES;

pub(super) fn array<const N: usize>(input: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

pub(super) fn length<const N: usize>(input: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    bytes[..N].copy_from_slice(&array::<N>(input)?);
    Ok(u64::from_le_bytes(bytes))
}

pub(super) fn skip_counted<const N: usize>(input: &mut impl Read) -> io::Result<()> {
    let count = length::<N>(input)?;
    skip(input, count)
}

pub(super) fn skip(input: &mut impl Read, count: u64) -> io::Result<()> {
    if io::copy(&mut input.take(count), &mut io::sink())? < count {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// Reads a line and keeps only its start.
pub(super) fn line(input: &mut impl BufRead) -> io::Result<String> {
    let mut text = Vec::new();
    input
        .by_ref()
        .take(MAX_NAME_BYTES)
        .read_until(b'\n', &mut text)?;
    if text.pop_if(|last| *last == b'\n').is_none() {
        input.skip_until(b'\n')?;
    }
    if text.last() == Some(&b'\r') {
        text.pop();
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Parses a decimal number; text operations write memo indices like this.
pub(super) fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}
