//! Opens the annotated images at a path, whatever their format.

use std::fs;
use std::path::{Path, PathBuf};

use super::voc::Voc;
use super::{AnnotatedImage, ObjectDataset};
use crate::class_maps::held_out;
use crate::{DataError, SplitOptions};

/// The name of the drawn scenes, and their number of images.
const SCENES: &str = "scenes";
const SCENES_TRAIN: usize = 2400;
const SCENES_VALID: usize = 200;

/// The seed of the validation scenes, far from any likely training seed.
const HELD_OUT: u64 = 1 << 40;

/// Names of training and validation splits.
const TRAIN: [&str; 3] = ["train", "training", "trainval"];
const VALID: [&str; 5] = ["val", "valid", "validation", "dev", "test"];

/// Options to open annotated images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObjectOptions {
    /// The folder of the images of COCO files [default: the folder that the layout suggests].
    pub images: Option<PathBuf>,
    /// Whether to prefer annotations of keypoints: `person_keypoints_train2017.json` over
    /// `instances_train2017.json`.
    pub keypoints: bool,
    /// The validation split, used if the dataset has no separate one. Its seed also draws the
    /// scenes.
    pub split: SplitOptions,
}

/// A COCO file and the folder of its images.
type CocoSplit = (PathBuf, PathBuf);

impl ObjectDataset {
    /// Opens images for training and images for validation from one of these:
    ///
    /// * a COCO file (`.json`). Its images are in [`ObjectOptions::images`], else in the first
    ///   existing folder of: `images` or the file's stem beside the file; `val2017`,
    ///   `images/val2017` or `images` one folder above; the file's own folder;
    /// * a folder in COCO's layout: `annotations/instances_train2017.json` and `train2017`, or with
    ///   `train.json` and `train`, or with `_annotations.coco.json` in `train` and `valid`;
    /// * a folder in Pascal VOC's layout: `Annotations/*.xml`, `JPEGImages`, and possibly
    ///   `ImageSets/Main/train.txt` and `val.txt`;
    /// * the word `scenes`, if no file or folder has this name: the [drawn scenes](Self::scenes).
    ///
    /// Without a validation set, a random share of the images becomes one.
    ///
    /// # Errors
    ///
    /// Returns an error if the path holds no annotations in one of these formats, or too few images
    /// to split.
    pub fn open(path: impl AsRef<Path>, options: &ObjectOptions) -> Result<[Self; 2], DataError> {
        let path = path.as_ref();
        let (images, split) = (options.images.as_ref(), options.split);
        if path == Path::new(SCENES) && !path.exists() {
            return Ok([
                Self::scenes(SCENES_TRAIN, split.seed),
                Self::scenes(SCENES_VALID, HELD_OUT),
            ]);
        }
        if path.is_file() {
            let images = images.cloned().unwrap_or_else(|| folder_of_images(path));
            return Self::coco(path, images)?.split(path, split);
        }
        if let Some(voc) = Voc::at(path) {
            return Self::open_voc(&voc, path, split);
        }
        let [train, valid] =
            [&TRAIN[..], &VALID[..]].map(|names| coco_split(path, names, options.keypoints));
        match (train, valid) {
            (Some((file, folder)), valid) => {
                let train = Self::coco(file, images.cloned().unwrap_or(folder))?;
                match valid {
                    None => train.split(path, split),
                    Some((file, folder)) => {
                        let valid = Self::coco(&file, images.cloned().unwrap_or(folder))?;
                        same_classes(&train, &valid, &file)?;
                        Ok([train, valid])
                    }
                }
            }
            _ => Err(DataError::Form {
                path: path.into(),
                expected: "a COCO file, a folder with `annotations/instances_train*.json` or \
                           `train/_annotations.coco.json`, or a folder of Pascal VOC with \
                           `Annotations`"
                    .into(),
                found: match path.is_dir() {
                    true => "a folder without them".into(),
                    false => "nothing".into(),
                },
            }),
        }
    }

