//! A table of paths and labels.

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

/// What stands between the labels of an image that has several.
const BETWEEN: char = ';';

impl Dataset {
    /// Opens a table as text: a CSV file with a column of paths, relative to the file's folder, and one of labels.
    ///
    /// Without a header the paths come first. A header may name the columns `path` and `label` or what is customary
    /// (`image`, `filename`, `class`, in any case), in any order and beside other columns; otherwise the columns are told
    /// by the files that exist, and [noted](Self::notes). Tabs, `;` or `|` may stand between the columns.
    ///
    /// Where an image has several labels (`cat;dog`), or one ends in `;`, all images may have several or none.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, a row has another form, the columns are not clear, or a label is missing where every
    /// other image has exactly one.
    pub fn csv(path: impl AsRef<Path>) -> Result<Self, DataError> {
        read(path.as_ref(), &DataOptions::default(), false)
    }
}

/// Opens a table, with its columns named or not; one file at least must exist.
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
        expected: "labelled images".into(),
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
        // Of one class, an image has it or not.
        let [class] = classes.as_slice() else {
            return Err(error);
        };
        several = true;
        presence = Some(format!(
            "`{}`: images without a label are taken for those without `{class}`",
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

/// Why it is wrong that images have no label, where none has several; none where all have one.
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
