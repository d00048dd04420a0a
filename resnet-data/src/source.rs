//! Your own sources of images: any type that names, labels and returns images.

mod items;
mod memory;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use resnet_image::{Channels, Pixels};

use crate::dataset::{DataError, Dataset, Sample, SampleLabels, Source};

/// Labeled images from any source: memory, a database, an archive.
///
/// The loader asks for images from several threads and in any order. The same index must give the
/// same image, so that batches depend only on the seed.
///
/// ```
/// use std::error::Error;
///
/// use resnet_data::{DataLoader, Dataset, ImageSource, SampleLabels};
/// use resnet_image::{Channels, Pixels, Preprocessing, RgbImage};
///
/// // Images of one gray each: dark images are class 0, bright images class 1.
/// struct Grays(Vec<u8>);
///
/// impl ImageSource for Grays {
///     fn len(&self) -> usize {
///         self.0.len()
///     }
///
///     fn labels(&self, index: usize) -> SampleLabels {
///         usize::from(self.0[index] >= 128).into()
///     }
///
///     fn image(&self, index: usize, _: Channels) -> Result<Pixels, Box<dyn Error + Send + Sync>> {
///         Ok(RgbImage::from_pixel(32, 32, [self.0[index]; 3].into()).into())
///     }
/// }
///
/// let data = Dataset::from_source(["dark", "bright"], Grays(vec![10, 200, 30]))?;
/// assert_eq!(data.counts(), [2, 1]);
/// let loader = DataLoader::new(data, Preprocessing::cifar()).with_batch_size(2);
/// assert_eq!(loader.epoch(0)?.next().unwrap().images.len(), 2);
/// # Ok::<(), Box<dyn Error>>(())
/// ```
pub trait ImageSource: Send + Sync {
    /// Returns the number of images.
    fn len(&self) -> usize;

    /// Returns whether there are no images.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the name of an image for messages, such as its path or key.
    fn name(&self, index: usize) -> String {
        format!("image {index}")
    }

    /// Returns the class of an image, or its classes in a multi-label dataset. A new dataset calls
    /// this function once per image.
    fn labels(&self, index: usize) -> SampleLabels;

    /// Returns an image. The network takes `channels`; the loader converts an image with other
    /// channels.
    ///
    /// # Errors
    ///
    /// Returns an error if the image is unreadable. A [`DataLoader`](crate::DataLoader) leaves the
    /// image out of the batch and reports it in [`Batch::bad`](crate::Batch::bad).
    fn image(
        &self,
        index: usize,
        channels: Channels,
    ) -> Result<Pixels, Box<dyn Error + Send + Sync>>;
}

/// A source that the samples of a dataset share.
#[derive(Clone)]
pub(crate) struct SharedSource(pub(crate) Arc<dyn ImageSource>);

impl fmt::Debug for SharedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImageSource of {} images", self.0.len())
    }
}

impl Dataset {
    /// Creates a dataset from a source whose labels are indices of `classes`. If one image has
    /// several labels or none, the dataset is multi-label.
    ///
    /// # Errors
    ///
    /// Returns an error if a label is not the index of a class.
    pub fn from_source(
        classes: impl IntoIterator<Item = impl Into<String>>,
        source: impl ImageSource + 'static,
    ) -> Result<Self, DataError> {
        let classes: Vec<String> = classes.into_iter().map(Into::into).collect();
        let images = SharedSource(Arc::new(source));
        let sample = |index: usize| {
            let labels = images.0.labels(index);
            match labels
                .as_slice()
                .iter()
                .find(|label| **label >= classes.len())
            {
                None => Ok(Sample {
                    source: Source::Custom {
                        images: images.clone(),
                        index,
                    },
                    labels,
                }),
                Some(&label) => Err(DataError::Label {
                    name: images.0.name(index),
                    label,
                    classes: classes.len(),
                }),
            }
        };
        let samples = (0..images.0.len()).map(sample);
        let samples = samples.collect::<Result<_, _>>()?;
        let data = Self::new(classes, samples).with_own_order();
        Ok(match data.is_multi_label() {
            true => data.with_several_labels(),
            false => data,
        })
    }
}
