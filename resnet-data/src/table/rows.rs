//! Reads a table into rows.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::quotes;
use crate::dataset::DataError;

/// The size limit of a table. A table of 14 million rows has half this size.
const MAX_BYTES: u64 = 1 << 30;

/// The number of rows to inspect for the column separator.
const LOOKED_AT: usize = 200;

/// The supported column separators, in the order of the attempts.
const SEPARATORS: [(u8, &str); 4] = [
    (b',', "commas"),
    (b'\t', "tabs"),
    (b';', "semicolons"),
    (b'|', "vertical bars"),
];

/// One row of a table.
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) cells: csv::StringRecord,
}

impl Row {
    pub(super) fn cell(&self, column: usize) -> &str {
        self.cells.get(column).unwrap_or_default()
    }
}

/// The rows of a table, all with the same number of cells, at least two.
pub(super) struct Rows {
    pub(super) rows: Vec<Row>,
    /// The number of columns.
    pub(super) columns: usize,
    /// The column separator.
    pub(super) separator: u8,
    /// A note about the column separator, if it is not the one that the file extension suggests.
    pub(super) note: Option<String>,
}

pub(super) fn read(path: &Path) -> Result<Rows, DataError> {
    let text = text(path)?;
    let (separator, name) = separator(path, &text);
    if let Some(line) = quotes::unclosed(&text, separator) {
        return Err(quotes::error(path, line));
    }
    let mut rows = Vec::new();
    let mut columns = 0;
    for record in reader(&text, separator).into_records() {
        let cells = record.map_err(|error| {
            let line = error.position().map_or(0, csv::Position::line);
            malformed(path, line, 2, error.to_string())
        })?;
        let line = cells.position().map_or(0, csv::Position::line);
        if rows.is_empty() {
            columns = cells.len();
        }
        if cells.len() != columns || columns < 2 {
            return Err(malformed(
                path,
                line,
                columns,
                format!("{} columns", cells.len()),
            ));
        }
        rows.push(Row { line, cells });
    }
    let other = separator != b',' || has_tabs(path);
    let note = other.then(|| format!("`{}`: {name} separate the columns", path.display()));
    Ok(Rows {
        rows,
        columns,
        separator,
        note,
    })
}

fn malformed(path: &Path, line: u64, columns: usize, found: String) -> DataError {
    DataError::Form {
        path: path.into(),
        expected: match columns {
            0..=2 => format!("a path and a label in line {line}"),
            _ => format!("{columns} columns in line {line}, as in the first"),
        },
        found,
    }
}

/// Reads the text of a file, without a byte order mark.
fn text(path: &Path) -> Result<String, DataError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
    let read = match read {
        Ok(_) if bytes.len() as u64 > MAX_BYTES => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("expected at most {MAX_BYTES} bytes, found more"),
        )),
        read => read,
    };
    read.map_err(|source| DataError::Io {
        path: path.into(),
        expected: "a CSV file with the columns `path` and `label`",
        source,
    })?;
    let other = |found: String, advice: &str| DataError::Unclear {
        path: path.into(),
        expected: "a folder of images, or a table as UTF-8 text (`.csv`, `.tsv`)".into(),
        found,
        advice: advice.into(),
    };
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(other("UTF-16 text".into(), "save the table as UTF-8"));
    }
    if bytes.contains(&0) {
        return Err(other(
            "a file of another kind".into(),
            "unpack it, or save it as a table",
        ));
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let bytes = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + bytes.iter().filter(|&&byte| byte == b'\n').count();
        other(
            format!("other bytes in line {line}"),
            "save the table as UTF-8",
        )
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

fn reader(text: &str, separator: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .delimiter(separator)
        .from_reader(text.as_bytes())
}

/// Returns whether the file extension of a table implies tabs.
fn has_tabs(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default();
    let mut tabs = ["tsv", "tab"].iter();
    tabs.any(|tabs| ending.eq_ignore_ascii_case(tabs))
}

/// Returns the column separator: the first one that gives every row the same number of cells, or
/// else the first one that splits the first row. Tries tabs first if the file extension implies
/// them.
fn separator(path: &Path, text: &str) -> (u8, &'static str) {
    let lengths = |separator: u8| {
        let rows = reader(text, separator).into_records().take(LOOKED_AT);
        rows.map(|row| row.map_or(0, |row| row.len()))
            .collect::<Vec<_>>()
    };
    let cuts: Vec<_> = SEPARATORS
        .into_iter()
        .map(|separator| (separator, lengths(separator.0)))
        .filter(|(_, lengths)| lengths.first().is_some_and(|&first| first > 1))
        .collect();
    let even = |(_, lengths): &&(_, Vec<usize>)| lengths.iter().all(|&length| length == lengths[0]);
    let by_name = |((separator, _), _): &&((u8, _), _)| *separator == b'\t' && has_tabs(path);
    let best = cuts.iter().find(by_name);
    let best = best.or(cuts.iter().find(even)).or(cuts.first());
    best.map_or(SEPARATORS[0], |&(separator, _)| separator)
}
