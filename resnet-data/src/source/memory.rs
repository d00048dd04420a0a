//! Images in memory.

use std::error::Error;

use resnet_image::{Channels, Pixels};

use super::ImageSource;
use crate::dataset::{DataError, Dataset, SampleLabels};

/// Images and their labels, by index.
struct Memory(Vec<(Pixels, SampleLabels)>);

impl ImageSource for Memory {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn labels(&self, index: usize) -> SampleLabels {
        self.0[index].1.clone()
    }

    fn image(&self, index: usize, _: Channels) -> Result<Pixels, Box<dyn Error + Send + Sync>> {
        Ok(self.0[index].0.clone())
    }
}

impl Dataset {
    /// Creates a dataset from images in memory, each with the index of its class in `classes`. If
    /// an image may have several classes, pass a `Vec` or an array of indices.
    ///
    /// # Errors
    ///
    /// Returns an error if a label is not the index of a class.
    ///
    /// ```
    /// use resnet_data::Dataset;
    /// use resnet_image::RgbImage;
    ///
    /// let image = |value: u8| RgbImage::from_pixel(32, 32, [value; 3].into());
    /// let data = Dataset::from_images(["dark", "bright"], [(image(10), 0), (image(200), 1)])?;
    /// assert_eq!(data.counts(), [1, 1]);
    ///
    /// let several = Dataset::from_images(["cat", "dog"], [(image(0), vec![0, 1]), (image(9), vec![])])?;
    /// assert!(several.is_multi_label());
    /// # Ok::<(), resnet_data::DataError>(())
    /// ```
    pub fn from_images<I: Into<Pixels>, L: Into<SampleLabels>>(
        classes: impl IntoIterator<Item = impl Into<String>>,
        images: impl IntoIterator<Item = (I, L)>,
    ) -> Result<Self, DataError> {
        let images = images.into_iter();
        let images = images.map(|(image, labels)| (image.into(), labels.into()));
        Self::from_source(classes, Memory(images.collect()))
    }
}
