//! Opens the dataset at a path, whatever its format.

use std::path::Path;

use crate::dataset::DataError;
use crate::layout::{Folders, Purpose, folders, is_cifar};
use crate::{BadImage, DataOptions, Dataset, Layout, SplitOptions, table};

/// The name of the drawn shapes, and their number of images.
const SHAPES: &str = "shapes";
const SHAPES_TRAIN: usize = 1920;
const SHAPES_VALID: usize = 300;

/// The seed of the validation shapes, far from any likely training seed.
const HELD_OUT: u64 = 1 << 40;

/// The format of the dataset at a path.
enum Kind {
    Shapes,
    Table,
    Cifar,
    Folder,
}

impl Dataset {
    /// Opens images for training and images for validation from one of these:
    ///
    /// * a folder with `train` (or `training`) and a validation folder, each with one folder per
    ///   class. The validation folder is `val`, `valid`, `validation` or `dev`, else `test`,
    ///   `testing` or `eval`, in any case;
    /// * a folder with one folder per class; a random fifth becomes the validation split;
    /// * a folder with the binary files of CIFAR-10 or CIFAR-100;
    /// * a [table](Self::csv) of paths and labels, split the same way;
    /// * the word `shapes`, if no file or folder has this name: the [drawn shapes](Self::shapes).
    ///
    /// [`DataOptions`] sets the validation share, the random seed and more.
    ///
    /// # Errors
    ///
    /// Returns an error in the same cases as [`DataOptions::open`].
    ///
    /// ```
    /// let [train, valid] = resnet_data::Dataset::open("shapes")?;
    /// assert_eq!((train.len(), valid.len()), (1920, 300));
    /// # Ok::<(), resnet_data::DataError>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<[Self; 2], DataError> {
        DataOptions::default().open(path)
    }

    /// Opens images for evaluation: the validation split of [`open`](Self::open) if the path has a
    /// separate one, else all images.
    ///
    /// # Errors
    ///
    /// Returns an error in the same cases as [`DataOptions::open_held_out`].
    pub fn open_held_out(path: impl AsRef<Path>) -> Result<Self, DataError> {
        DataOptions::default().open_held_out(path)
    }
}

impl DataOptions {
    /// Opens images for training and images for validation; see [`Dataset::open`].
    ///
    /// # Errors
    ///
    /// Returns an error if the path holds no dataset, if the dataset cannot be split or has only one
    /// class, or if its layout is ambiguous. A layout is ambiguous if:
    ///
    /// * folders of images are nested in other folders;
    /// * a folder named like a split (`val`) lies beside classes;
    /// * there are two training folders.
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

    /// Opens images for evaluation; see [`Dataset::open_held_out`].
    ///
    /// # Errors
    ///
    /// Returns an error in the same cases as [`open`](Self::open), except that one class is enough.
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

    /// Returns the format of the dataset at a path. Returns an error if the options do not apply to
    /// it.
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

/// Splits a dataset; errors name the path.
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

/// Checks that there are at least two classes.
fn several(data: Dataset, path: &Path) -> Result<Dataset, DataError> {
    match data.classes() {
        [class] if !data.is_multi_label() => Err(DataError::Unclear {
            path: path.into(),
            expected: "two classes or more".into(),
            found: format!("`{class}` alone, with {} images", data.len()),
            advice: "add images of another class, or pass the folder or table that has them".into(),
        }),
        _ => Ok(data),
    }
}

/// Checks that every class has readable images to train on.
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

/// Adds a note that lists the classes without validation images.
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
