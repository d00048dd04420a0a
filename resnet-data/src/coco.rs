//! COCO's metrics of detections, computed by `hotcoco`.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hotcoco::params::IouType;
use hotcoco::types::{Annotation, Category, Dataset, Image, Segmentation};
use hotcoco::{COCO, COCOeval};
use resnet_dense::Detection;
use resnet_dense::ops::rle::Rle;
use serde::{Deserialize, Serialize};

use crate::objects::{ImageObject, ObjectDataset, ObjectMask};

/// The part of detections that is compared with the ground truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CocoTask {
    /// Boxes, by their IoU.
    Boxes,
    /// Masks, by their IoU.
    Masks,
    /// Keypoints, by the object keypoint similarity.
    Keypoints,
}

impl CocoTask {
    /// Returns the name in reports, such as `box`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boxes => "box",
            Self::Masks => "mask",
            Self::Keypoints => "keypoint",
        }
    }
}

/// The metrics that pycocotools prints, from 0 to 1. A metric without ground truth is -1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CocoMetrics {
    /// What was compared.
    pub task: CocoTask,
    /// The twelve numbers of boxes and masks, or the ten of keypoints, in the order of pycocotools.
    pub numbers: Vec<CocoMetric>,
    /// The average precision of each category.
    pub categories: Vec<CategoryPrecision>,
}

/// One of COCO's metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CocoMetric {
    /// Its name: `AP`, `AP50`, `AR_small`.
    pub name: String,
    /// Its value.
    pub value: f64,
}

/// The average precision of a category.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CategoryPrecision {
    /// COCO's id of the category.
    pub id: u64,
    /// The name of the category.
    pub name: String,
    /// Average precision over IoU thresholds from 0.5 to 0.95; -1 without ground truth.
    pub ap: f64,
}

/// The error for files that cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CocoError {
    /// The file cannot be read.
    #[error("cannot read `{}`", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// The file is no annotation file of COCO.
    #[error("`{}`: expected {expected}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the file should contain.
        expected: &'static str,
        /// The reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A result names an image or a category that the ground truth lacks.
    #[error("result {index}: the ground truth has no {kind} {id}")]
    Unknown {
        /// Index of the result, from 0.
        index: usize,
        /// `image` or `category`.
        kind: &'static str,
        /// The unknown id.
        id: u64,
    },
    /// The results cannot be compared.
    #[error("the results do not fit the ground truth")]
    Results(#[source] hotcoco::error::Error),
}

/// The names of the metrics of boxes and masks.
const NAMES: [&str; 12] = [
    "AP",
    "AP50",
    "AP75",
    "AP_small",
    "AP_medium",
    "AP_large",
    "AR_1",
    "AR_10",
    "AR_100",
    "AR_small",
    "AR_medium",
    "AR_large",
];
/// The names of the metrics of keypoints.
const KEYPOINT_NAMES: [&str; 10] = [
    "AP",
    "AP50",
    "AP75",
    "AP_medium",
    "AP_large",
    "AR",
    "AR50",
    "AR75",
    "AR_medium",
    "AR_large",
];

/// Keypoints of a person in COCO.
const PERSON_KEYPOINTS: usize = 17;
/// Standard deviation of keypoints in datasets without COCO's 17, relative to the object's size.
/// COCO's deviations are from 0.025 for eyes to 0.107 for hips.
const SIGMA: f64 = 0.05;

/// Ground truth in COCO's format.
#[derive(Clone)]
pub struct CocoTruth(Arc<COCO>);

/// A detected object of an image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CocoResult {
    /// The id of the image.
    pub image: u64,
    /// The id of the category.
    pub category: u64,
    /// Score from 0 to 1.
    pub score: f64,
    /// Box: `x, y, width, height`.
    pub bounds: [f64; 4],
    /// Size `[height, width]` and compressed run-length encoding of the mask.
    pub mask: Option<([u32; 2], String)>,
    /// Keypoints: `x, y, 1` each.
    pub keypoints: Option<Vec<f64>>,
}

impl CocoResult {
    /// Creates the result of a detection. Its mask has the pixels with a probability above 0.5.
    pub fn of_detection(image: u64, category: u64, found: &Detection) -> Self {
        let [x1, y1, x2, y2] = found.corners.map(f64::from);
        let mask = found.mask.as_ref().map(|mask| {
            let rle = Rle::of_mask(&mask.paste(), 0.5);
            (rle.size.map(|side| side as u32), rle.counts)
        });
        let keypoints = found.keypoints.as_ref().map(|points| {
            let points = points.iter();
            let values = points.flat_map(|point| [point.x.into(), point.y.into(), 1.0]);
            values.collect()
        });
        Self {
            image,
            category,
            score: found.score.into(),
            bounds: [x1, y1, x2 - x1, y2 - y1],
            mask,
            keypoints,
        }
    }
}

