//! Opens zip archives of `torch.save`, with a workaround for a bug of the `zip` crate (seen in
//! 9.8.2).
//!
//! PyTorch writes 76 bytes of zip64 records between the central directory and the end record, and
//! 32-bit numbers in the end record. By default the `zip` crate computes the start of the central
//! directory from the end record, which is then 76 bytes too high. It accepts this start if another
//! entry begins there. That happens if the first entry has 76 = 46 + 21 + 9 bytes: the name of the
//! archive's top-level folder then has 21 bytes.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use tempfile::{NamedTempFile, TempPath};
use zip::ZipArchive;
use zip::read::{ArchiveOffset, Config};
use zip::result::ZipResult;

const LAST_RECORD_BYTES: u64 = 22;
const ZIP64_RECORDS_BYTES: u64 = 76;
const ZIP64_MARK: &[u8] = b"PK\x06\x06";

/// Opens an archive that begins at the start of its file.
pub(super) fn open<R: Read + Seek>(input: R) -> ZipResult<ZipArchive<R>> {
    let archive_offset = ArchiveOffset::Known(0);
    ZipArchive::with_config(Config { archive_offset }, input)
}

/// Returns a copy without zip64 records if pytorch-reader, which uses the default of the `zip`
/// crate, would not find the central directory.
pub(super) fn readable_copy(path: &Path) -> io::Result<Option<TempPath>> {
    let input = || File::open(path).map(BufReader::new);
    let entries = |archive: ZipResult<ZipArchive<BufReader<File>>>| archive.ok().map(|a| a.len());
    let found = entries(open(input()?));
    if found.is_none() || entries(ZipArchive::new(input()?)) == found {
        return Ok(None);
    }
    let mut file = File::open(path)?;
    let size = file.seek(SeekFrom::End(0))?;
    let Some(records) = size.checked_sub(LAST_RECORD_BYTES + ZIP64_RECORDS_BYTES) else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(records))?;
    let mut tail = Vec::new();
    (&mut file).take(size - records).read_to_end(&mut tail)?;
    if !tail.starts_with(ZIP64_MARK) {
        return Ok(None);
    }
    let mut copy = NamedTempFile::new()?;
    file.seek(SeekFrom::Start(0))?;
    io::copy(&mut file.take(records), &mut copy)?;
    copy.write_all(&tail[ZIP64_RECORDS_BYTES as usize..])?;
    Ok(Some(copy.into_temp_path()))
}
