//! Images with annotated objects, for detectors.

mod augment;
mod check;
mod coco;
mod loader;
mod mask;
mod open;
mod scenes;
pub(crate) mod voc;

use std::path::PathBuf;
use std::sync::Arc;

use image::RgbImage;
use resnet_dense::ops::boxes::Box4;
use resnet_dense::{DetectorConfig, Target};
use resnet_image::Channels;

pub use augment::{ObjectAugment, ScaleJitter};
pub use loader::{ObjectBatch, ObjectLoader, ObjectSamples};
pub use mask::ObjectMask;
pub use open::ObjectOptions;

use crate::{BadImage, ImageError};

/// Images with annotated objects: boxes, and masks or keypoints if the dataset has them.
///
/// Images are read on demand. Class 0 is the first class of the dataset; detectors with a background
/// class add 1.
///
/// ```
/// use resnet_data::objects::ObjectDataset;
///
/// let scenes = ObjectDataset::scenes(4, 1);
/// assert_eq!(scenes.classes()[0], "circle");
/// let (image, objects) = scenes.images()[0].load()?;
/// assert_eq!(image.dimensions(), (96, 96));
/// assert!(objects.iter().all(|object| object.mask.is_some()));
/// # Ok::<(), resnet_data::ImageError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ObjectDataset {
    pub(crate) classes: Arc<[String]>,
    pub(crate) category_ids: Option<Arc<[u64]>>,
    pub(crate) keypoints: Arc<KeypointNames>,
    pub(crate) images: Arc<[AnnotatedImage]>,
    pub(crate) invalid: Vec<BadImage>,
}

/// The keypoints of a dataset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeypointNames {
    /// Their names; empty if objects have no keypoints.
    pub names: Vec<String>,
    /// Pairs of keypoints to connect in drawings.
    pub skeleton: Vec<[usize; 2]>,
}

/// An image and its objects.
#[derive(Clone, Debug)]
pub struct AnnotatedImage {
    /// Id in the annotation file, else the number of the image.
    pub(crate) id: u64,
    pub(crate) source: ObjectSource,
}

#[derive(Clone, Debug)]
pub(crate) enum ObjectSource {
    File {
        path: PathBuf,
        /// Height and width according to the annotations.
        size: Option<[usize; 2]>,
        objects: Vec<ImageObject>,
    },
    /// A scene that is drawn anew each time.
    Scene { seed: u64 },
}

/// An annotated object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageObject {
    /// Box `x1, y1, x2, y2` in pixels, inside of the image.
    pub corners: Box4,
    /// Index of the class.
    pub class: usize,
    /// Pixels of the object.
    pub mask: Option<ObjectMask>,
    /// Keypoints `x, y, visibility`: 0 not labeled, 1 hidden, 2 visible. Empty if the dataset has
    /// none.
    pub keypoints: Vec<[f32; 3]>,
    /// Whether the box surrounds a crowd. Training ignores crowds, and evaluation does not count
    /// detections inside of them.
    pub crowd: bool,
    /// Box `x, y, width, height` in the annotation file, where it may exceed the image. COCO's
    /// metrics use it, or `corners` if there is none.
    pub annotated_bounds: Option<[f64; 4]>,
    /// Area in the annotation file. If there is none, COCO's metrics use the area of the mask, or of
    /// the box if there is no mask.
    pub annotated_area: Option<f64>,
}

impl ObjectDataset {
    /// Returns the class names, without a background.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Returns the category id of each class in the annotation file, or `None` if the annotations are
    /// not in COCO's format.
    pub fn category_ids(&self) -> Option<&[u64]> {
        self.category_ids.as_deref()
    }

    /// Returns the keypoints that objects may have.
    pub fn keypoints(&self) -> &KeypointNames {
        &self.keypoints
    }

    /// Returns the images.
    pub fn images(&self) -> &[AnnotatedImage] {
        &self.images
    }

    /// Returns the number of images.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Returns whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// Returns the invalid annotations, which the dataset leaves out: each with the file and the id
    /// of the annotation, and the reason.
    pub fn invalid(&self) -> &[BadImage] {
        &self.invalid
    }

    /// Returns whether any object has a mask.
    pub fn has_masks(&self) -> bool {
        self.images.iter().any(|image| match &image.source {
            ObjectSource::File { objects, .. } => {
                objects.iter().any(|object| object.mask.is_some())
            }
            ObjectSource::Scene { .. } => true,
        })
    }

