//! The binary format of CIFAR-10 and CIFAR-100.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dataset::{DataError, Dataset, Sample, SampleLabels, Source};

/// The side of an image, in pixels.
const SIDE: u32 = 32;

/// The number of bytes of an image.
const PIXELS: usize = 3 * 32 * 32;

/// The limit on the bytes read from one file. CIFAR-100's 50,000 training records take 154 MB.
const MAX_BYTES: u64 = 1 << 30;

/// The files of CIFAR-10 or CIFAR-100, as listed on <https://www.cs.toronto.edu/~kriz/cifar.html>.
struct Files {
    train: &'static [&'static str],
    test: &'static [&'static str],
    names: &'static str,
    classes: usize,
    /// The bytes before the pixels; the last of them is the label.
    labels: usize,
}

const CIFAR10: Files = Files {
    train: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    test: &["test_batch.bin"],
    names: "batches.meta.txt",
    classes: 10,
    labels: 1,
};

const CIFAR100: Files = Files {
    train: &["train.bin"],
    test: &["test.bin"],
    names: "fine_label_names.txt",
    classes: 100,
    labels: 2,
};

impl Dataset {
    /// Reads CIFAR-10 or CIFAR-100 (fine labels) from the folder with its binary files. Returns
    /// 50,000 training images and 10,000 test images.
    ///
    /// # Errors
    ///
    /// Returns an error if a file is missing, unreadable, or has another format.
    pub fn cifar(folder: impl AsRef<Path>) -> Result<[Self; 2], DataError> {
        let folder = folder.as_ref();
        let files = match folder.join(CIFAR100.names).exists() {
            true => CIFAR100,
            false => CIFAR10,
        };
        let classes = files.class_names(&folder.join(files.names))?;
        let read = |names: &[&str]| -> Result<Self, DataError> {
            let mut samples = Vec::new();
            for name in names {
                files.read(folder.join(name), &mut samples)?;
            }
            Ok(Self::new(classes.clone(), samples).with_own_order())
        };
        Ok([read(files.train)?, read(files.test)?])
    }
}

impl Files {
    fn class_names(&self, path: &Path) -> Result<Vec<String>, DataError> {
        let text = fs::read_to_string(path).map_err(|source| missing(path.into(), source))?;
        let names: Vec<String> = text
            .lines()
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(String::from)
            .collect();
        match names.len() == self.classes {
            true => Ok(names),
            false => Err(DataError::Form {
                path: path.into(),
                expected: format!("the names of {} classes, one per line", self.classes),
                found: format!("{} lines", names.len()),
            }),
        }
    }

    fn read(&self, path: PathBuf, samples: &mut Vec<Sample>) -> Result<(), DataError> {
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes));
        if let Err(source) = read {
            return Err(missing(path, source));
        }
        let record = self.labels + PIXELS;
        if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
            return Err(DataError::Form {
                path,
                expected: format!("records of {record} bytes"),
                found: format!("{} bytes", bytes.len()),
            });
        }
        let labels = bytes
            .chunks_exact(record)
            .map(|record| record[self.labels - 1]);
        let labels: Vec<usize> = labels.map(usize::from).collect();
        if let Some(place) = labels.iter().position(|&label| label >= self.classes) {
            return Err(DataError::Form {
                path,
                expected: format!("labels below {}", self.classes),
                found: format!("{} at record {place}", labels[place]),
            });
        }
        let file = Arc::new((path, bytes));
        samples.extend(labels.into_iter().enumerate().map(|(place, label)| Sample {
            source: Source::Planes {
                file: Arc::clone(&file),
                start: place * record + self.labels,
                side: SIDE,
            },
            labels: SampleLabels::One(label),
        }));
        Ok(())
    }
}

fn missing(path: PathBuf, source: io::Error) -> DataError {
    DataError::Io {
        path,
        expected: "a file of CIFAR's binary version",
        source,
    }
}
