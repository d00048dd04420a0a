//! Lists the members of a tar archive of PyTorch before 0.1.10.

use std::io::{self, Read, Seek, SeekFrom};

const BLOCK: u64 = 512;

/// A member: its name, its position and its size in the archive.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) data_start: u64,
    pub(super) size: u64,
}

/// Content that no PyTorch archive has.
#[derive(Debug)]
pub(super) enum Fault {
    /// A kind of member that PyTorch never wrote, so the archive has another origin.
    Kind { name: String, kind: u8 },
    /// Inconsistent content.
    Damaged(String),
}

/// Lists the members, or returns content that no PyTorch archive has.
///
/// Only plain files and folders are allowed: sparse members of GNU tar can unpack to any size.
pub(super) fn members(archive: &mut (impl Read + Seek)) -> io::Result<Result<Vec<Member>, Fault>> {
    let end = archive.seek(SeekFrom::End(0))?;
    let mut members = Vec::new();
    let mut at = 0_u64;
    while at.saturating_add(BLOCK) <= end {
        let mut header = [0; BLOCK as usize];
        archive.seek(SeekFrom::Start(at))?;
        archive.read_exact(&mut header)?;
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        let name = String::from_utf8_lossy(text(&header[..100])).into_owned();
        let Some(size) = octal(&header[124..136]) else {
            return Ok(Err(Fault::Damaged(format!(
                "member `{name}` has no readable size"
            ))));
        };
        if !matches!(header[156], 0 | b'0' | b'5') {
            let kind = header[156];
            return Ok(Err(Fault::Kind { name, kind }));
        }
        // Readers disagree on folders with content and on the name prefix at offset 345. This list
        // must match the members that pytorch-reader finds.
        let is_folder = header[156] == b'5' || name.ends_with('/');
        if name.is_empty() || header[345] != 0 || (is_folder && size > 0) {
            return Ok(Err(Fault::Damaged(format!(
                "member `{name}` does not belong to a checkpoint"
            ))));
        }
        let data_start = at + BLOCK;
        if size > end - data_start {
            return Ok(Err(Fault::Damaged(format!(
                "member `{name}` extends beyond the file's end"
            ))));
        }
        members.push(Member {
            name: name.trim_start_matches("./").to_string(),
            data_start,
            size,
        });
        at = data_start + size.next_multiple_of(BLOCK);
    }
    Ok(Ok(members))
}

fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn octal(field: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(text(field)).ok()?.trim();
    u64::from_str_radix(digits, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(kind: u8, size: &[u8]) -> Vec<u8> {
        let mut header = vec![0; 512];
        header[..8].copy_from_slice(b"storages");
        header[124..124 + size.len()].copy_from_slice(size);
        header[156] = kind;
        header.extend([7; 512]);
        header
    }

    fn list(bytes: &[u8]) -> Result<Vec<Member>, Fault> {
        members(&mut io::Cursor::new(bytes)).unwrap()
    }

    #[test]
    fn plain_members_are_listed() {
        let members = list(&archive(b'0', b"00000001000")).unwrap();
        assert_eq!(members.len(), 1);
        assert_eq!(
            (members[0].name.as_str(), members[0].size),
            ("storages", 512)
        );
    }

    #[test]
    fn sparse_and_endless_members_are_refused() {
        assert!(list(&archive(b'S', b"00000000001")).is_err());
        assert!(list(&archive(b'0', b"77777777777")).is_err());
        assert!(list(&archive(b'0', b"\xff\xff\xff\xff")).is_err());
        assert!(list(&archive(b'5', b"00000001000")).is_err());
    }

    #[test]
    fn members_without_a_name_do_not_end_the_list() {
        let mut nameless = archive(b'0', b"00000001000");
        nameless[..8].fill(0);
        assert!(list(&nameless).is_err());
    }
}