/// An image of the ground truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CocoImage {
    /// The id.
    pub id: u64,
    /// The name of the file.
    pub file: String,
}

impl CocoTruth {
    /// Reads an annotation file of COCO: `images`, `categories` and `annotations`.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read or has another format.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CocoError> {
        let path = path.as_ref();
        let truth = COCO::new(path).map_err(|source| CocoError::File {
            path: path.into(),
            expected: "a JSON object with `images`, `categories` and `annotations`, as COCO's",
            source: Box::new(source),
        })?;
        match truth.dataset.images.is_empty() || truth.dataset.categories.is_empty() {
            false => Ok(Self(Arc::new(truth))),
            true => Err(CocoError::File {
                path: path.into(),
                expected: "`images` and `categories`, found none",
                source: "nothing to compare with".into(),
            }),
        }
    }

    /// Uses the objects of a dataset as ground truth, with the boxes and areas of the annotation
    /// file. Images have the ids of the dataset, and class `i` is category `i + 1`.
    pub fn of_dataset(dataset: &ObjectDataset) -> Self {
        let keypoints = dataset.keypoints();
        let named = !keypoints.names.is_empty();
        let categories = dataset
            .classes()
            .iter()
            .zip(1..)
            .map(|(name, id)| Category {
                id,
                name: name.clone(),
                keypoints: named.then(|| keypoints.names.clone()),
                ..Category::default()
            });
        let images = dataset.images().iter().map(|image| Image {
            id: image.id(),
            file_name: image.name(),
            height: image.size().map_or(0, |[height, _]| height as u32),
            width: image.size().map_or(0, |[_, width]| width as u32),
            ..Image::default()
        });
        let objects = dataset.images().iter().flat_map(|image| {
            let objects = image.objects().into_iter();
            objects.map(|object| truth(image.id(), &object))
        });
        let mut annotations: Vec<Annotation> = objects.collect();
        for (annotation, id) in annotations.iter_mut().zip(1..) {
            annotation.id = id;
        }
        let mut truth = COCO::from_dataset(Dataset {
            images: images.collect(),
            annotations,
            categories: categories.collect(),
            ..Dataset::default()
        });
        // Otherwise each evaluation copies the ground truth to fill them.
        truth.fill_missing_areas();
        Self(Arc::new(truth))
    }

    /// Returns the number of keypoints per object.
    fn keypoints(&self) -> usize {
        let mut categories = self.0.dataset.categories.iter();
        let named = categories.find_map(|category| category.keypoints.as_ref());
        named.map_or(0, Vec::len)
    }

    /// Returns the images.
    pub fn images(&self) -> Vec<CocoImage> {
        let images = self.0.dataset.images.iter();
        let image = |image: &Image| CocoImage {
            id: image.id,
            file: image.file_name.clone(),
        };
        images.map(image).collect()
    }

    /// Returns the ids and names of the categories.
    pub fn categories(&self) -> Vec<(u64, String)> {
        let categories = self.0.dataset.categories.iter();
        categories
            .map(|category| (category.id, category.name.clone()))
            .collect()
    }

    /// Compares the results in a file with the ground truth.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read or has another format than COCO's results, or if
    /// a result names an image or a category that the ground truth lacks.
    pub fn evaluate_file(
        &self,
        path: impl AsRef<Path>,
        task: CocoTask,
    ) -> Result<CocoMetrics, CocoError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|source| CocoError::Read {
            path: path.into(),
            source,
        })?;
        let results = serde_json::from_reader(BufReader::new(file));
        let results: Vec<Annotation> = results.map_err(|source| CocoError::File {
            path: path.into(),
            expected: "a JSON array of results for images of the ground truth, as COCO's",
            source: Box::new(source),
        })?;
        self.compare(results, task)
    }

    /// Compares results in memory with the ground truth.
    ///
    /// # Errors
    ///
    /// Returns an error if a result names an image or a category that the ground truth lacks.
    pub fn evaluate(
        &self,
        results: &[CocoResult],
        task: CocoTask,
    ) -> Result<CocoMetrics, CocoError> {
        let results = results
            .iter()
            .map(|result| annotation(result, task))
            .collect();
        self.compare(results, task)
    }

    fn compare(&self, results: Vec<Annotation>, task: CocoTask) -> Result<CocoMetrics, CocoError> {
        self.check(&results)?;
        let found = self.0.load_res_anns(results).map_err(CocoError::Results)?;
        let (kind, names): (_, &[&str]) = match task {
            CocoTask::Boxes => (IouType::Bbox, &NAMES),
            CocoTask::Masks => (IouType::Segm, &NAMES),
            CocoTask::Keypoints => (IouType::Keypoints, &KEYPOINT_NAMES),
        };
        let mut evaluation = COCOeval::new(self.0.clone(), found, kind);
        let keypoints = self.keypoints();
        if task == CocoTask::Keypoints && ![0, PERSON_KEYPOINTS].contains(&keypoints) {
            evaluation.params.kpt_oks_sigmas = vec![SIGMA; keypoints];
        }
        evaluation.evaluate().map_err(CocoError::Results)?;
        evaluation.accumulate();
        // `summarize` would print the lines.
        evaluation.summarize_lines();
        let values = evaluation.stats().unwrap_or_default();
        let numbers = names.iter().zip(values).map(|(name, value)| CocoMetric {
            name: (*name).to_string(),
            value: *value,
        });
        Ok(CocoMetrics {
            task,
            numbers: numbers.collect(),
            categories: categories(&evaluation),
        })
    }
}

