//! Checks files before pytorch-reader opens them. Its limits are constants of several gigabytes,
//! independent of the file size (see `fuzz/README.md` of this crate).

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::container::{Container, foreign};
use super::pickle::{Recorded, ScanError, Scanner};
use super::{ReadError, archive, tar};

/// The entries of a zip archive may unpack to this factor times the file size, plus 1 MiB.
/// `torch.save` does not compress.
const MAX_RATIO: u64 = 4;
const SLACK_BYTES: u64 = 1 << 20;

/// The largest accepted `data.pkl`. `torch.save` writes about 110 bytes per tensor.
const MAX_PICKLE_BYTES: u64 = 16 << 20;

/// The number of pickles in a legacy file: magic number, protocol version, system, checkpoint,
/// storage keys.
const LEGACY_PICKLES: usize = 5;

/// Returns an error for a file that is unsafe or truncated, or that claims more content than it can
/// have. Returns the tensors of a file with quantized ones.
pub(super) fn check(
    path: &Path,
    file: &str,
    container: Container,
) -> Result<Option<Quantized>, ReadError> {
    let handle = File::open(path).map_err(|error| ReadError::io(file, error))?;
    let input = BufReader::new(handle);
    match container {
        Container::Zip => return check_zip(input, file),
        Container::Legacy => check_stream(input, file, LEGACY_PICKLES)?,
        Container::Tar => check_tar(input, file)?,
        Container::Pickle => check_stream(input, file, 1)?,
        Container::Safetensors | Container::Onnx => {}
    }
    Ok(None)
}

/// The tensors of a pickle with quantized ones.
pub(super) struct Quantized {
    /// Name of the pickle in the archive.
    pub(super) pickle: String,
    pub(super) tensors: Vec<(String, Recorded)>,
}

fn check_zip(mut input: BufReader<File>, file: &str) -> Result<Option<Quantized>, ReadError> {
    let io_error = |error| ReadError::io(file, error);
    let file_size = input.seek(SeekFrom::End(0)).map_err(io_error)?;
    let mut archive = archive::open(input).map_err(|error| {
        let cause = format!("the table of contents at its end cannot be read ({error})");
        ReadError::truncated(file, cause)
    })?;

    let names: Vec<String> = archive
        .file_names_raw()
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect();
    let has = |end: &str| names.iter().any(|name| name.ends_with(end));
    if has("/models/model.json") || has("/archive_format") {
        let advice =
            "save `torch.export.load(FILE).state_dict` with `torch.save` and use that file";
        return Err(foreign(file, "a program of `torch.export`", advice));
    }
    let has_code = names.iter().any(|name| name.contains("/code/"));
    if has_code || has("/constants.pkl") || has("/bytecode.pkl") || has("/model.json") {
        let advice = "save `torch.jit.load(FILE).state_dict()` with `torch.save` and use that file";
        return Err(foreign(file, "a TorchScript program", advice));
    }
    if !names.iter().any(|name| is_pickle(name)) {
        let advice = "give a file that `torch.save` wrote, or unpack the archive";
        return Err(foreign(file, "a zip archive without `data.pkl`", advice));
    }

    let limit = file_size
        .saturating_mul(MAX_RATIO)
        .saturating_add(SLACK_BYTES);
    let mut total = 0_u64;
    let mut scanner = Scanner::default();
    scanner.accept_quantized();
    let mut quantized = None;
    for (index, name) in names.iter().enumerate() {
        let mut entry = archive.by_index(index).map_err(|error| {
            ReadError::damaged(file, format!("archive entry `{name}`: {error}"))
        })?;
        total = total.saturating_add(entry.size());
        if total > limit {
            return Err(too_large(file, "the unpacked content", total, limit));
        }
        if !is_pickle(name) {
            continue;
        }
        if entry.size() > MAX_PICKLE_BYTES {
            let what = format!("archive entry `{name}`");
            return Err(too_large(file, &what, entry.size(), MAX_PICKLE_BYTES));
        }
        let mut pickle = Vec::new();
        Read::take(&mut entry, MAX_PICKLE_BYTES)
            .read_to_end(&mut pickle)
            .map_err(|error| {
                ReadError::damaged(file, format!("archive entry `{name}`: {error}"))
            })?;
        scanner.scan(&mut pickle.as_slice()).map_err(|error| {
            let early = |file: &str| ReadError::damaged(file, format!("`{name}` ends too early"));
            refuse(file, error, early)
        })?;
        if let Some(tensors) = scanner.quantized() {
            let pickle = name.clone();
            quantized = Some(Quantized { pickle, tensors });
        }
    }
    Ok(quantized)
}

