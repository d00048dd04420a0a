//! From a path to a dataset, whatever lies there.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::Dataset;
use crate::dataset::{DataError, Labels};

/// The name of the drawn shapes, and how many of them there are.
const SHAPES: &str = "shapes";
const SHAPES_TRAIN: usize = 1920;
const SHAPES_VALID: usize = 300;

/// Their seed for validation, which is far from any that one would take for training.
const HELD_OUT: u64 = 1 << 40;

/// Folders with images to validate with, the first that is there.
const VALID: [&str; 4] = ["val", "valid", "validation", "test"];

/// What lies at a path.
enum Found {
    Shapes,
    Csv,
    Cifar,
    /// Images to train from in `train`, and perhaps others in a folder beside it.
    Parts(Option<PathBuf>),
    Classes,
}

impl Dataset {
    /// Images to train from and others to validate with:
    ///
    /// * a folder with `train` and one of `val`, `valid`, `validation` or `test`, each with one folder a class;
    /// * a folder with one folder a class, of which `share` is split off by `seed`;
    /// * a folder with the binary files of CIFAR-10 or CIFAR-100;
    /// * a `.csv` file with paths and labels, split likewise;
    /// * `shapes`, if nothing is called so: the [drawn shapes](Self::shapes).
    ///
    /// # Errors
    ///
    /// If nothing of the kind is there, or it cannot be split.
    ///
    /// ```
    /// let [train, valid] = resnet_data::Dataset::open("shapes", 0.2, 1)?;
    /// assert_eq!((train.len(), valid.len()), (1920, 300));
    /// # Ok::<(), resnet_data::DataError>(())
    /// ```
    pub fn open(path: impl AsRef<Path>, share: f64, seed: u64) -> Result<[Self; 2], DataError> {
        let path = path.as_ref();
        match find(path) {
            Found::Shapes => Ok([
                Self::shapes(SHAPES_TRAIN, seed),
                Self::shapes(SHAPES_VALID, HELD_OUT),
            ]),
            Found::Csv => Self::csv(path)?.split(share, seed),
            Found::Cifar => Self::cifar(path),
            Found::Parts(None) => Self::folder(path.join("train"))?.split(share, seed),
            Found::Parts(Some(valid)) => {
                let train = Self::folder(path.join("train"))?;
                let valid = Self::folder(&valid)?.with_classes(train.classes(), &valid)?;
                Ok([train, valid])
            }
            Found::Classes => Self::folder(path)?.split(share, seed),
        }
    }

    /// Images to evaluate with: those that [`open`](Self::open) gives to validate with where the path keeps such apart,
    /// else all.
    ///
    /// # Errors
    ///
    /// If no images are there.
    pub fn open_held_out(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        match find(path) {
            Found::Shapes => Ok(Self::shapes(SHAPES_VALID, HELD_OUT)),
            Found::Csv => Self::csv(path),
            Found::Cifar => Self::cifar(path).map(|[_, test]| test),
            Found::Parts(Some(valid)) => Self::folder(valid),
            Found::Parts(None) => Self::folder(path.join("train")),
            Found::Classes => Self::folder(path),
        }
    }

    /// The same images with these classes: each of its own must be among them by its name, or be one of their numbers
    /// where no name is. `origin` is named in errors.
    ///
    /// # Errors
    ///
    /// If a class is not among them.
    pub fn with_classes(
        &self,
        classes: &[String],
        origin: impl AsRef<Path>,
    ) -> Result<Self, DataError> {
        let by_name: HashMap<&str, usize> = classes
            .iter()
            .enumerate()
            .map(|(number, name)| (name.as_str(), number))
            .collect();
        let named = self.classes().iter().map(|name| by_name.get(name.as_str()));
        let numbered = self.classes().iter().map(|name| {
            let number = name.parse().ok();
            number.filter(|&number: &usize| number < classes.len())
        });
        let places: Option<Vec<usize>> = match named.clone().any(|place| place.is_some()) {
            true => named.map(|place| place.copied()).collect(),
            false => numbered.collect(),
        };
        let Some(places) = places else {
            let unknown = self.classes().iter();
            let unknown = unknown.filter(|name| !by_name.contains_key(name.as_str()));
            return Err(DataError::Form {
                path: origin.as_ref().into(),
                expected: format!("classes among {}", listed(classes.iter())),
                found: listed(unknown),
            });
        };
        let move_to = |labels: &Labels| match labels {
            Labels::One(label) => Labels::One(places[*label]),
            Labels::Several(labels) => {
                Labels::Several(labels.iter().map(|&label| places[label]).collect())
            }
        };
        let mut samples = self.samples().to_vec();
        for sample in &mut samples {
            sample.labels = move_to(&sample.labels);
        }
        Ok(Self::new(classes.to_vec(), samples))
    }
}

fn find(path: &Path) -> Found {
    if path == Path::new(SHAPES) && !path.exists() {
        return Found::Shapes;
    }
    if path.is_file() {
        return Found::Csv;
    }
    let has = |name: &str| path.join(name).exists();
    if has("data_batch_1.bin") || has("train.bin") {
        return Found::Cifar;
    }
    match path.join("train").is_dir() {
        true => {
            let valid = VALID.iter().map(|name| path.join(name));
            Found::Parts(valid.into_iter().find(|folder| folder.is_dir()))
        }
        false => Found::Classes,
    }
}

/// The first names, and how many more there are.
fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    const SHOWN: usize = 8;
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.len() {
        count if count <= SHOWN => names.join(", "),
        count => format!("{} and {} more", names[..SHOWN].join(", "), count - SHOWN),
    }
}
