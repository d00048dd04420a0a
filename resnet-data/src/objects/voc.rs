//! Annotations in the format of Pascal VOC: one XML file per image.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::check::{checked, image_size, size_of_file};
use super::{AnnotatedImage, ImageObject, KeypointNames, ObjectDataset, ObjectSource};
use crate::{BadImage, DataError};

/// An XML file of Pascal VOC. Other elements are ignored.
#[derive(Deserialize)]
struct File {
    filename: Option<String>,
    size: Option<Size>,
    #[serde(default)]
    object: Vec<Object>,
}

#[derive(Deserialize)]
struct Size {
    width: usize,
    height: usize,
}

#[derive(Deserialize)]
struct Object {
    name: String,
    #[serde(default)]
    difficult: String,
    bndbox: Corners,
}

#[derive(Deserialize)]
struct Corners {
    xmin: f64,
    ymin: f64,
    xmax: f64,
    ymax: f64,
}

/// The folders of a dataset in the format of Pascal VOC.
pub(super) struct Voc {
    annotations: PathBuf,
    images: PathBuf,
    root: PathBuf,
}

impl Voc {
    /// Returns the folders if `root` has the folder `Annotations` with XML files.
    pub(super) fn at(root: &Path) -> Option<Self> {
        let annotations = root.join("Annotations");
        let mut files = fs::read_dir(&annotations).ok()?.flatten();
        files.find(|file| is_xml(&file.path()))?;
        let images = ["JPEGImages", "images", "Images"].map(|name| root.join(name));
        let images = images.into_iter().find(|folder| folder.is_dir());
        Some(Self {
            images: images.unwrap_or_else(|| root.into()),
            annotations,
            root: root.into(),
        })
    }

    /// Returns the names in the first existing file `ImageSets/Main/NAME.txt`, or `None` without
    /// such a file.
    pub(super) fn image_set(&self, names: &[&str]) -> Result<Option<Vec<String>>, DataError> {
        read_names(&self.root.join("ImageSets/Main"), names)
    }

    /// Returns the names of all XML files without the extension, sorted.
    pub(super) fn all(&self) -> Vec<String> {
        let files = fs::read_dir(&self.annotations)
            .into_iter()
            .flatten()
            .flatten();
        let stem = |path: PathBuf| Some(path.file_stem()?.to_string_lossy().into_owned());
        let files = files.map(|file| file.path()).filter(|path| is_xml(path));
        let mut names: Vec<String> = files.filter_map(stem).collect();
        names.sort();
        names
    }

    /// Reads the annotations of these images. `classes` are the known classes; without them, the
    /// classes are the names of all objects, sorted.
    pub(super) fn read(
        &self,
        names: &[String],
        classes: Option<&[String]>,
    ) -> Result<ObjectDataset, DataError> {
        let mut invalid = Vec::new();
        let mut files = Vec::new();
        for name in names {
            let path = self.annotations.join(format!("{name}.xml"));
            match read(&path) {
                Ok(file) => files.push((name, path, file)),
                Err(reason) => invalid.push(BadImage {
                    name: path.display().to_string(),
                    reason,
                }),
            }
        }
        let classes: Vec<String> = match classes {
            Some(classes) => classes.to_vec(),
            None => {
                let objects = files.iter().flat_map(|(_, _, file)| &file.object);
                let names: BTreeSet<&String> = objects.map(|object| &object.name).collect();
                names.into_iter().cloned().collect()
            }
        };
        let mut images = Vec::new();
        for (name, path, file) in files {
            let image = match self.image(name, file.filename.as_deref()) {
                Some(image) => image,
                None => {
                    invalid.push(BadImage {
                        name: path.display().to_string(),
                        reason: format!(
                            "there is no image `{name}` in `{}`",
                            self.images.display()
                        ),
                    });
                    continue;
                }
            };
            let size = file.size.as_ref().map(|size| [size.height, size.width]);
            let size = match size.filter(|size| !size.contains(&0)) {
                Some(size) => image_size(size),
                None => size_of_file(&image),
            };
            let size = match size {
                Ok(size) => size,
                Err(reason) => {
                    invalid.push(BadImage {
                        name: path.display().to_string(),
                        reason,
                    });
                    continue;
                }
            };
            let mut objects = Vec::new();
            for (number, object) in file.object.iter().enumerate() {
                match read_object(object, &classes, size) {
                    Ok(object) => objects.push(object),
                    Err(reason) => invalid.push(BadImage {
                        name: format!("{}, object {}", path.display(), number + 1),
                        reason,
                    }),
                }
            }
            images.push(AnnotatedImage {
                id: images.len() as u64 + 1,
                source: ObjectSource::File {
                    path: image,
                    size: Some(size),
                    objects,
                },
            });
        }
        if images.is_empty() || classes.is_empty() {
            return Err(DataError::Form {
                path: self.annotations.clone(),
                expected: "XML files of Pascal VOC with objects, and their images".into(),
                found: match invalid.first() {
                    Some(BadImage { name, reason }) => format!("{name}: {reason}"),
                    None => "none".into(),
                },
            });
        }
        Ok(ObjectDataset {
            classes: classes.into(),
            category_ids: None,
            keypoints: KeypointNames::default().into(),
            images: images.into(),
            invalid,
        })
    }

    /// Returns the image of an annotation: the file that it names, else one with its name.
    fn image(&self, name: &str, file: Option<&str>) -> Option<PathBuf> {
        let named = file.map(|file| self.images.join(file));
        let endings = ["jpg", "jpeg", "png", "JPG", "JPEG", "PNG", "bmp", "webp"];
        let others = endings
            .iter()
            .map(|ending| self.images.join(format!("{name}.{ending}")));
        named.into_iter().chain(others).find(|path| path.is_file())
    }
}

/// Returns the first word of each line of the first existing file `NAME.txt` in a folder, or `None`
/// without such a file.
///
/// # Errors
///
/// Returns an error if a file exists but cannot be read as UTF-8.
pub(crate) fn read_names(folder: &Path, names: &[&str]) -> Result<Option<Vec<String>>, DataError> {
    for name in names {
        let path = folder.join(format!("{name}.txt"));
        match fs::read_to_string(&path) {
            Ok(text) => {
                let words = text
                    .lines()
                    .filter_map(|line| line.split_whitespace().next());
                return Ok(Some(words.map(String::from).collect()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(DataError::Io {
                    path,
                    expected: "a list of names in UTF-8",
                    source,
                });
            }
        }
    }
    Ok(None)
}

fn is_xml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("xml"))
}

fn read(path: &Path) -> Result<File, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    quick_xml::de::from_str(&text)
        .map_err(|error| format!("expected an XML file of Pascal VOC: {error}"))
}

/// Pascal VOC counts pixels from 1, and its boxes include the last row and column.
fn read_object(
    object: &Object,
    classes: &[String],
    size: [usize; 2],
) -> Result<ImageObject, String> {
    let class = classes.iter().position(|class| *class == object.name);
    let class = class.ok_or_else(|| format!("unknown class `{}`", object.name))?;
    let Corners {
        xmin,
        ymin,
        xmax,
        ymax,
    } = object.bndbox;
    Ok(ImageObject {
        corners: checked([xmin - 1.0, ymin - 1.0, xmax, ymax], size)?,
        class,
        crowd: object.difficult.trim() == "1",
        ..ImageObject::default()
    })
}
