//! Decoding of files, whose bytes count toward the memory limit.

use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::path::Path;

use super::budget::Share;
use super::job::Job;
use super::names::foreign_image_ending;
use super::{DecodeError, Decoder, OpenError, run};
use crate::channels::Channels;
use crate::pixels::Pixels;

pub(super) fn open(decoder: Decoder, path: &Path, channels: Channels) -> Result<Pixels, OpenError> {
    let unreadable = |source| OpenError::Read {
        path: path.to_owned(),
        source,
    };
    let unusable = |source| OpenError::Decode {
        path: path.to_owned(),
        source: by_name(path, source),
    };
    // Checks the file type before opening, because opening a pipe blocks until another process
    // writes.
    let mut size = regular(&fs::metadata(path).map_err(unreadable)?).map_err(unreadable)?;
    let mut more = 0;
    // Takes at most two rounds unless the file changes meanwhile.
    for _ in 0..8 {
        let mut share = Share::default();
        let wanted = size.saturating_add(more);
        share
            .reserve(wanted)
            .map_err(|refusal| unusable(DecodeError::memory(0, wanted, refusal)))?;
        let file = File::open(path).map_err(unreadable)?;
        size = regular(&file.metadata().map_err(unreadable)?).map_err(unreadable)?;
        if size.saturating_add(more) > share.bytes() {
            continue;
        }
        let bytes = read(file, size, decoder.max_bytes()).map_err(unreadable)?;
        let mut job = Job::new(channels, decoder.max_pixels, share, size);
        let result = run(&mut job, &bytes);
        match job.postponed {
            // The next round waits until all of the memory is free. This round's memory is released
            // first.
            Some(bytes) => more = bytes,
            None => return result.map_err(unusable),
        }
    }
    Err(unreadable(io::Error::other(
        "the file changes while it is read",
    )))
}

fn read(file: File, size: u64, limit: u64) -> io::Result<Vec<u8>> {
    if size > limit {
        return Err(too_large(limit));
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size as usize)?;
    file.take(size).read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(super) fn too_large(limit: u64) -> io::Error {
    let text = format!("expected an image of at most {limit} bytes, found more");
    io::Error::new(io::ErrorKind::FileTooLarge, text)
}

/// Returns the size of a regular file. Other files may never end.
fn regular(metadata: &fs::Metadata) -> io::Result<u64> {
    if metadata.is_file() {
        return Ok(metadata.len());
    }
    let text = format!("expected a file, found {}", kind(metadata.file_type()));
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

#[cfg(unix)]
fn kind(found: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;

    match found {
        _ if found.is_dir() => "a folder",
        _ if found.is_fifo() => "a named pipe",
        _ if found.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn kind(found: FileType) -> &'static str {
    if found.is_dir() {
        "a folder"
    } else {
        "something else"
    }
}

/// Improves the error of a file whose extension names an unsupported format.
fn by_name(path: &Path, error: DecodeError) -> DecodeError {
    match (error, foreign_image_ending(path)) {
        (DecodeError::Empty | DecodeError::UnknownFormat { .. }, Some(format)) => {
            DecodeError::ForeignFormat { format }
        }
        (error, _) => error,
    }
}
