//! From a path to a dataset, whatever lies there.

use std::path::Path;

use crate::dataset::DataError;
use crate::layout::{Folders, Purpose, folders, is_cifar};
use crate::{BadImage, DataOptions, Dataset, Layout, SplitOptions, table};

/// The name of the drawn shapes, and how many of them there are.
const SHAPES: &str = "shapes";
const SHAPES_TRAIN: usize = 1920;
const SHAPES_VALID: usize = 300;

/// Their seed for validation, which is far from any that one would take for training.
const HELD_OUT: u64 = 1 << 40;

/// What lies at a path.
enum Kind {
    Shapes,
    Table,
    Cifar,
    Folder,
}

impl Dataset {
    /// Opens images to train from and others to validate with:
    ///
    /// * a folder with `train` (or `training`) and one of `val`, `valid`, `validation`, `dev`, else `test`, `testing` or
    ///   `eval`, in any case, each with one folder a class;
    /// * a folder with one folder a class, of which a fifth is split off at random;
    /// * a folder with the binary files of CIFAR-10 or CIFAR-100;
    /// * a [table](Self::csv) of paths and labels, split the same way;
    /// * `shapes`, if nothing is called so: the [drawn shapes](Self::shapes).
    ///
    /// [`DataOptions`] set the share, the random seed and more.
    ///
    /// # Errors
    ///
    /// As for [`DataOptions::open`].
    ///
    /// ```
    /// let [train, valid] = resnet_data::Dataset::open("shapes")?;
    /// assert_eq!((train.len(), valid.len()), (1920, 300));
    /// # Ok::<(), resnet_data::DataError>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<[Self; 2], DataError> {
        DataOptions::default().open(path)
    }

    /// Opens images to evaluate with: those that [`open`](Self::open) gives to validate with where the path keeps such
    /// apart, else all.
    ///
    /// # Errors
    ///
    /// As for [`DataOptions::open_held_out`].
    pub fn open_held_out(path: impl AsRef<Path>) -> Result<Self, DataError> {
        DataOptions::default().open_held_out(path)
    }
}

impl DataOptions {
    /// Opens images to train from and others to validate with, as [`Dataset::open`].
    ///
    /// # Errors
    ///
    /// If nothing of the kind is there, it cannot be split, there is one class only, or it is not clear what the classes
    /// are: folders of folders of images, folders named after parts (`val`) beside classes, two folders to train from.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<[Dataset; 2], DataError> {
        let path = path.as_ref();
        match self.kind(path)? {
            Kind::Shapes => Ok([
                Dataset::shapes_with_seed(SHAPES_TRAIN, self.split.seed),
                Dataset::shapes_with_seed(SHAPES_VALID, HELD_OUT),
            ]),
            Kind::Cifar => Dataset::cifar(path),
            Kind::Table => split(&several(table::open(path, self)?, path)?, path, self.split),
            Kind::Folder => {
                let Folders {
                    first,
                    valid,
                    notes,
                } = folders(path, self.layout, Purpose::Train)?;
                let train = several(Dataset::folder(&first)?, &first)?;
                check_readable(&train, &first)?;
                let [train, valid] = match valid {
                    None => split(&train, &first, self.split)?,
                    Some(folder) => {
                        let valid = Dataset::folder(&folder)?;
                        let valid = valid.with_classes_named(train.classes(), &folder)?;
                        [train, with_missing_told(valid, &folder)]
                    }
                };
                Ok([with_notes(train, notes), valid])
            }
        }
    }

    /// Opens images to evaluate with, as [`Dataset::open_held_out`].
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), but that one class is enough.
    pub fn open_held_out(&self, path: impl AsRef<Path>) -> Result<Dataset, DataError> {
        let path = path.as_ref();
        match self.kind(path)? {
            Kind::Shapes => Ok(Dataset::shapes_with_seed(SHAPES_VALID, HELD_OUT)),
            Kind::Table => table::open(path, self),
            Kind::Cifar => Dataset::cifar(path).map(|[_, test]| test),
            Kind::Folder => {
                let Folders { first, notes, .. } = folders(path, self.layout, Purpose::Evaluate)?;
                Ok(with_notes(Dataset::folder(first)?, notes))
            }
        }
    }

    /// What lies at a path, if the options go with it.
    fn kind(&self, path: &Path) -> Result<Kind, DataError> {
        let kind = match path {
            path if path.is_file() => Kind::Table,
            path if path == Path::new(SHAPES) && !path.exists() => Kind::Shapes,
            path if is_cifar(path) => Kind::Cifar,
            _ => Kind::Folder,
        };
        let columns = self.path_column.is_some() || self.label_column.is_some();
        let misplaced = match kind {
            Kind::Table if self.layout != Layout::Auto => Some(("a folder for a layout", "a file")),
            Kind::Table => None,
            _ if columns => Some(("a table for names of columns", "none")),
            _ => None,
        };
        match misplaced {
            None => Ok(kind),
            Some((expected, found)) => Err(DataError::Form {
                path: path.into(),
                expected: expected.into(),
                found: found.into(),
            }),
        }
    }
}

/// Two parts of what lies at a path, which errors name.
fn split(data: &Dataset, path: &Path, options: SplitOptions) -> Result<[Dataset; 2], DataError> {
    data.split(options).map_err(|error| match error {
        DataError::TooFew { expected, found } => DataError::Form {
            path: path.into(),
            expected,
            found,
        },
        error => error,
    })
}

/// That there is something to tell apart.
fn several(data: Dataset, path: &Path) -> Result<Dataset, DataError> {
    match data.classes() {
        [class] if !data.is_multi_label() => Err(DataError::Unclear {
            path: path.into(),
            expected: "two classes or more".into(),
            found: format!("`{class}` alone, with {} images", data.len()),
            advice: "add images of another class, or pass what holds them".into(),
        }),
        _ => Ok(data),
    }
}

/// That no class is left without images to train from.
fn check_readable(train: &Dataset, folder: &Path) -> Result<(), DataError> {
    let counts = train.counts();
    let Some(class) = counts.iter().position(|&count| count == 0) else {
        return Ok(());
    };
    let path = folder.join(&train.classes()[class]);
    let mut unreadable = train.unreadable().iter();
    let first = unreadable.find(|image| Path::new(&image.name).starts_with(&path));
    Err(DataError::Unclear {
        path,
        expected: "images of the class that the folder is named after".into(),
        found: first.map_or("none".into(), |BadImage { name, reason }| {
            format!("none that can be read: `{name}`: {reason}")
        }),
        advice: "restore the images, or remove the folder".into(),
    })
}

fn with_notes(data: Dataset, notes: Vec<String>) -> Dataset {
    notes.into_iter().fold(data, Dataset::with_note)
}

/// With a note of the classes that cannot be validated.
fn with_missing_told(data: Dataset, folder: &Path) -> Dataset {
    let counts = data.counts().into_iter().zip(data.classes());
    let missing: Vec<&String> = counts
        .filter(|(count, _)| *count == 0)
        .map(|(_, name)| name)
        .collect();
    if missing.is_empty() {
        return data;
    }
    let missing = crate::classes::listed(missing.into_iter());
    data.with_note(format!("`{}`: no images of {missing}", folder.display()))
}
