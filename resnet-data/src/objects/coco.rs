//! Annotations in COCO's JSON format.

mod file;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use hotcoco::types::{Annotation, Category, Segmentation};

use self::file::{CocoFile, FileAnnotation, name};
use super::check::{checked, image_size, size_of_file};
use super::{AnnotatedImage, ImageObject, KeypointNames, ObjectDataset, ObjectMask, ObjectSource};
use crate::{BadImage, DataError};

impl ObjectDataset {
    /// Reads annotations in COCO's format: a JSON file with `images`, `annotations` and
    /// `categories`. Classes are the categories, in the order of their ids. `images` is the folder of
    /// the images.
    ///
    /// Boxes are clipped to the image. Invalid annotations and images without a file are left out;
    /// [`invalid`](Self::invalid) lists them.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, has another format, or has no images or
    /// categories.
    pub fn coco(file: impl AsRef<Path>, images: impl AsRef<Path>) -> Result<Self, DataError> {
        let file = file.as_ref();
        let form = |found: String| DataError::Form {
            path: file.into(),
            expected: "annotations in COCO's format: `images`, `annotations` and `categories`"
                .into(),
            found,
        };
        let reader = File::open(file).map_err(|source| DataError::Io {
            path: file.into(),
            expected: "a file with annotations in COCO's format",
            source,
        })?;
        let data: CocoFile = serde_json::from_reader(BufReader::new(reader))
            .map_err(|error| form(format!("invalid JSON: {error}")))?;
        if data.categories.is_empty() {
            return Err(form("no categories".into()));
        }
        if data.images.is_empty() {
            return Err(form("no images".into()));
        }
        let mut categories: Vec<&Category> = data.categories.iter().collect();
        categories.sort_by_key(|category| category.id);
        if let Some(pair) = categories.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(form(format!("two categories with the id {}", pair[0].id)));
        }
        let keypoints = keypoints(&categories);
        let classes: HashMap<u64, usize> = categories
            .iter()
            .enumerate()
            .map(|(class, category)| (category.id, class))
            .collect();
        let mut invalid = Vec::new();
        let mut found = Vec::new();
        let mut places = HashMap::new();
        for image in &data.images {
            let path = images.as_ref().join(&image.file_name);
            let mut report = |reason: String| {
                invalid.push(BadImage {
                    name: format!("{}, image {}", file.display(), image.id),
                    reason,
                });
            };
            let size = match path.is_file() {
                false => {
                    report(format!("there is no file `{}`", path.display()));
                    continue;
                }
                true => [image.height as usize, image.width as usize],
            };
            let size = match size.contains(&0) {
                false => image_size(size),
                true => size_of_file(&path),
            };
            let size = match size {
                Ok(size) => size,
                Err(reason) => {
                    report(reason);
                    continue;
                }
            };
            let Entry::Vacant(place) = places.entry(image.id) else {
                report("another image has the same id".into());
                continue;
            };
            place.insert((found.len(), size));
            found.push(AnnotatedImage {
                id: image.id,
                source: ObjectSource::File {
                    path,
                    size: Some(size),
                    objects: Vec::new(),
                },
            });
        }
        let known: HashMap<u64, ()> = data.images.iter().map(|image| (image.id, ())).collect();
        for (number, annotation) in data.annotations.into_iter().enumerate() {
            let mut report = |id, image, reason| {
                invalid.push(BadImage {
                    name: format!("{}, {}", file.display(), name(number, id, image)),
                    reason,
                });
            };
            let (annotation, has_id) = match annotation {
                FileAnnotation::Valid { annotation, has_id } => (annotation, has_id),
                FileAnnotation::Malformed { id, image, reason } => {
                    report(id, image, reason);
                    continue;
                }
            };
            let (id, image) = (annotation.id, annotation.image_id);
            let object = match places.get(&image) {
                Some((place, size)) => {
                    let object = object(annotation, &classes, keypoints.names.len(), *size);
                    object.map(|object| (*place, object))
                }
                // The image is reported.
                None if known.contains_key(&image) => continue,
                None => Err(format!("there is no image {image}")),
            };
            match object {
                Ok((place, object)) => {
                    if let ObjectSource::File { objects, .. } = &mut found[place].source {
                        objects.push(object);
                    }
                }
                Err(reason) => {
                    let id = has_id.then(|| id.to_string());
                    report(id, Some(image.to_string()), reason);
                }
            }
        }
        if found.is_empty() {
            let folder = images.as_ref().display();
            return Err(form(format!("no image that exists in `{folder}`")));
        }
        Ok(Self {
            classes: categories
                .iter()
                .map(|category| category.name.clone())
                .collect(),
            category_ids: Some(categories.iter().map(|category| category.id).collect()),
            keypoints: keypoints.into(),
            images: found.into(),
            invalid,
        })
    }
}