    /// Returns a dataset with the same classes and these images.
    pub fn with_images(&self, images: Vec<AnnotatedImage>) -> Self {
        Self {
            images: images.into(),
            ..self.clone()
        }
    }
}

impl ImageObject {
    /// Returns whether each pixel of the image belongs to the object, row by row. An object without
    /// a mask has the pixels of its box.
    pub fn pixels(&self, size: [usize; 2]) -> Vec<bool> {
        match &self.mask {
            Some(mask) => mask.pixels(size),
            None => mask::of_box(self.corners, size),
        }
    }
}

impl AnnotatedImage {
    /// Returns the id in the annotation file, else the number of the image.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Returns the path of the file, or the seed of a scene.
    pub fn name(&self) -> String {
        match &self.source {
            ObjectSource::File { path, .. } => path.display().to_string(),
            ObjectSource::Scene { seed } => format!("scene {seed}"),
        }
    }

    /// Returns height and width, if the annotations state them.
    pub fn size(&self) -> Option<[usize; 2]> {
        match &self.source {
            ObjectSource::File { size, .. } => *size,
            ObjectSource::Scene { .. } => Some([scenes::SIDE; 2]),
        }
    }

    /// Reads or draws the image, and returns its objects.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read or decoded, or has another size than the
    /// annotations say.
    pub fn load(&self) -> Result<(RgbImage, Vec<ImageObject>), ImageError> {
        match &self.source {
            ObjectSource::File {
                path,
                size,
                objects,
            } => {
                let image = resnet_image::open_as(path, Channels::Rgb)?.into_rgb();
                let (width, height) = image.dimensions();
                match size {
                    Some([h, w]) if [*h, *w] != [height as usize, width as usize] => {
                        Err(ImageError::Size {
                            expected: [*w, *h],
                            found: [width as usize, height as usize],
                        })
                    }
                    _ => Ok((image, objects.clone())),
                }
            }
            ObjectSource::Scene { seed } => Ok(scenes::draw(*seed)),
        }
    }

    /// Returns the class and the corners `x1, y1, x2, y2` in pixels of each object in a file.
    /// Returns nothing for a scene: its seed, which is its [`name`](Self::name), determines it.
    pub fn boxes(&self) -> impl Iterator<Item = (usize, Box4)> {
        let objects = match &self.source {
            ObjectSource::File { objects, .. } => objects.as_slice(),
            ObjectSource::Scene { .. } => &[],
        };
        objects.iter().map(|object| (object.class, object.corners))
    }

    /// Returns the objects without reading the image of a file.
    pub fn objects(&self) -> Vec<ImageObject> {
        match &self.source {
            ObjectSource::File { objects, .. } => objects.clone(),
            ObjectSource::Scene { seed } => scenes::draw(*seed).1,
        }
    }
}

/// The parts of a training target: labels, masks and keypoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetParts {
    /// Label of class 0: 1 for networks with a background class.
    pub first_class: usize,
    /// Whether targets have masks. Objects without a mask get their box.
    pub masks: bool,
    /// Number of keypoints per object. Objects without keypoints get unlabeled ones.
    pub keypoints: usize,
}

impl TargetParts {
    /// Returns the parts that this network is trained on.
    pub fn of(config: &DetectorConfig) -> Self {
        Self {
            first_class: match config {
                DetectorConfig::Rcnn(_) => 1,
                DetectorConfig::RetinaNet(_) | DetectorConfig::Fcos(_) => 0,
            },
            masks: config.has_masks(),
            keypoints: config.keypoints().unwrap_or(0),
        }
    }

    /// Returns the target of a training step for an image of `[height, width]` pixels, without
    /// crowds.
    ///
    /// # Errors
    ///
    /// Returns an error if the masks need more than 1 GiB of memory.
    pub fn target(self, objects: &[ImageObject], size: [usize; 2]) -> Result<Target, ImageError> {
        let objects = || objects.iter().filter(|object| !object.crowd);
        if self.masks {
            mask::check_memory(objects().count(), size, "resize the image")?;
        }
        let keypoints = |object: &ImageObject| {
            let mut points = object.keypoints.clone();
            points.resize(self.keypoints, [0.0; 3]);
            points
        };
        Ok(Target {
            boxes: objects().map(|object| object.corners).collect(),
            labels: objects()
                .map(|object| object.class + self.first_class)
                .collect(),
            masks: match self.masks {
                true => objects().map(|object| object.pixels(size)).collect(),
                false => Vec::new(),
            },
            keypoints: match self.keypoints {
                0 => Vec::new(),
                _ => objects().map(keypoints).collect(),
            },
        })
    }
}
