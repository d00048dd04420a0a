//! The figures of each epoch, as CSV and as JSON lines.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use resnet_files::write_atomically;
use serde::{Deserialize, Serialize};

/// The figures of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// `head` for the phase in which the classifier learns alone, else `all`.
    pub phase: String,
    /// From 1.
    pub epoch: u64,
    /// Of the last step.
    pub learning_rate: f64,
    /// The mean over the epoch's steps.
    pub train_loss: f64,
    /// Of the validation images, as those below.
    pub valid_loss: f64,
    /// The share of images whose class was predicted.
    pub top1: f64,
    /// The share of images whose class is among the five most probable.
    pub top5: f64,
    /// The expected calibration error.
    pub calibration_error: f64,
    /// Of the training, without the validation.
    pub images_per_second: f64,
    /// Of the epoch, with the validation.
    pub seconds: f64,
}

const PHASES: [&str; 2] = ["head", "all"];

/// The most bytes of a file that is read again.
const LARGEST: u64 = 1 << 30;

/// The figures of a run, in two files that are written anew after each epoch.
#[derive(Debug)]
pub struct Log {
    csv: PathBuf,
    jsonl: PathBuf,
    rows: Vec<Row>,
}

/// Why the figures cannot be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The file cannot be written.
    #[error("`{}`: cannot be written; check the folder, your right to write there and the space left", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file of a run that goes on cannot be read.
    #[error("`{}`: expected the figures of a run, one JSON object a line", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
}

/// The text of a regular file.
fn text(path: &Path) -> io::Result<String> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("no regular file"));
    }
    let mut text = String::new();
    File::open(path)?.take(LARGEST).read_to_string(&mut text)?;
    Ok(text)
}

impl Log {
    /// No figures yet, in `metrics.csv` and `metrics.jsonl` of a folder.
    pub fn new(folder: &Path) -> Self {
        Self {
            csv: folder.join("metrics.csv"),
            jsonl: folder.join("metrics.jsonl"),
            rows: Vec::new(),
        }
    }

    /// The figures that a run left in a folder, as far as `keep` wants them; none where there are no files.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
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

    /// One more epoch.
    ///
    /// # Errors
    ///
    /// If a file cannot be written; it is as it was then.
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

    /// The figures so far.
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
