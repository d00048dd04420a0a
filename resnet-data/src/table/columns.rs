//! Finds the columns of a table that hold the paths and the labels.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use resnet_image::has_image_ending;

use super::files;
use super::rows::Row;
use crate::DataOptions;
use crate::dataset::DataError;

const OPTIONS: &str = "set `DataOptions::path_column` and `DataOptions::label_column`";

/// The maximum number of columns to show in an error.
const SHOWN: usize = 12;

/// Common names of path columns, in lower case and with `_` between words.
const PATHS: [&str; 24] = [
    "path",
    "paths",
    "file",
    "files",
    "filename",
    "filenames",
    "file_name",
    "file_names",
    "filepath",
    "filepaths",
    "file_path",
    "image",
    "images",
    "image_path",
    "imagepath",
    "image_name",
    "imagename",
    "image_file",
    "image_filename",
    "img",
    "img_path",
    "img_name",
    "picture",
    "photo",
];

/// Common names of label columns.
const LABELS: [&str; 14] = [
    "label",
    "labels",
    "label_name",
    "class",
    "classes",
    "class_name",
    "classname",
    "class_label",
    "category",
    "categories",
    "target",
    "targets",
    "tag",
    "tags",
];

/// The path and label columns of a table.
pub(super) struct Columns {
    pub(super) path: usize,
    pub(super) label: usize,
    /// Whether the first row is a header.
    pub(super) header: bool,
    pub(super) note: Option<String>,
}

/// The search for the columns of a table.
pub(super) struct Search<'a> {
    pub(super) path: &'a Path,
    pub(super) folder: &'a Path,
    pub(super) rows: &'a [Row],
    pub(super) columns: usize,
}

