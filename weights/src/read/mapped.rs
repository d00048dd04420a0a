//! The content of a file: in memory if small, memory-mapped if large.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::ops::{Deref, Range};

use memmap2::Mmap;

/// The content of a file, in memory or memory-mapped.
pub(crate) enum Content {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

/// Files up to this size are read into memory, so that no other process can shorten them.
const MAX_READ_BYTES: u64 = 16 << 20;

impl Content {
    /// Reads a small file, or maps a large one.
    pub(crate) fn of(mut file: File) -> io::Result<Self> {
        if file.metadata()?.len() > MAX_READ_BYTES {
            return Self::map(&file);
        }
        let mut bytes = Vec::new();
        file.rewind()?;
        file.take(MAX_READ_BYTES + 1).read_to_end(&mut bytes)?;
        Ok(Content::Owned(bytes))
    }

    /// Tells the operating system that a part of a mapped file has been read, so that its pages no
    /// longer count as memory of this process.
    #[cfg_attr(
        unix,
        expect(unsafe_code, reason = "the call is unsafe for writable maps")
    )]
    pub(crate) fn release(&self, _part: Range<usize>) {
        #[cfg(unix)]
        if let Content::Mapped(map) = self {
            let advice = memmap2::UncheckedAdvice::DontNeed;
            // SAFETY: the map is read-only. The next access reads the pages from the file again.
            // An error means that the pages stay.
            let _ = unsafe { map.unchecked_advise_range(advice, _part.start, _part.len()) };
        }
    }

    /// Maps `file` for reading.
    #[expect(
        unsafe_code,
        reason = "a map is the only way to read a large file without a copy"
    )]
    fn map(file: &File) -> io::Result<Self> {
        // SAFETY: the map is read-only, and only copies of it leave this crate. If another process
        // shortens the file while it is mapped, the operating system may end this process (SIGBUS).
        // This applies to every memory-mapped reader; `Checkpoint::open` documents it.
        unsafe { Mmap::map(file) }.map(Content::Mapped)
    }
}

impl AsRef<[u8]> for Content {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Content::Mapped(map) => map,
            Content::Owned(bytes) => bytes,
        }
    }
}
