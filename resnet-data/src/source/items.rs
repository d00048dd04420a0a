//! Items of another dataset, such as a Burn dataset.

use std::error::Error;
use std::marker::PhantomData;

use resnet_image::{Channels, Pixels};

use super::ImageSource;
use crate::dataset::{DataError, Dataset, SampleLabels};

/// Items by index, with their labels and a function that converts an item to an image.
struct Items<I, G, F> {
    labels: Vec<SampleLabels>,
    get: G,
    image: F,
    item: PhantomData<fn() -> I>,
}

impl<I, G, F> ImageSource for Items<I, G, F>
where
    G: Fn(usize) -> Option<I> + Send + Sync,
    F: Fn(I) -> Result<Pixels, Box<dyn Error + Send + Sync>> + Send + Sync,
{
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn name(&self, index: usize) -> String {
        format!("item {index}")
    }

    fn labels(&self, index: usize) -> SampleLabels {
        self.labels[index].clone()
    }

    fn image(&self, index: usize, _: Channels) -> Result<Pixels, Box<dyn Error + Send + Sync>> {
        let item = (self.get)(index).ok_or("expected an item of the dataset, found none")?;
        (self.image)(item)
    }
}

impl Dataset {
    /// Creates a dataset from the items of another one. `get` returns the item at an index,
    /// `labels` returns the class or classes of an item, and `image` returns its pixels. Calls
    /// `get` once per item for its label, and again for each batch with the item.
    ///
    /// With the feature `burn-dataset`, `from_burn` takes a Burn dataset.
    ///
    /// # Errors
    ///
    /// Returns an error if an item is missing, or if a label is not the index of a class.
    ///
    /// ```
    /// use resnet_data::Dataset;
    /// use resnet_image::RgbImage;
    ///
    /// let items = vec![(10_u8, 0_usize), (200, 1)];
    /// let data = Dataset::from_items(
    ///     ["dark", "bright"],
    ///     items.len(),
    ///     move |index| items.get(index).copied(),
    ///     |item| item.1,
    ///     |(gray, _)| Ok(RgbImage::from_pixel(32, 32, [gray; 3].into()).into()),
    /// )?;
    /// assert_eq!(data.counts(), [1, 1]);
    /// # Ok::<(), resnet_data::DataError>(())
    /// ```
    pub fn from_items<I: 'static, L: Into<SampleLabels>>(
        classes: impl IntoIterator<Item = impl Into<String>>,
        count: usize,
        get: impl Fn(usize) -> Option<I> + Send + Sync + 'static,
        labels: impl Fn(&I) -> L,
        image: impl Fn(I) -> Result<Pixels, Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Result<Self, DataError> {
        let labels = (0..count).map(|index| match get(index) {
            Some(item) => Ok(labels(&item).into()),
            None => Err(DataError::TooFew {
                expected: format!("{count} items of a dataset"),
                found: format!("none at {index}"),
            }),
        });
        let items = Items {
            labels: labels.collect::<Result<_, _>>()?,
            get,
            image,
            item: PhantomData,
        };
        Self::from_source(classes, items)
    }

    /// Creates a dataset from a Burn dataset. `labels` returns the class or classes of an item, and
    /// `image` returns its pixels.
    ///
    /// # Errors
    ///
    /// Returns an error in the same cases as [`from_items`](Self::from_items).
    ///
    /// ```
    /// use burn::data::dataset::InMemDataset;
    /// use resnet_data::Dataset;
    /// use resnet_image::RgbImage;
    ///
    /// let items = InMemDataset::new(vec![(10_u8, 0_usize), (200, 1)]);
    /// let image = |(gray, _)| Ok(RgbImage::from_pixel(32, 32, [gray; 3].into()).into());
    /// let data = Dataset::from_burn(["dark", "bright"], items, |item| item.1, image)?;
    /// assert_eq!(data.counts(), [1, 1]);
    /// # Ok::<(), resnet_data::DataError>(())
    /// ```
    #[cfg(feature = "burn-dataset")]
    pub fn from_burn<I: 'static, L: Into<SampleLabels>>(
        classes: impl IntoIterator<Item = impl Into<String>>,
        items: impl burn::data::dataset::Dataset<I> + 'static,
        labels: impl Fn(&I) -> L,
        image: impl Fn(I) -> Result<Pixels, Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Result<Self, DataError> {
        let count = items.len();
        Self::from_items(classes, count, move |index| items.get(index), labels, image)
    }
}
