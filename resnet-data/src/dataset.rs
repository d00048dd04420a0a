//! Labeled images, and the errors of a dataset.

mod error;
mod sample;

use std::sync::Arc;

pub use error::DataError;
pub(crate) use sample::Source;
pub use sample::{ImageError, Sample, SampleLabels};

use crate::{BadImage, Skipped};

/// Labeled images: the names of the classes and the source of each image. The loader decodes images
/// on demand.
///
/// [`open`](Self::open) reads folders and tables, [`from_images`](Self::from_images) takes images in memory, and
/// [`from_source`](Self::from_source) takes any [`ImageSource`](crate::ImageSource).
#[derive(Clone, Debug)]
pub struct Dataset {
    classes: Arc<[String]>,
    samples: Vec<Sample>,
    pub(crate) findings: Findings,
    /// Whether the dataset itself defines the class indices, as CIFAR does. Otherwise they follow
    /// the sort order of the class names.
    pub(crate) has_own_order: bool,
}

/// The skipped and unreadable files, and notes for the user.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    pub(crate) skipped: Skipped,
    pub(crate) unreadable: Vec<BadImage>,
    pub(crate) notes: Vec<String>,
}

impl Dataset {
    pub(crate) fn new(classes: Vec<String>, samples: Vec<Sample>) -> Self {
        Self {
            classes: classes.into(),
            samples,
            findings: Findings::default(),
            has_own_order: false,
        }
    }

    /// Marks the numbers of the classes as defined by the dataset.
    pub(crate) fn with_own_order(self) -> Self {
        Self {
            has_own_order: true,
            ..self
        }
    }

    /// Returns a dataset with the same classes and these samples.
    pub(crate) fn with_samples(&self, samples: Vec<Sample>) -> Self {
        Self {
            classes: Arc::clone(&self.classes),
            samples,
            findings: self.findings.clone(),
            has_own_order: self.has_own_order,
        }
    }

    pub(crate) fn with_note(mut self, note: impl Into<String>) -> Self {
        self.findings.notes.push(note.into());
        self
    }

    /// Returns the names of the classes, in the order of their numbers.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Returns the samples in order.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Returns the number of images.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Returns whether the dataset has no images.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Returns whether the dataset is multi-label: an image may have several classes, or none.
    pub fn is_multi_label(&self) -> bool {
        let several = |sample: &Sample| matches!(sample.labels, SampleLabels::Several(_));
        self.samples.iter().any(several)
    }

    /// Returns the same images as a multi-label dataset, in which an image may have any number of
    /// classes.
    pub fn with_several_labels(mut self) -> Self {
        for sample in &mut self.samples {
            if let SampleLabels::One(label) = sample.labels {
                sample.labels = SampleLabels::Several(vec![label]);
            }
        }
        self
    }

    /// Returns the files that were skipped because they do not have an image file extension. After
    /// a split, the first part has them.
    pub fn skipped(&self) -> &Skipped {
        &self.findings.skipped
    }

    /// Returns the unreadable files and folders found by the folder search: broken links, link
    /// cycles, folders without permission, and pipes. A [`DataLoader`](crate::DataLoader) reports
    /// them with the first batch of every epoch.
    pub fn unreadable(&self) -> &[BadImage] {
        &self.findings.unreadable
    }

    /// Returns notes for the user about assumptions, one sentence each.
    pub fn notes(&self) -> &[String] {
        &self.findings.notes
    }

    /// Returns the number of images of each class.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for &label in self.samples.iter().flat_map(Sample::labels) {
            counts[label] += 1;
        }
        counts
    }

    /// Returns class weights that balance the classes: `images / (classes * images of the class)`,
    /// and 0 for a class without images. An image with several classes counts once in `images` and
    /// once for each of its classes.
    ///
    /// ```
    /// let shapes = resnet_data::Dataset::shapes(12);
    /// assert_eq!(shapes.class_weights(), [1.0; 6]);
    /// ```
    pub fn class_weights(&self) -> Vec<f64> {
        let counts = self.counts();
        let images = self.len();
        let weight = |&count: &usize| match count {
            0 => 0.0,
            _ => images as f64 / (counts.len() * count) as f64,
        };
        counts.iter().map(weight).collect()
    }
}
