//! The metrics of each epoch of a detector or segmentation network, as CSV and as JSON Lines.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use resnet_files::write_atomically;
use serde::{Deserialize, Serialize};

use super::LogError;
use super::log::text;

/// The metrics of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DenseRow {
    /// The epoch, from 1.
    pub epoch: u64,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// The training loss, averaged over the steps.
    pub train_loss: f64,
    /// Images per second in training, without validation.
    pub images_per_second: f64,
    /// Seconds of the epoch, including validation.
    pub seconds: f64,
    /// The metrics on the validation set, such as `box AP50`.
    pub metrics: BTreeMap<String, f64>,
}

/// The metrics of a run, in two files that are rewritten after each epoch.
#[derive(Debug)]
pub struct DenseLog {
    csv: PathBuf,
    jsonl: PathBuf,
    rows: Vec<DenseRow>,
}

impl DenseLog {
    /// Creates an empty log, which writes `metrics.csv` and `metrics.jsonl` in a folder.
    pub fn new(folder: &Path) -> Self {
        Self {
            csv: folder.join("metrics.csv"),
            jsonl: folder.join("metrics.jsonl"),
            rows: Vec::new(),
        }
    }

    /// Reads the log of an earlier run from a folder, up to an epoch. Without a file, the log is
    /// empty.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read or is not a log.
    pub fn resume(folder: &Path, epochs: u64) -> Result<Self, LogError> {
        let mut log = Self::new(folder);
        let read = |source: io::Error| LogError::Read {
            path: log.jsonl.clone(),
            source,
        };
        let text = match text(&log.jsonl) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(log),
            text => text.map_err(read)?,
        };
        let rows = text.lines().map(serde_json::from_str);
        let rows: Result<Vec<DenseRow>, _> = rows.collect();
        let rows = rows.map_err(|error| read(error.into()))?.into_iter();
        log.rows = rows.filter(|row| row.epoch <= epochs).collect();
        Ok(log)
    }

    /// Adds an epoch and writes both files.
    ///
    /// # Errors
    ///
    /// Returns an error if a file cannot be written; it then stays unchanged.
    pub fn push(&mut self, row: DenseRow) -> Result<(), LogError> {
        self.rows.push(row);
        let write = |path: &Path, text: &str| {
            let written = write_atomically(path, text.as_bytes());
            written.map_err(|source| LogError::Write {
                path: path.into(),
                source,
            })
        };
        write(&self.csv, &self.to_csv())?;
        let lines = self.rows.iter().map(serde_json::to_string);
        let lines: Result<Vec<String>, _> = lines.collect();
        let lines = lines.map_err(|error| LogError::Write {
            path: self.jsonl.clone(),
            source: error.into(),
        })?;
        write(&self.jsonl, &(lines.join("\n") + "\n"))
    }

    /// Returns all rows.
    pub fn rows(&self) -> &[DenseRow] {
        &self.rows
    }

    /// Returns a table with one column per metric. No name has a comma.
    fn to_csv(&self) -> String {
        let names: BTreeSet<&String> = self
            .rows
            .iter()
            .flat_map(|row| row.metrics.keys())
            .collect();
        let mut text = String::from("epoch,learning_rate,train_loss,images_per_second,seconds");
        for name in &names {
            text.push(',');
            text.push_str(name);
        }
        for row in &self.rows {
            let _ = write!(
                text,
                "\n{},{},{},{},{}",
                row.epoch, row.learning_rate, row.train_loss, row.images_per_second, row.seconds
            );
            for name in &names {
                text.push(',');
                if let Some(value) = row.metrics.get(*name) {
                    let _ = write!(text, "{value}");
                }
            }
        }
        text.push('\n');
        text
    }
}