    fn open_voc(voc: &Voc, path: &Path, split: SplitOptions) -> Result<[Self; 2], DataError> {
        match (voc.image_set(&TRAIN)?, voc.image_set(&VALID)?) {
            (Some(train), Some(valid)) => {
                let every: Vec<String> = train.iter().chain(&valid).cloned().collect();
                let classes = voc.read(&every, None)?.classes;
                let train = voc.read(&train, Some(&classes))?;
                let valid = voc.read(&valid, Some(&classes))?;
                Ok([train, valid])
            }
            (Some(train), None) => voc.read(&train, None)?.split(path, split),
            _ => voc.read(&voc.all(), None)?.split(path, split),
        }
    }

    /// Splits off a random share of the images.
    fn split(self, path: &Path, options: SplitOptions) -> Result<[Self; 2], DataError> {
        let held_out = held_out(self.len(), path, options)?;
        let part = |wanted: bool| -> Vec<AnnotatedImage> {
            let images = self.images.iter().zip(&held_out);
            let chosen = images.filter(|(_, held_out)| **held_out == wanted);
            chosen.map(|(image, _)| image.clone()).collect()
        };
        let mut valid = self.with_images(part(true));
        // The training set reports them.
        valid.invalid.clear();
        Ok([self.with_images(part(false)), valid])
    }
}

/// Returns the folder of the images of a COCO file.
fn folder_of_images(file: &Path) -> PathBuf {
    let parent = file.parent().unwrap_or(Path::new(""));
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let above = parent.parent().unwrap_or(Path::new(""));
    // `annotations/instances_val2017.json` belongs to `val2017`.
    let split = stem.rsplit('_').next().unwrap_or(&stem);
    let candidates = [
        parent.join("images"),
        parent.join(&*stem),
        above.join(split),
        above.join("images").join(split),
        above.join("images"),
    ];
    let found = candidates.into_iter().find(|folder| folder.is_dir());
    found.unwrap_or_else(|| parent.into())
}

/// Returns the first COCO file of a split in a folder.
fn coco_split(root: &Path, names: &[&str], keypoints: bool) -> Option<CocoSplit> {
    names.iter().find_map(|name| {
        let beside = root.join(name).join("_annotations.coco.json");
        if beside.is_file() {
            return Some((beside, root.join(name)));
        }
        let file = [root.to_path_buf(), root.join("annotations")]
            .iter()
            .find_map(|folder| json_of_split(folder, name, keypoints))?;
        let images = folder_of_images(&file);
        let own = root.join(name);
        Some((file, if own.is_dir() { own } else { images }))
    })
}

/// Returns the file `NAME.json`, `instances_NAME.json` or `instances_NAME2017.json`. Files of
/// keypoints come last, or first if they are preferred.
fn json_of_split(folder: &Path, name: &str, keypoints: bool) -> Option<PathBuf> {
    let files = fs::read_dir(folder).ok()?.flatten().map(|file| file.path());
    let mut fitting: Vec<(usize, PathBuf)> = files
        .filter_map(|path| {
            let stem = path.file_stem()?.to_string_lossy().to_lowercase();
            let is_json = path.extension()?.eq_ignore_ascii_case("json");
            let split = stem.trim_end_matches(|c: char| c.is_ascii_digit());
            let rank = match split.strip_suffix(name)? {
                "" => 1,
                "instances_" => 2,
                "person_keypoints_" if keypoints => 0,
                "person_keypoints_" => 3,
                _ => return None,
            };
            is_json.then_some((rank, path))
        })
        .collect();
    fitting.sort();
    fitting.into_iter().next().map(|(_, path)| path)
}

fn same_classes(
    train: &ObjectDataset,
    valid: &ObjectDataset,
    file: &Path,
) -> Result<(), DataError> {
    if train.keypoints != valid.keypoints {
        return Err(DataError::Form {
            path: file.into(),
            expected: format!(
                "the keypoints of the training set: {}",
                train.keypoints.names.join(", ")
            ),
            found: valid.keypoints.names.join(", "),
        });
    }
    match train.classes == valid.classes {
        true => Ok(()),
        false => Err(DataError::Form {
            path: file.into(),
            expected: format!(
                "the categories of the training set: {}",
                train.classes.join(", ")
            ),
            found: valid.classes.join(", "),
        }),
    }
}
