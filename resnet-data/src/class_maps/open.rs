//! Opens the class maps at a path.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rand::seq::SliceRandom;

use super::{ClassMapDataset, ClassMapImage, IGNORE, MAX_CLASSES, Source, read_indices};
use crate::data_loader::with_causes;
use crate::objects::voc::read_names;
use crate::objects::{ObjectDataset, ObjectOptions};
use crate::random::{For, random};
use crate::{BadImage, DataError, SplitOptions};

/// The classes of Pascal VOC, one per line.
const VOC: &str = include_str!("voc21.txt");

/// An image and its class map.
type Pair = (PathBuf, PathBuf);

impl ClassMapDataset {
    /// Opens images for training and images for validation from one of these:
    ///
    /// * a folder with `images` and `masks`, or with these in `train` and `val`. A mask has the name
    ///   of its image and the ending `.png`. `classes.txt` has one class name per line, the
    ///   background first;
    /// * a folder in Pascal VOC's layout: `JPEGImages`, `SegmentationClass`, and possibly
    ///   `ImageSets/Segmentation/train.txt` and `val.txt`;
    /// * everything that [`ObjectDataset::open`] opens, with the masks of its objects.
    ///
    /// Without a validation set, a random share of the images becomes one.
    ///
    /// # Errors
    ///
    /// Returns an error if the path holds no class maps in one of these formats, or too few images
    /// to split.
    pub fn open(path: impl AsRef<Path>, options: &ObjectOptions) -> Result<[Self; 2], DataError> {
        let path = path.as_ref();
        let voc = [path.join("JPEGImages"), path.join("SegmentationClass")];
        if voc.iter().all(|folder| folder.is_dir()) {
            return open_voc(path, &voc, options.split);
        }
        let split = |names: &[&str]| {
            let mut folders = names.iter().map(|name| path.join(name));
            folders.find(|folder| folder.join("masks").is_dir())
        };
        let whole = path.join("masks").is_dir().then(|| path.to_path_buf());
        let Some(train) = split(&["train", "training"]).or(whole) else {
            let objects = ObjectDataset::open(path, options)?;
            let [train, valid] = objects;
            return Ok([Self::of_objects(&train)?, Self::of_objects(&valid)?]);
        };
        let (pairs, invalid) = of_folder(&train)?;
        let valid = split(&["val", "valid", "validation", "test"]);
        let valid = valid.map(|folder| of_folder(&folder)).transpose()?;
        let every = pairs
            .iter()
            .chain(valid.iter().flat_map(|(pairs, _)| pairs));
        let classes = classes(path, every)?;
        let data = Self::of_pairs(&classes, pairs, invalid, path)?;
        match valid {
            Some((pairs, invalid)) => {
                let valid = Self::of_pairs(&classes, pairs, invalid, path)?;
                Ok([data, valid])
            }
            None => data.split(path, options.split),
        }
    }

    fn of_pairs(
        classes: &[String],
        pairs: Vec<Pair>,
        invalid: Vec<BadImage>,
        path: &Path,
    ) -> Result<Self, DataError> {
        if pairs.is_empty() {
            return Err(DataError::Form {
                path: path.into(),
                expected: "images with class maps".into(),
                found: "none".into(),
            });
        }
        let image = |(image, mask)| {
            let classes = classes.len();
            ClassMapImage(Source::Files {
                image,
                mask,
                classes,
            })
        };
        Ok(Self {
            classes: classes.into(),
            category_ids: None,
            images: pairs.into_iter().map(image).collect(),
            invalid,
        })
    }

    /// Splits off a random share of the images.
    fn split(self, path: &Path, options: SplitOptions) -> Result<[Self; 2], DataError> {
        let held_out = held_out(self.len(), path, options)?;
        let part = |wanted: bool| -> Vec<ClassMapImage> {
            let images = self.images.iter().zip(&held_out);
            let chosen = images.filter(|(_, held_out)| **held_out == wanted);
            chosen.map(|(image, _)| image.clone()).collect()
        };
        let valid = Self {
            classes: self.classes.clone(),
            category_ids: self.category_ids.clone(),
            images: part(true),
            invalid: Vec::new(),
        };
        let train = Self {
            images: part(false),
            ..self
        };
        Ok([train, valid])
    }
}

/// Draws the images of the validation set.
///
/// # Errors
///
/// Returns an error if there are fewer than two images, or the share is not between 0 and 1.
pub(crate) fn held_out(
    count: usize,
    path: &Path,
    options: SplitOptions,
) -> Result<Vec<bool>, DataError> {
    if !(options.share > 0.0 && options.share < 1.0) {
        return Err(DataError::Share {
            found: options.share,
        });
    }
    if count < 2 {
        return Err(DataError::Form {
            path: path.into(),
            expected: "two images or more, to split off a validation set".into(),
            found: count.to_string(),
        });
    }
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut random(options.seed, For::Split, [0, 0]));
    let share = (count as f64 * options.share).round() as usize;
    let mut held_out = vec![false; count];
    for place in &order[..share.clamp(1, count - 1)] {
        held_out[*place] = true;
    }
    Ok(held_out)
}

