//! Labeled images and their sources.

use std::borrow::Cow;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use image::RgbImage;
use resnet_image::{Channels, OpenError, Pixels};

use crate::drawing;
use crate::source::SharedSource;

/// One labeled image.
#[derive(Clone, Debug)]
pub struct Sample {
    pub(crate) source: Source,
    pub(crate) labels: SampleLabels,
}

/// The source of an image.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    File(PathBuf),
    /// Planes of red, green and blue in a file held in memory, from `start` on.
    Planes {
        file: Arc<(PathBuf, Vec<u8>)>,
        start: usize,
        side: u32,
    },
    /// A shape that is drawn anew each time.
    Shape {
        class: usize,
        seed: u64,
    },
    /// An image of your own source.
    Custom {
        images: SharedSource,
        index: usize,
    },
}

/// The labels of an image: one class, or any number of classes in a multi-label dataset.
///
/// ```
/// use resnet_data::SampleLabels;
///
/// assert_eq!(SampleLabels::from(3), SampleLabels::One(3));
/// assert_eq!(SampleLabels::from([0, 2]).as_slice(), [0, 2]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SampleLabels {
    /// Exactly one class.
    One(usize),
    /// Any number of classes, including none.
    Several(Vec<usize>),
}

impl SampleLabels {
    /// Returns the indices of the classes.
    pub fn as_slice(&self) -> &[usize] {
        match self {
            Self::One(label) => std::slice::from_ref(label),
            Self::Several(labels) => labels,
        }
    }
}

impl From<usize> for SampleLabels {
    fn from(label: usize) -> Self {
        Self::One(label)
    }
}

impl From<Vec<usize>> for SampleLabels {
    fn from(labels: Vec<usize>) -> Self {
        Self::Several(labels)
    }
}

impl<const N: usize> From<[usize; N]> for SampleLabels {
    fn from(labels: [usize; N]) -> Self {
        Self::Several(labels.into())
    }
}

impl From<&[usize]> for SampleLabels {
    fn from(labels: &[usize]) -> Self {
        Self::Several(labels.into())
    }
}

/// The error of a sample without a readable image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// A file that cannot be read or decoded.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// An image that its [`ImageSource`](crate::ImageSource) cannot return.
    #[error(transparent)]
    Source(Box<dyn Error + Send + Sync>),
    /// An image of another size than its annotations say.
    #[error("its annotations are for {} x {} pixels, found {} x {}", .expected[0], .expected[1], .found[0], .found[1])]
    Size {
        /// Width and height in the annotations.
        expected: [usize; 2],
        /// Width and height of the image.
        found: [usize; 2],
    },
    /// Masks of objects that need too much memory: a byte per object and pixel.
    #[error("expected masks of at most {limit} bytes, found {objects} objects x {} x {} pixels; {advice}", .size[0], .size[1])]
    Masks {
        /// The number of objects.
        objects: usize,
        /// Width and height of the masks.
        size: [usize; 2],
        /// The largest number of bytes.
        limit: u64,
        /// The advice to the user.
        advice: &'static str,
    },
    /// An image without pixels.
    #[error("expected an image of one pixel or more, found {width}x{height}")]
    Empty {
        /// The width of the image.
        width: u32,
        /// The height of the image.
        height: u32,
    },
}

impl Sample {
    /// Returns the classes of the image.
    pub fn labels(&self) -> &[usize] {
        self.labels.as_slice()
    }

    /// Returns the path of the file, or the name that the source gives.
    pub fn name(&self) -> Cow<'_, str> {
        match &self.source {
            Source::File(path) => path.to_string_lossy(),
            Source::Planes { file, start, side } => {
                let size = 3 * (side * side) as usize;
                format!("{}#{}", file.0.display(), start / size).into()
            }
            Source::Shape { seed, .. } => format!("shape {seed}").into(),
            Source::Custom { images, index } => images.0.name(*index).into(),
        }
    }

    /// Reads the image and converts it to these channels.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read or decoded, or if the source does not return the
    /// image.
    pub fn image(&self, channels: Channels) -> Result<Pixels, ImageError> {
        let image = match &self.source {
            Source::File(path) => return Ok(resnet_image::open_as(path, channels)?),
            Source::Custom { images, index } => {
                let image = images
                    .0
                    .image(*index, channels)
                    .map_err(ImageError::Source)?;
                return match image.dimensions() {
                    (width, height) if width == 0 || height == 0 => {
                        Err(ImageError::Empty { width, height })
                    }
                    _ => Ok(image.convert(channels)),
                };
            }
            Source::Planes { file, start, side } => {
                let plane = (side * side) as usize;
                let pixel = |x: u32, y: u32| {
                    let at = start + (y * side + x) as usize;
                    image::Rgb([0, 1, 2].map(|channel| file.1[at + channel * plane]))
                };
                RgbImage::from_fn(*side, *side, pixel)
            }
            Source::Shape { class, seed } => drawing::draw(*class, *seed),
        };
        Ok(Pixels::from(image).convert(channels))
    }

    /// Reads the image in color.
    ///
    /// # Errors
    ///
    /// Returns an error in the same cases as [`image`](Self::image).
    pub fn rgb(&self) -> Result<RgbImage, ImageError> {
        Ok(self.image(Channels::Rgb)?.into_rgb())
    }
}