fn is_pickle(name: &str) -> bool {
    name == "data.pkl" || name.ends_with("/data.pkl")
}

fn check_stream(mut input: BufReader<File>, file: &str, pickles: usize) -> Result<(), ReadError> {
    let mut scanner = Scanner::default();
    for _ in 0..pickles {
        scanner
            .scan(&mut input)
            .map_err(|error| refuse(file, error, cut_in_pickle))?;
    }
    Ok(())
}

fn check_tar(mut input: BufReader<File>, file: &str) -> Result<(), ReadError> {
    let io_error = |error| ReadError::io(file, error);
    let members = tar::members(&mut input)
        .map_err(io_error)?
        .map_err(|fault| match fault {
            // Newer programs write extended headers.
            tar::Fault::Kind {
                kind: b'x' | b'g', ..
            } => not_ours(file),
            tar::Fault::Kind { name, kind } => {
                let kind = kind.escape_ascii();
                ReadError::damaged(file, format!("member `{name}` is of kind `{kind}`"))
            }
            tar::Fault::Damaged(cause) => ReadError::damaged(file, cause),
        })?;
    if !members.iter().any(|member| member.name == "pickle") {
        return Err(not_ours(file));
    }
    let mut scanner = Scanner::default();
    for member in members {
        // `storages` and `tensors` mix pickles with raw numbers; the first pickle is their count.
        if !["sys_info", "storages", "tensors", "pickle"].contains(&member.name.as_str()) {
            continue;
        }
        input
            .seek(SeekFrom::Start(member.data_start))
            .map_err(io_error)?;
        scanner
            .scan(&mut (&mut input).take(member.size))
            .map_err(|error| refuse(file, error, cut_in_pickle))?;
    }
    Ok(())
}

fn not_ours(file: &str) -> ReadError {
    ReadError::NotACheckpoint {
        file: file.to_string(),
        found: "a tar archive of other files".into(),
        advice: "unpack it and give the checkpoint in it",
    }
}

fn cut_in_pickle(file: &str) -> ReadError {
    ReadError::truncated(file, "it ends inside its description of the tensors")
}

fn refuse(file: &str, error: ScanError, early_end: impl Fn(&str) -> ReadError) -> ReadError {
    match error {
        ScanError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => early_end(file),
        ScanError::Io(source) => ReadError::io(file, source),
        ScanError::UnknownOperation(byte) => {
            let cause = format!("its pickle has the unknown operation {byte:#04x}");
            ReadError::damaged(file, cause)
        }
        ScanError::Inconsistent => ReadError::damaged(file, "its pickle contradicts itself"),
        ScanError::Refused(refusal) => ReadError::Unrepresentable {
            file: file.to_string(),
            cause: refusal.cause,
            advice: refusal.advice,
        },
        ScanError::TooManyOperations => ReadError::TooLarge {
            file: file.to_string(),
            what: "the description of the tensors".to_string(),
            size: "more operations".to_string(),
            limit: Scanner::MAX_OPERATIONS.to_string(),
        },
        ScanError::Unsafe(global) => ReadError::UnsafePickle {
            file: file.to_string(),
            global,
        },
    }
}

fn too_large(file: &str, what: &str, size: u64, limit: u64) -> ReadError {
    ReadError::TooLarge {
        file: file.to_string(),
        what: what.to_string(),
        size: format!("{size} bytes"),
        limit: format!("{limit} bytes"),
    }
}
