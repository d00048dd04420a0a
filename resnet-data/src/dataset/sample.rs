//! One labeled image.

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

/// Where an image is.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    File(PathBuf),
    /// Planes of red, green and blue, from a place of a file in memory on.
    Planes {
        file: Arc<(PathBuf, Vec<u8>)>,
        start: usize,
        side: u32,
    },
    /// Drawn anew each time.
    Shape {
        class: usize,
        seed: u64,
    },
    /// An image of a source that is the user's own.
    Custom {
        images: SharedSource,
        index: usize,
    },
}

/// The classes of an image: one, or any number of them in a dataset of several labels per image.
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
    /// Any number of classes, or none.
    Several(Vec<usize>),
}

impl SampleLabels {
    /// Returns the numbers of the classes.
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

/// Why the image of a sample is missing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The file cannot be read or decoded.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// An [`ImageSource`](crate::ImageSource) has no such image.
    #[error(transparent)]
    Source(Box<dyn Error + Send + Sync>),
    /// The image has no pixels.
    #[error("expected an image of one pixel or more, found {width}x{height}")]
    Empty {
        /// Columns of the image.
        width: u32,
        /// Rows of the image.
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

    /// Reads the image, with these channels.
    ///
    /// # Errors
    ///
    /// Returns an error if its file cannot be read or decoded, or its source does not have it.
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
    /// As for [`image`](Self::image).
    pub fn rgb(&self) -> Result<RgbImage, ImageError> {
        Ok(self.image(Channels::Rgb)?.into_rgb())
    }
}
