use std::fs::File;
use std::io;
use std::ops::Deref;

use memmap2::Mmap;

/// The content of a file, in memory or mapped.
pub(crate) enum Content {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

impl Content {
    /// Maps `file` for reading.
    #[expect(
        unsafe_code,
        reason = "a map is the only way to read a large file without a copy"
    )]
    pub(crate) fn map(file: &File) -> io::Result<Self> {
        // SAFETY: the map is read-only and never leaves this crate but through copies. Another
        // process that shortens the file while it is mapped could end this one with a signal
        // (SIGBUS), as with every reader that maps files; the documentation of
        // `Checkpoint::open` asks not to.
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
