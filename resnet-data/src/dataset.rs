//! Labeled images, and why a dataset cannot be used.

mod error;
mod sample;

use std::sync::Arc;

pub use error::DataError;
pub(crate) use sample::Source;
pub use sample::{ImageError, Sample, SampleLabels};

use crate::{BadImage, Skipped};

/// Labeled images: the names of the classes, and where each image comes from. Images are decoded when the loader asks for
/// them.
///
/// [`open`](Self::open) reads folders and tables, [`from_images`](Self::from_images) takes images in memory, and
/// [`from_source`](Self::from_source) takes any [`ImageSource`](crate::ImageSource).
#[derive(Clone, Debug)]
pub struct Dataset {
    classes: Arc<[String]>,
    samples: Vec<Sample>,
    pub(crate) findings: Findings,
    /// Whether the numbers of the classes are the dataset's own, and not the order of their names.
    pub(crate) has_own_order: bool,
}

/// What was found beside the images.
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

    /// The dataset with classes whose numbers are its own.
    pub(crate) fn with_own_order(self) -> Self {
        Self {
            has_own_order: true,
            ..self
        }
    }

    /// These samples of the same classes.
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

    /// The names of the classes, by their numbers.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The samples, in their order.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Whether an image may have several classes, or none.
    pub fn is_multi_label(&self) -> bool {
        let several = |sample: &Sample| matches!(sample.labels, SampleLabels::Several(_));
        self.samples.iter().any(several)
    }

    /// Returns the same images, each of which may have any number of classes, so that each class is decided by itself.
    pub fn with_several_labels(mut self) -> Self {
        for sample in &mut self.samples {
            if let SampleLabels::One(label) = sample.labels {
                sample.labels = SampleLabels::Several(vec![label]);
            }
        }
        self
    }

    /// Returns the files that were skipped because their names do not end as those of images do. Of two parts of one
    /// dataset, the first has them.
    pub fn skipped(&self) -> &Skipped {
        &self.findings.skipped
    }

    /// Returns what cannot be read and was noticed while folders were searched: links to nothing, links in a circle,
    /// folders without permission, pipes. A [`DataLoader`](crate::DataLoader) reports them with the first batch of every epoch.
    pub fn unreadable(&self) -> &[BadImage] {
        &self.findings.unreadable
    }

    /// Returns what was assumed, one sentence each, for the user to see.
    pub fn notes(&self) -> &[String] {
        &self.findings.notes
    }

    /// How many images each class has.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for &label in self.samples.iter().flat_map(Sample::labels) {
            counts[label] += 1;
        }
        counts
    }

    /// Returns weights by which every class counts alike: `images / (classes * images of the class)`, and 0 for a class
    /// without images. An image with several classes is one image, and counts for each of its classes.
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