impl Search<'_> {
    /// Finds the columns by the options, or else by the names in the header, or else by their
    /// contents.
    pub(super) fn find(&self, options: &DataOptions) -> Result<Columns, DataError> {
        let wanted = [&options.path_column, &options.label_column];
        let wanted = [
            self.wanted(wanted[0].as_deref())?,
            self.wanted(wanted[1].as_deref())?,
        ];
        let by_name = [&PATHS[..], &LABELS[..]].map(|names| self.called(names));
        let files = || files::columns(self.folder, self.rows, self.columns);
        let path = match (wanted[0], by_name[0].as_slice()) {
            (Some((column, _)), _) => column,
            (None, &[column])
                if self.columns == 2 || by_name[1].len() == 1 || wanted[1].is_some() =>
            {
                column
            }
            _ => match (files().as_slice(), wanted[1]) {
                (&[column], _) => column,
                (_, Some((label, _))) if self.columns == 2 => 1 - label,
                ([], _) => match self.by_ending() {
                    Some(column) => column,
                    None => return Err(self.no_files(&(0..self.columns).collect::<Vec<_>>())),
                },
                _ => return Err(self.unclear("paths")),
            },
        };
        let others: Vec<usize> = (0..self.columns).filter(|&column| column != path).collect();
        let label = match (wanted[1], by_name[1].as_slice(), others.as_slice()) {
            (Some((column, _)), ..) => column,
            (None, _, &[column]) => column,
            (None, &[column], _) if column != path => column,
            _ => self.label_by_content(&others)?,
        };
        if path == label {
            return Err(DataError::Form {
                path: self.path.into(),
                expected: "different columns for paths and labels".into(),
                found: format!("column {} for both", path + 1),
            });
        }
        let named = wanted.iter().flatten().any(|&(_, by_name)| by_name);
        let called = by_name
            .iter()
            .flatten()
            .any(|&column| [path, label].contains(&column));
        let header = self.is_header(path, label, named, called);
        Ok(Columns {
            path,
            label,
            header,
            note: self.note(path, label, header),
        })
    }

    /// Finds a column by its name, or else by its number. Also returns whether the name matched.
    fn wanted(&self, name: Option<&str>) -> Result<Option<(usize, bool)>, DataError> {
        let Some(name) = name else { return Ok(None) };
        let cells = || (0..self.columns).map(|column| self.rows[0].cell(column));
        let exact = cells().position(|cell| cell == name);
        let alike = || cells().position(|cell| normal(cell) == normal(name));
        if let Some(column) = exact.or_else(alike) {
            return Ok(Some((column, true)));
        }
        match name.parse::<usize>() {
            Ok(number) if (1..=self.columns).contains(&number) => Ok(Some((number - 1, false))),
            _ => Err(DataError::Form {
                path: self.path.into(),
                expected: format!("a column `{name}`"),
                found: format!("the columns {}", self.listed()),
            }),
        }
    }

    /// Returns the column with an image file extension in its last cell, if exactly one of two
    /// columns has it. The file need not exist.
    fn by_ending(&self) -> Option<usize> {
        let last = self.rows.last().filter(|_| self.columns == 2)?;
        let is_image = [0, 1].map(|column| has_image_ending(last.cell(column)));
        match is_image {
            [true, false] => Some(0),
            [false, true] => Some(1),
            _ => None,
        }
    }

    /// Returns the columns whose names in the first row are among `names`.
    fn called(&self, names: &[&str]) -> Vec<usize> {
        let is_called =
            |&column: &usize| names.contains(&normal(self.rows[0].cell(column)).as_str());
        (0..self.columns).filter(is_called).collect()
    }

    /// Returns the only column that may contain labels: words that occur in several rows.
    fn label_by_content(&self, others: &[usize]) -> Result<usize, DataError> {
        let body = &self.rows[self.rows.len().min(1)..];
        let one_hot: Vec<usize> = others
            .iter()
            .copied()
            .filter(|&column| !body.is_empty() && body.iter().all(|row| is_mark(row.cell(column))))
            .collect();
        if one_hot.len() > 1 {
            return Err(DataError::Unclear {
                path: self.path.into(),
                expected: "one column with the labels".into(),
                found: format!(
                    "{} columns of 0 and 1: {}",
                    one_hot.len(),
                    self.names(&one_hot)
                ),
                advice: "write the names of the columns that are 1 into one column, `cat;dog`, or set `DataOptions::label_column` to one of them".into(),
            });
        }
        let fit = others
            .iter()
            .copied()
            .filter(|&column| is_label(body, column));
        match fit.collect::<Vec<_>>().as_slice() {
            &[column] => Ok(column),
            _ => Err(self.unclear("labels")),
        }
    }

    /// Returns whether the first row is a header. A header names no file. Either its columns have
    /// known names, or its label cell occurs in no other row.
    fn is_header(&self, path: usize, label: usize, named: bool, called: bool) -> bool {
        let first = &self.rows[0];
        let cell = first.cell(path);
        let likely_file = has_image_ending(cell) || files::is_file(self.folder, cell);
        let mut others = self.rows[1..].iter();
        named || !likely_file && (called || others.all(|row| row.cell(label) != first.cell(label)))
    }

    fn note(&self, path: usize, label: usize, header: bool) -> Option<String> {
        let first = &self.rows[0];
        let names = [path, label].map(|column| normal(first.cell(column)));
        if self.columns == 2 && (!header && path == 0 || header && names == ["path", "label"]) {
            return None;
        }
        let table = self.path.display();
        let name = |column: usize| match header {
            true if !first.cell(column).is_empty() => format!("`{}`", first.cell(column)),
            _ => format!("{}", column + 1),
        };
        let others = (0..self.columns).filter(|column| ![path, label].contains(column));
        let others: Vec<String> = others.map(name).collect();
        let rest = match others.as_slice() {
            [] => String::new(),
            others => format!("; not used: {}", others.join(", ")),
        };
        Some(format!(
            "`{table}`: paths from column {}, labels from column {}{rest}",
            name(path),
            name(label)
        ))
    }

    /// Returns the error for columns in which no cell names a file.
    pub(super) fn no_files(&self, columns: &[usize]) -> DataError {
        let body = &self.rows[usize::from(self.rows.len() > 1)..];
        let cells = |row: &Row| {
            let cells = columns
                .iter()
                .take(SHOWN)
                .map(|&column| format!("`{}`", row.cell(column)));
            cells.collect::<Vec<_>>().join(", ")
        };
        let found = body
            .first()
            .map(|row| format!(", beginning with {} in line {}", cells(row), row.line));
        let advice = files::near_miss(self.folder, body, columns)
            .unwrap_or_else(|| format!("correct the paths, or {OPTIONS}"));
        DataError::Unclear {
            path: self.path.into(),
            expected: "file paths relative to the table's folder".into(),
            found: format!("none{}", found.unwrap_or_default()),
            advice,
        }
    }

    fn unclear(&self, what: &str) -> DataError {
        DataError::Unclear {
            path: self.path.into(),
            expected: format!("exactly one column that may hold the {what}"),
            found: format!("the columns {}", self.listed()),
            advice: OPTIONS.into(),
        }
    }

    fn listed(&self) -> String {
        self.names(&(0..self.columns).collect::<Vec<_>>())
    }

    fn names(&self, columns: &[usize]) -> String {
        let names = columns.iter().take(SHOWN);
        let names: Vec<String> = names
            .map(|&column| format!("`{}`", self.rows[0].cell(column)))
            .collect();
        match columns.len() - names.len() {
            0 => names.join(", "),
            more => format!("{} and {more} more", names.join(", ")),
        }
    }
}

fn normal(name: &str) -> String {
    name.to_lowercase().replace([' ', '-'], "_")
}

fn is_mark(cell: &str) -> bool {
    ["0", "1", "0.0", "1.0", "true", "false"].contains(&cell.to_lowercase().as_str())
}

/// Returns whether the values of a column are words, and at least half of them are repetitions.
fn is_label(body: &[Row], column: usize) -> bool {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for row in body {
        *counts.entry(row.cell(column)).or_default() += 1;
    }
    let is_word = |value: &&str| !value.is_empty() && !value.bytes().any(|byte| byte == b'.');
    let values: HashSet<&str> = counts.into_keys().collect();
    values.len() > 1 && 2 * values.len() <= body.len() && values.iter().all(is_word)
}