impl CocoTruth {
    /// Checks that all images and categories exist. `hotcoco` only warns about unknown ones.
    fn check(&self, results: &[Annotation]) -> Result<(), CocoError> {
        for (index, result) in results.iter().enumerate() {
            let (image, category) = (result.image_id, result.category_id);
            let unknown = |kind, id| Err(CocoError::Unknown { index, kind, id });
            if self.0.get_img(image).is_none() {
                return unknown("image", image);
            }
            if self.0.get_cat(category).is_none() {
                return unknown("category", category);
            }
        }
        Ok(())
    }
}

/// Returns an object of a dataset as an annotation without id.
fn truth(image: u64, object: &ImageObject) -> Annotation {
    let [x1, y1, x2, y2] = object.corners.map(f64::from);
    let inside = [x1, y1, x2 - x1, y2 - y1];
    let mask = object.mask.as_ref().map(ObjectMask::segmentation);
    let points = object
        .keypoints
        .iter()
        .flatten()
        .map(|value| f64::from(*value));
    let labeled = object
        .keypoints
        .iter()
        .filter(|[_, _, visible]| *visible > 0.0);
    Annotation {
        image_id: image,
        category_id: object.class as u64 + 1,
        bbox: Some(object.annotated_bounds.unwrap_or(inside)),
        area: object.annotated_area,
        segmentation: mask,
        iscrowd: object.crowd,
        keypoints: (!object.keypoints.is_empty()).then(|| points.collect()),
        num_keypoints: Some(labeled.count() as u32),
        ..Annotation::default()
    }
}

fn annotation(result: &CocoResult, task: CocoTask) -> Annotation {
    let mask = result.mask.clone().filter(|_| task == CocoTask::Masks);
    Annotation {
        image_id: result.image,
        category_id: result.category,
        score: Some(result.score),
        bbox: (task == CocoTask::Boxes).then_some(result.bounds),
        segmentation: mask.map(|(size, counts)| Segmentation::CompressedRle { size, counts }),
        keypoints: result
            .keypoints
            .clone()
            .filter(|_| task == CocoTask::Keypoints),
        ..Annotation::default()
    }
}

/// Returns the average precision of each category.
fn categories(evaluation: &COCOeval) -> Vec<CategoryPrecision> {
    let Some(curves) = evaluation.accumulated() else {
        return Vec::new();
    };
    let params = &evaluation.params;
    let (area, limit) = (params.all_area_idx(), params.max_det_idx());
    let ids = curves.cat_ids.iter().enumerate();
    ids.map(|(k, id)| {
        let mut entries = Vec::new();
        for t in 0..params.iou_thrs.len() {
            for r in 0..params.rec_thrs.len() {
                let value = curves.precision[curves.precision_idx(t, r, k, area, limit)];
                entries.extend((value > -1.0).then_some(value));
            }
        }
        let mean = entries.iter().sum::<f64>() / entries.len() as f64;
        CategoryPrecision {
            id: *id,
            name: evaluation.coco_gt().cat_name(*id),
            ap: if entries.is_empty() { -1.0 } else { mean },
        }
    })
    .collect()
}