fn open_voc(
    root: &Path,
    [images, masks]: &[PathBuf; 2],
    split: SplitOptions,
) -> Result<[ClassMapDataset; 2], DataError> {
    let folder = root.join("ImageSets/Segmentation");
    let sets = [
        read_names(&folder, &["train", "trainval"])?,
        read_names(&folder, &["val", "test"])?,
    ];
    let classes = match root.join("classes.txt").is_file() {
        true => classes(root, std::iter::empty())?,
        false => VOC.lines().map(String::from).collect(),
    };
    let every = pairs(images, masks)?;
    let by_name: HashMap<String, &Pair> = every
        .0
        .iter()
        .map(|pair| {
            let stem = pair.0.file_stem().unwrap_or_default();
            (stem.to_string_lossy().into_owned(), pair)
        })
        .collect();
    let open = |names: Vec<String>| {
        let (mut pairs, mut missing) = (Vec::new(), Vec::new());
        for name in names {
            match by_name.get(&name) {
                Some(pair) => pairs.push((*pair).clone()),
                None => missing.push(BadImage {
                    name,
                    reason: format!("expected an image and a class map in `{}`", root.display()),
                }),
            }
        }
        ClassMapDataset::of_pairs(&classes, pairs, missing, root)
    };
    match sets {
        [Some(train), Some(valid)] => Ok([open(train)?, open(valid)?]),
        [Some(train), None] => open(train)?.split(root, split),
        // Most images of Pascal VOC have no class map.
        _ => {
            let (pairs, _) = every;
            ClassMapDataset::of_pairs(&classes, pairs, Vec::new(), root)?.split(root, split)
        }
    }
}

fn of_folder(folder: &Path) -> Result<(Vec<Pair>, Vec<BadImage>), DataError> {
    pairs(&folder.join("images"), &folder.join("masks"))
}

/// Returns the images with their class maps, sorted, and the images without one.
fn pairs(images: &Path, masks: &Path) -> Result<(Vec<Pair>, Vec<BadImage>), DataError> {
    let folder = fs::read_dir(images).map_err(|source| DataError::Io {
        path: images.into(),
        expected: "a folder of images",
        source,
    })?;
    let mut files: Vec<PathBuf> = folder.flatten().map(|file| file.path()).collect();
    files.retain(|path| resnet_image::has_image_ending(path));
    files.sort();
    let (mut pairs, mut missing) = (Vec::new(), Vec::new());
    for image in files {
        let mask = masks.join(image.file_stem().unwrap_or_default());
        let mask = mask.with_added_extension("png");
        match mask.is_file() {
            true => pairs.push((image, mask)),
            false => missing.push(BadImage {
                name: image.display().to_string(),
                reason: format!("there is no class map `{}`", mask.display()),
            }),
        }
    }
    Ok((pairs, missing))
}

/// Returns the class names of `classes.txt`, or the names of [`numbered`].
fn classes<'a>(
    root: &Path,
    pairs: impl Iterator<Item = &'a Pair>,
) -> Result<Vec<String>, DataError> {
    let file = root.join("classes.txt");
    let names = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return numbered(root, pairs),
        Err(source) => {
            return Err(DataError::Io {
                path: file,
                expected: "class names in UTF-8, one per line",
                source,
            });
        }
    };
    let names = names.lines().map(str::trim).filter(|line| !line.is_empty());
    let names: Vec<String> = names.map(String::from).collect();
    match names.len() {
        2..=MAX_CLASSES => Ok(names),
        found => Err(DataError::Form {
            path: file,
            expected: "2 to 255 class names, one per line, the background first".into(),
            found: found.to_string(),
        }),
    }
}

/// Returns the names `class 0`, `class 1` and so on, up to the largest index in the readable maps.
///
/// # Errors
///
/// Returns an error if there are maps, but none is readable.
fn numbered<'a>(
    root: &Path,
    pairs: impl Iterator<Item = &'a Pair>,
) -> Result<Vec<String>, DataError> {
    let mut largest: Option<u8> = None;
    let mut problem = None;
    for (_, mask) in pairs {
        match read_indices(mask) {
            Ok((_, map)) => {
                let class = map.into_iter().filter(|class| *class != IGNORE).max();
                largest = largest.max(Some(class.unwrap_or(1).max(1)));
            }
            Err(error) => problem = problem.or(Some(error)),
        }
    }
    match (largest, problem) {
        (None, Some(error)) => Err(DataError::Form {
            path: root.into(),
            expected: "a readable class map, or class names in `classes.txt`".into(),
            found: format!("only unreadable class maps: {}", with_causes(&error)),
        }),
        (largest, _) => Ok((0..=largest.unwrap_or(1))
            .map(|class| format!("class {class}"))
            .collect()),
    }
}
