//! The metrics of each epoch, as CSV and as JSON Lines.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use resnet_files::write_atomically;
use serde::{Deserialize, Serialize};

/// The metrics of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// `head` for the phase that trains only the classifier, else `all`.
    pub phase: String,
    /// The epoch, from 1.
    pub epoch: u64,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// The training loss, averaged over the steps.
    pub train_loss: f64,
    /// The validation loss.
    pub valid_loss: f64,
    /// The top-1 accuracy on the validation set, from 0 to 1.
    pub top1: f64,
    /// The top-5 accuracy on the validation set, from 0 to 1.
    pub top5: f64,
    /// The expected calibration error on the validation set.
    pub calibration_error: f64,
    /// Images per second in training, without validation.
    pub images_per_second: f64,
    /// Seconds of the epoch, including validation.
    pub seconds: f64,
}

const PHASES: [&str; 2] = ["head", "all"];

/// The maximum size of a log file in bytes.
const LARGEST: u64 = 1 << 30;

/// The metrics of a run, in two files that are rewritten after each epoch.
#[derive(Debug)]
pub struct Log {
    csv: PathBuf,
    jsonl: PathBuf,
    rows: Vec<Row>,
}

/// An error in writing or reading the metrics.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The file cannot be written.
    #[error("`{}`: cannot be written; check the folder, your write permission and the free disk space", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file of a resumed run cannot be read.
    #[error("`{}`: expected the metrics of a run, one JSON object per line", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The problem.
        source: io::Error,
    },
}

/// Reads the text of a regular file.
pub(super) fn text(path: &Path) -> io::Result<String> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("no regular file"));
    }
    let mut text = String::new();
    File::open(path)?.take(LARGEST).read_to_string(&mut text)?;
    Ok(text)
}

impl Log {
    /// Creates an empty log, which writes `metrics.csv` and `metrics.jsonl` in a folder.
    pub fn new(folder: &Path) -> Self {
        Self {
            csv: folder.join("metrics.csv"),
            jsonl: folder.join("metrics.jsonl"),
            rows: Vec::new(),
        }
    }

    /// Reads the log of an earlier run from a folder, and keeps the rows that `keep` accepts.
    /// Without a file, the log is empty.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read or is not a log.
    pub fn resume(folder: &Path, keep: impl Fn(&Row) -> bool) -> Result<Self, LogError> {
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
        let rows: Vec<Row> = rows
            .collect::<Result<_, _>>()
            .map_err(|error| read(error.into()))?;
        if let Some(row) = rows.iter().find(|row| !PHASES.contains(&&*row.phase)) {
            let found = format!("expected the phase head or all, found {:?}", row.phase);
            return Err(read(io::Error::other(found)));
        }
        log.rows = rows.into_iter().filter(keep).collect();
        Ok(log)
    }

    /// Adds an epoch and writes both files.
    ///
    /// # Errors
    ///
    /// Returns an error if a file cannot be written; it then stays unchanged.
    pub fn push(&mut self, row: Row) -> Result<(), LogError> {
        self.rows.push(row);
        let write = |path: &Path, bytes: io::Result<Vec<u8>>| {
            let written = bytes.and_then(|bytes| write_atomically(path, &bytes));
            written.map_err(|source| LogError::Write {
                path: path.into(),
                source,
            })
        };
        write(&self.csv, self.to_csv())?;
        write(&self.jsonl, self.to_jsonl())
    }

    /// Returns all rows.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    fn to_csv(&self) -> io::Result<Vec<u8>> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for row in &self.rows {
            writer.serialize(row).map_err(io::Error::other)?;
        }
        writer
            .into_inner()
            .map_err(|error| io::Error::other(error.to_string()))
    }

    fn to_jsonl(&self) -> io::Result<Vec<u8>> {
        let mut text = String::new();
        for row in &self.rows {
            text += &serde_json::to_string(row)?;
            text.push('\n');
        }
        Ok(text.into_bytes())
    }
}
