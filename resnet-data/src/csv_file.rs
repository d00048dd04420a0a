//! A table of paths and labels.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use crate::dataset::{DataError, Dataset, Labels, Sample, Source};

/// What stands between the labels of an image that has several.
const BETWEEN: char = ';';

impl Dataset {
    /// A CSV file with the columns `path` and `label`, in that order, with or without this header. Paths are relative to
    /// the file's folder. Where any image has several labels (`cat;dog`) or none, all images may.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or a row has another form.
    pub fn csv(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|source| DataError::Io {
            path: path.into(),
            expected: "a CSV file with the columns `path` and `label`",
            source,
        })?;
        let malformed = |line: u64, found: String| DataError::Form {
            path: path.into(),
            expected: format!("a path and a label in line {line}"),
            found,
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut rows = Vec::new();
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(file);
        for (index, record) in reader.records().enumerate() {
            let record = record.map_err(|error| {
                let line = error.position().map_or(0, csv::Position::line);
                malformed(line, error.to_string())
            })?;
            let line = record.position().map_or(0, csv::Position::line);
            let [image, labels] = [record.get(0), record.get(1)];
            let (Some(image), Some(labels), 2) = (image, labels, record.len()) else {
                return Err(malformed(line, format!("{} columns", record.len())));
            };
            if index == 0 && (image, labels) == ("path", "label") {
                continue;
            }
            if image.is_empty() {
                return Err(malformed(line, "an empty path".into()));
            }
            let mut names: Vec<String> = Vec::new();
            for name in labels.split(BETWEEN).map(str::trim) {
                if !name.is_empty() && !names.iter().any(|known| known == name) {
                    names.push(name.into());
                }
            }
            rows.push((folder.join(image), names));
        }
        if rows.iter().all(|(_, labels)| labels.is_empty()) {
            return Err(DataError::Form {
                path: path.into(),
                expected: "labelled images".into(),
                found: "none".into(),
            });
        }
        let classes: BTreeSet<String> = rows
            .iter()
            .flat_map(|(_, labels)| labels)
            .cloned()
            .collect();
        let numbers: BTreeMap<String, usize> = classes
            .into_iter()
            .enumerate()
            .map(|(number, name)| (name, number))
            .collect();
        let several = rows.iter().any(|(_, labels)| labels.len() != 1);
        let sample = |(path, names): (_, Vec<String>)| {
            let labels: Vec<usize> = names.iter().map(|name| numbers[name]).collect();
            Sample {
                source: Source::File(path),
                labels: match (several, labels.as_slice()) {
                    (false, &[label]) => Labels::One(label),
                    _ => Labels::Several(labels),
                },
            }
        };
        let samples = rows.into_iter().map(sample).collect();
        Ok(Self::new(numbers.into_keys().collect(), samples))
    }
}
