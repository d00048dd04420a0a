//! Detects the container format from the first bytes of a file.

use std::fmt;

use super::ReadError;

/// The container format of a file, detected from its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Container {
    /// The zip format of `torch.save`, since PyTorch 1.6.
    Zip,
    /// The legacy format of `torch.save`, from PyTorch 0.1.10 to 1.5.
    Legacy,
    /// The tar format of `torch.save`, before PyTorch 0.1.10.
    Tar,
    /// A bare pickle, which cannot contain the values of tensors.
    Pickle,
    /// The safetensors format.
    Safetensors,
    /// A graph of ONNX operators with its weights.
    Onnx,
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Container::Zip => "PyTorch zip archive",
            Container::Legacy => "PyTorch legacy pickle",
            Container::Tar => "PyTorch tar archive",
            Container::Pickle => "Python pickle",
            Container::Safetensors => "safetensors file",
            Container::Onnx => "ONNX graph",
        })
    }
}

/// The number of bytes that detect every format: tar has its magic number in bytes 257 to 262.
pub(super) const HEAD_BYTES: usize = 512;

const TAR_MARK: std::ops::Range<usize> = 257..262;

/// The first object of a legacy file, 0x1950a86a20f9469cfc6c, in binary and in text pickles.
const LEGACY_MAGIC: [&[u8]; 2] = [
    &[0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19],
    b"119547037146038801333356",
];
const LEGACY_MAGIC_SEARCH: usize = 64;

const REPEAT: &str = "download the file again";
const GIVE_CHECKPOINT: &str = if cfg!(feature = "onnx") {
    "give a .pth, .pt, .safetensors or .onnx file"
} else {
    "give a .pth, .pt or .safetensors file"
};

/// Other formats that users often confuse with checkpoints: first bytes, description, advice.
const FOREIGN: [(&[u8], &str, &str); 9] = [
    (
        b"version https://git-lfs",
        "a Git LFS pointer",
        "fetch the file itself with `git lfs pull`",
    ),
    (
        b"\x1f\x8b",
        "a gzip archive",
        "unpack it and give the file inside",
    ),
    (
        b"7z\xbc\xaf\x27\x1c",
        "a 7z archive",
        "unpack it and give the file inside",
    ),
    (
        b"\x89HDF\r\n",
        "an HDF5 file, as Keras writes",
        GIVE_CHECKPOINT,
    ),
    (b"\x93NUMPY", "a NumPy array", GIVE_CHECKPOINT),
    (b"GGUF", "a GGUF file", GIVE_CHECKPOINT),
    (b"\x89PNG", "a PNG image", GIVE_CHECKPOINT),
    (b"\xff\xd8\xff", "a JPEG image", GIVE_CHECKPOINT),
    (b"%PDF", "a PDF document", GIVE_CHECKPOINT),
];

/// Detects the format of a file that starts with `head`.
pub(super) fn detect(file: &str, head: &[u8]) -> Result<Container, ReadError> {
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Ok(Container::Zip);
    }
    if head.get(TAR_MARK) == Some(b"ustar") {
        return Ok(Container::Tar);
    }
    let start = &head[..head.len().min(LEGACY_MAGIC_SEARCH)];
    if LEGACY_MAGIC
        .iter()
        .any(|magic| start.windows(magic.len()).any(|bytes| bytes == *magic))
    {
        return Ok(Container::Legacy);
    }
    if let Some((_, found, advice)) = FOREIGN.iter().find(|(mark, ..)| head.starts_with(mark)) {
        return Err(foreign(file, found, advice));
    }
    if starts_like_safetensors(head) {
        return Ok(Container::Safetensors);
    }
    if starts_like_onnx(head) {
        return Ok(Container::Onnx);
    }
    if matches!(head.first(), Some(0x80 | b'(' | b'}' | b']' | b'c')) {
        return Ok(Container::Pickle);
    }
    Err(describe_text(file, head))
}

/// Returns whether the file starts with a little-endian length and the `{` of a JSON header.
///
/// A length far beyond the limit also counts, for a better error message, unless the first byte is
/// the one of binary pickles.
fn starts_like_safetensors(head: &[u8]) -> bool {
    let Some((length, rest)) = head.split_first_chunk::<8>() else {
        return false;
    };
    let plausible = u64::from_le_bytes(*length) <= super::safetensors::MAX_HEADER_BYTES;
    rest.first() == Some(&b'{') && (plausible || (length[0] != 0x80 && length[7] < b' '))
}

/// Returns whether the file looks like ONNX, which has no magic number. Field 1 must be a small
/// number, the IR version, followed by another field of `ModelProto`.
fn starts_like_onnx(head: &[u8]) -> bool {
    // Producer name and version, domain, model version, doc string, graph, opset imports, metadata
    // properties.
    const NEXT: [u8; 8] = [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42, 0x72];
    matches!(head, [0x08, 1..=0x7f, next, ..] if NEXT.contains(next))
}

fn describe_text(file: &str, head: &[u8]) -> ReadError {
    let text = String::from_utf8_lossy(head).to_lowercase();
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with("<!doctype html") || text.starts_with("<html") {
        let advice = "the download link probably answered with an error page: download the file \
                      again";
        return foreign(file, "a web page", advice);
    }
    if text.starts_with('<') {
        return foreign(file, "an XML text", REPEAT);
    }
    if text.starts_with('{') {
        return foreign(file, "a JSON text", GIVE_CHECKPOINT);
    }
    let printable = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    if head.iter().all(printable) {
        return foreign(file, "a text", GIVE_CHECKPOINT);
    }
    foreign(file, "a file of an unknown format", GIVE_CHECKPOINT)
}

pub(super) fn foreign(file: &str, found: &str, advice: &'static str) -> ReadError {
    ReadError::NotACheckpoint {
        file: file.to_string(),
        found: found.to_string(),
        advice,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(head: &[u8]) -> String {
        detect("f", head).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_kind_of_other_files() {
        assert!(message(b"\n<HTML>").contains("is a web page"));
        assert!(message(b"{\"error\": 404}").contains("is a JSON text"));
        assert!(message(b"version https://git-lfs.github.com/spec/v1").contains("git lfs pull"));
        assert!(message(b"not found").contains("is a text"));
        assert!(message(&[0; 512]).contains("unknown format"));
    }

    #[test]
    fn header_length_that_looks_like_a_pickle_is_safetensors() {
        // A header of 128 bytes starts with 0x80, like a pickle.
        let head = b"\x80\0\0\0\0\0\0\0{\"a\":1}";
        assert_eq!(detect("f", head).unwrap(), Container::Safetensors);
        assert_eq!(
            detect("f", b"\x80\x02}q\x00(X\x01{").unwrap(),
            Container::Pickle
        );
    }
}
