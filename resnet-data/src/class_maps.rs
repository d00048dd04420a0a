//! Images with the class of each pixel, for segmentation networks.

mod loader;
mod open;
mod png_indices;

use std::path::PathBuf;
use std::sync::Arc;

use image::RgbImage;
use resnet_image::Channels;

pub use loader::{ClassMapAugment, ClassMapBatch, ClassMapLoader, ClassMapSamples};
pub(crate) use open::held_out;
pub use png_indices::{IndexError, read_indices};

use crate::objects::{AnnotatedImage, ObjectDataset};
use crate::{BadImage, DataError, ImageError};

/// Pixels of this class are left out: Pascal VOC's borders.
pub const IGNORE: u8 = 255;
/// Class indices are below this number.
const MAX_CLASSES: usize = IGNORE as usize;

/// Images with the class of each pixel.
///
/// ```
/// use resnet_data::class_maps::ClassMapDataset;
/// use resnet_data::objects::ObjectDataset;
///
/// let scenes = ClassMapDataset::of_objects(&ObjectDataset::scenes(2, 1))?;
/// assert_eq!(scenes.classes()[..2], ["background", "circle"]);
/// let (image, classes) = scenes.images()[0].load()?;
/// assert_eq!(classes.len() as u32, image.width() * image.height());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClassMapDataset {
    classes: Arc<[String]>,
    category_ids: Option<Arc<[u64]>>,
    images: Vec<ClassMapImage>,
    invalid: Vec<BadImage>,
}

/// An image and its class map.
#[derive(Clone, Debug)]
pub struct ClassMapImage(Source);

#[derive(Clone, Debug)]
enum Source {
    Files {
        image: PathBuf,
        mask: PathBuf,
        /// Number of classes. Indices in the map are smaller, or [`IGNORE`].
        classes: usize,
    },
    /// The masks of objects; later objects are on top.
    Objects(AnnotatedImage),
}

/// The error of an image without a usable class map.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClassMapError {
    /// The image cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The class map cannot be read.
    #[error(transparent)]
    Indices(#[from] IndexError),
    /// The class map has another size than the image.
    #[error("`{}`: expected {} x {} pixels, as the image has, found {} x {}", .mask.display(), .expected[0], .expected[1], .found[0], .found[1])]
    Size {
        /// The file of the class map.
        mask: PathBuf,
        /// Width and height of the image.
        expected: [usize; 2],
        /// Width and height of the class map.
        found: [usize; 2],
    },
    /// The class map has a class that does not exist.
    #[error("`{}`: expected class indices below {classes}, or {IGNORE} for pixels to leave out, found {found}", .mask.display())]
    Class {
        /// The file of the class map.
        mask: PathBuf,
        /// The number of classes.
        classes: usize,
        /// The index.
        found: u8,
    },
}

impl ClassMapDataset {
    /// Paints the masks of objects over a background of class 0; class `i` of the objects becomes
    /// `i + 1`. Objects without a mask paint their box, and crowds are left out.
    ///
    /// # Errors
    ///
    /// Returns an error if there are more classes than a byte can hold.
    pub fn of_objects(objects: &ObjectDataset) -> Result<Self, DataError> {
        let names = objects.classes().iter().cloned();
        if names.len() >= MAX_CLASSES {
            return Err(DataError::TooFew {
                expected: format!("at most {} classes for segmentation", MAX_CLASSES - 1),
                found: names.len().to_string(),
            });
        }
        Ok(Self {
            classes: std::iter::once("background".to_string())
                .chain(names)
                .collect(),
            category_ids: objects.category_ids.clone(),
            images: objects
                .images()
                .iter()
                .map(|image| ClassMapImage(Source::Objects(image.clone())))
                .collect(),
            invalid: objects.invalid().to_vec(),
        })
    }

    /// Returns the class names, with the background.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Returns the category id of each class except the background, or `None` if the classes are not
    /// from annotations in COCO's format.
    pub fn category_ids(&self) -> Option<&[u64]> {
        self.category_ids.as_deref()
    }

    /// Returns the images.
    pub fn images(&self) -> &[ClassMapImage] {
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

    /// Returns images without a class map, and invalid annotations.
    pub fn invalid(&self) -> &[BadImage] {
        &self.invalid
    }
}

impl ClassMapImage {
    /// Returns the path of the image, or the seed of a scene.
    pub fn name(&self) -> String {
        match &self.0 {
            Source::Files { image, .. } => image.display().to_string(),
            Source::Objects(image) => image.name(),
        }
    }

    /// Reads the image and the class of each pixel, row by row.
    ///
    /// # Errors
    ///
    /// Returns an error if a file cannot be read, if the sizes of image and map differ, or if the
    /// map has a class that does not exist.
    pub fn load(&self) -> Result<(RgbImage, Vec<u8>), ClassMapError> {
        match &self.0 {
            Source::Objects(image) => {
                let (image, objects) = image.load()?;
                let size = [image.height() as usize, image.width() as usize];
                let mut map = vec![0_u8; size[0] * size[1]];
                for object in objects.iter().filter(|object| !object.crowd) {
                    // `of_objects` has checked the number of classes.
                    let class = u8::try_from(object.class + 1).unwrap_or(IGNORE);
                    let pixels = object.pixels(size).into_iter().zip(&mut map);
                    pixels
                        .filter(|(inside, _)| *inside)
                        .for_each(|(_, at)| *at = class);
                }
                Ok((image, map))
            }
            Source::Files {
                image,
                mask,
                classes,
            } => {
                let pixels = resnet_image::open_as(image, Channels::Rgb);
                let pixels = pixels.map_err(ImageError::from)?.into_rgb();
                let expected = [pixels.width() as usize, pixels.height() as usize];
                let (found, map) = read_indices(mask)?;
                if found != expected {
                    return Err(ClassMapError::Size {
                        mask: mask.clone(),
                        expected,
                        found,
                    });
                }
                let unknown = |class: &&u8| **class != IGNORE && usize::from(**class) >= *classes;
                match map.iter().find(unknown) {
                    None => Ok((pixels, map)),
                    Some(class) => Err(ClassMapError::Class {
                        mask: mask.clone(),
                        classes: *classes,
                        found: *class,
                    }),
                }
            }
        }
    }
}
