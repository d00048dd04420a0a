//! Tables of paths and labels.

mod columns;
mod entries;
mod files;
mod quotes;
mod rows;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use self::columns::Search;
use self::entries::Entry;
use self::rows::Rows;
use crate::DataOptions;
use crate::dataset::{DataError, Dataset, Sample, SampleLabels, Source};

/// The separator of several labels in a cell.
const BETWEEN: char = ';';

impl Dataset {
    /// Opens a table in text form: a CSV file with a column of paths, relative to the file's
    /// folder, and a column of labels.
    ///
    /// Without a header, the paths are in the first column. A header may name the columns `path`
    /// and `label` or use a common name (`image`, `filename`, `class`, in any case). The columns
    /// may have any order, and the table may have other columns.
    ///
    /// Other headers work if the files exist: the column with their paths is the path column, and a
    /// [note](Self::notes) says so. Tabs, `;` or `|` may separate the columns instead of commas.
    ///
    /// If an image has several labels (`cat;dog`), or a label ends with `;`, the dataset is
    /// multi-label: any image may have several labels or none.
    ///
    /// # Errors
    ///
    /// Returns an error if the file is unreadable, a row has another number of columns, or the
    /// columns are ambiguous. Also returns an error if a label is missing and every other image has
    /// exactly one.
    pub fn csv(path: impl AsRef<Path>) -> Result<Self, DataError> {
        read(path.as_ref(), &DataOptions::default(), false)
    }
}

/// Opens a table, with or without column names in the options. At least one of the listed files
/// must exist.
pub(crate) fn open(path: &Path, options: &DataOptions) -> Result<Dataset, DataError> {
    read(path, options, true)
}

fn read(path: &Path, options: &DataOptions, must_exist: bool) -> Result<Dataset, DataError> {
    let Rows {
        rows,
        columns,
        separator,
        note,
    } = rows::read(path)?;
    let empty = || DataError::Form {
        path: path.into(),
        expected: "labeled images".into(),
        found: "none".into(),
    };
    if rows.is_empty() {
        return Err(empty());
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let search = Search {
        path,
        folder,
        rows: &rows,
        columns,
    };
    let columns = search.find(options)?;
    let body = &rows[usize::from(columns.header)..];
    let entry = |row| Entry::new(path, row, [columns.path, columns.label], separator);
    let mut entries: Vec<Entry> = body.iter().map(entry).collect::<Result<_, _>>()?;
    if entries.iter().all(|entry| entry.labels.is_empty()) {
        return Err(empty());
    }
    if must_exist && !files::has_any(folder, body, columns.path) {
        return Err(search.no_files(&[columns.path]));
    }
    let classes: BTreeSet<&str> = entries
        .iter()
        .flat_map(|entry| &entry.labels)
        .copied()
        .collect();
    let classes: Vec<String> = classes.into_iter().map(String::from).collect();
    let is_several =
        |entry: &Entry| entry.labels.len() > 1 || entry.row.cell(columns.label).ends_with(BETWEEN);
    let mut several = entries.iter().any(is_several);
    let mut presence = None;
    if let (false, Some(error)) = (several, unlabeled(path, &entries)) {
        // With a single class, an image has the class or not.
        let [class] = classes.as_slice() else {
            return Err(error);
        };
        several = true;
        presence = Some(format!(
            "`{}`: images without a label count as images without `{class}`",
            path.display()
        ));
    }
    let repeated = entries::merge(path, &mut entries, several)?;
    let numbered = classes.iter().enumerate();
    let numbers: HashMap<&str, usize> = numbered
        .map(|(number, name)| (name.as_str(), number))
        .collect();
    let sample = |entry: &Entry| {
        let labels: Vec<usize> = entry.labels.iter().map(|&name| numbers[name]).collect();
        Sample {
            source: Source::File(folder.join(entry.path)),
            labels: match (several, labels.as_slice()) {
                (false, &[label]) => SampleLabels::One(label),
                _ => SampleLabels::Several(labels),
            },
        }
    };
    let samples = entries.iter().map(sample).collect();
    let notes = [note, columns.note, presence, repeated];
    let data = Dataset::new(classes.clone(), samples);
    Ok(notes.into_iter().flatten().fold(data, Dataset::with_note))
}

/// Returns the error for images without a label in a dataset that is not multi-label. Returns
/// `None` if every image has one.
fn unlabeled(path: &Path, entries: &[Entry]) -> Option<DataError> {
    let empty = entries.iter().filter(|entry| entry.labels.is_empty());
    let lines: Vec<u64> = empty.map(|entry| entry.row.line).collect();
    let first = lines.first()?;
    Some(DataError::Unclear {
        path: path.into(),
        expected: format!("a label in line {first}, as no image has several"),
        found: match lines.len() {
            1 => "none".into(),
            count => format!("none there and in {} other lines", count - 1),
        },
        advice: "fill it in or remove the line; if images may have no label or several, end their labels in `;`".into(),
    })
}