/// Returns the keypoints of the first category that has some. COCO counts them from 1 in skeletons.
fn keypoints(categories: &[&Category]) -> KeypointNames {
    let named = categories.iter().find_map(|category| {
        let names = category
            .keypoints
            .clone()
            .filter(|names| !names.is_empty())?;
        let pairs = category.skeleton.clone().unwrap_or_default();
        let pairs = pairs.into_iter().filter_map(|[a, b]| {
            let pair = [a.checked_sub(1)? as usize, b.checked_sub(1)? as usize];
            (pair[0] < names.len() && pair[1] < names.len()).then_some(pair)
        });
        let skeleton = pairs.collect();
        Some(KeypointNames { names, skeleton })
    });
    named.unwrap_or_default()
}

fn object(
    annotation: Annotation,
    classes: &HashMap<u64, usize>,
    keypoints: usize,
    size: [usize; 2],
) -> Result<ImageObject, String> {
    let category = annotation.category_id;
    let class = classes.get(&category);
    let class = class.ok_or_else(|| format!("there is no category {category}"))?;
    let [x, y, w, h] = annotation.bbox.ok_or("it has no `bbox`")?;
    Ok(ImageObject {
        corners: checked([x, y, x + w, y + h], size)?,
        class: *class,
        mask: annotation
            .segmentation
            .map(|mask| self::mask(mask, size))
            .transpose()?
            .flatten(),
        keypoints: match (&annotation.keypoints, keypoints) {
            (_, 0) => Vec::new(),
            (None, count) => vec![[0.0; 3]; count],
            // Some tools write an empty list for objects without keypoints.
            (Some(values), count) if values.is_empty() => vec![[0.0; 3]; count],
            (Some(values), count) if values.len() == 3 * count => {
                let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
                values.as_chunks().0.to_vec()
            }
            (Some(values), count) => {
                return Err(format!(
                    "expected {} numbers for {count} keypoints, found {}",
                    3 * count,
                    values.len()
                ));
            }
        },
        crowd: annotation.iscrowd,
        annotated_bounds: annotation.bbox,
        annotated_area: annotation.area,
    })
}

/// Returns the mask, or `None` for an empty list of polygons.
fn mask(mask: Segmentation, [height, width]: [usize; 2]) -> Result<Option<ObjectMask>, String> {
    if let Segmentation::Polygon(polygons) = mask {
        let valid = |polygon: &Vec<f64>| {
            let finite = polygon.iter().all(|value| value.is_finite());
            finite && polygon.len() >= 6 && polygon.len().is_multiple_of(2)
        };
        return match polygons.iter().all(valid) {
            true if polygons.is_empty() => Ok(None),
            true => Ok(Some(ObjectMask::Polygons(polygons))),
            false => Err("expected polygons of at least three corners, each `x, y`".into()),
        };
    }
    let rle = mask.to_rle(height as u32, width as u32);
    let rle = rle.map_err(|error| format!("its mask: {error}"))?;
    let size = [rle.h as usize, rle.w as usize];
    match size == [height, width] {
        true => Ok(Some(ObjectMask::of_runs(rle.counts, size))),
        false => Err(format!(
            "its mask has {} x {} pixels, the image {width} x {height}",
            size[1], size[0]
        )),
    }
}
