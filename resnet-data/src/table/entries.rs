//! The images in the rows of a table.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::rows::Row;
use super::{BETWEEN, quotes};
use crate::dataset::DataError;

/// An image with its labels.
pub(super) struct Entry<'a> {
    pub(super) row: &'a Row,
    pub(super) path: &'a str,
    pub(super) labels: Vec<&'a str>,
}

impl<'a> Entry<'a> {
    /// Reads a row of `table`, with the path and the labels in these columns.
    pub(super) fn new(
        table: &Path,
        row: &'a Row,
        columns: [usize; 2],
        separator: u8,
    ) -> Result<Self, DataError> {
        let [path, label] = columns.map(|column| row.cell(column));
        if path.is_empty() {
            return Err(DataError::Form {
                path: table.into(),
                expected: format!("a path and a label in line {}", row.line),
                found: "an empty path".into(),
            });
        }
        if [path, label]
            .iter()
            .any(|cell| quotes::has_rows(cell, separator))
        {
            return Err(quotes::error(table, row.line));
        }
        let mut labels: Vec<&str> = Vec::new();
        for name in label.split(BETWEEN).map(str::trim) {
            if !name.is_empty() && !labels.contains(&name) {
                labels.push(name);
            }
        }
        Ok(Self { row, path, labels })
    }

    fn label_set(&self) -> BTreeSet<&str> {
        self.labels.iter().copied().collect()
    }
}

/// Removes duplicate rows that list the same image with the same labels. Returns a note if there
/// are any.
pub(super) fn merge(
    table: &Path,
    entries: &mut Vec<Entry>,
    several: bool,
) -> Result<Option<String>, DataError> {
    let folder = table.parent().unwrap_or(Path::new(""));
    // A table may mix absolute and relative paths.
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.into());
    let mut known: HashMap<PathBuf, usize> = HashMap::new();
    let mut is_first = vec![true; entries.len()];
    let mut example = None;
    for (place, entry) in entries.iter().enumerate() {
        let &mut first = known.entry(folder.join(entry.path)).or_insert(place);
        if first == place {
            continue;
        }
        let first = &entries[first];
        if first.label_set() != entry.label_set() {
            return Err(conflict(table, first, entry, several));
        }
        is_first[place] = false;
        example.get_or_insert((entry.path, first.row.line, entry.row.line));
    }
    let Some((image, first, second)) = example else {
        return Ok(None);
    };
    let again = is_first.iter().filter(|is_first| !**is_first).count();
    let mut is_first = is_first.into_iter();
    entries.retain(|_| is_first.next().unwrap_or(true));
    let rows = if again == 1 { "row is" } else { "rows are" };
    Ok(Some(format!(
        "`{}`: {again} duplicate {rows} ignored: `{image}` in lines {first} and {second}",
        table.display()
    )))
}

fn conflict(table: &Path, first: &Entry, second: &Entry, several: bool) -> DataError {
    let labels = |entry: &Entry| match entry.labels.as_slice() {
        [] => "no label".into(),
        labels => format!("`{}`", labels.join(";")),
    };
    DataError::Unclear {
        path: table.into(),
        expected: format!(
            "the same labels of `{}` in lines {} and {}",
            second.path, first.row.line, second.row.line
        ),
        found: format!("{} and {}", labels(first), labels(second)),
        advice: match several {
            true => "write all labels of the image into one row",
            false => {
                "remove the wrong row, or write several labels of one image into one row, `cat;dog`"
            }
        }
        .into(),
    }
}
