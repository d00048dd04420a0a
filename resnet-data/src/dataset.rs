//! Labeled images, and why a dataset cannot be used.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use image::RgbImage;
use resnet_image::{Channels, OpenError, Pixels};

use crate::{BadImage, Skipped, drawing};

/// Labelled images: the names of the classes, and where each image is to be had. Images are decoded when they are asked
/// for.
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

/// One labelled image.
#[derive(Clone, Debug)]
pub struct Sample {
    pub(crate) source: Source,
    pub(crate) labels: Labels,
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
}

/// One class, for most; any number of them where an image may have several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Labels {
    One(usize),
    Several(Vec<usize>),
}

/// Why a dataset is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file or a folder cannot be read.
    #[error("`{}`: expected {expected}", .path.display())]
    Io {
        /// It.
        path: PathBuf,
        /// What should be there.
        expected: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
    /// A folder or a file has another form.
    #[error("`{}`: expected {expected}, found {found}", .path.display())]
    Form {
        /// It.
        path: PathBuf,
        /// What should be there.
        expected: String,
        /// What is.
        found: String,
    },
    /// What is there can be taken in several ways, or in none.
    #[error("`{}`: expected {expected}, found {found}; {advice}", .path.display())]
    Unclear {
        /// The folder or the file.
        path: PathBuf,
        /// What should be there.
        expected: String,
        /// What is.
        found: String,
        /// What to do.
        advice: String,
    },
    /// There are too few images.
    #[error("expected {expected}, found {found}")]
    TooFew {
        /// What is needed.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A dataset cannot be split so.
    #[error("expected a share between 0 and 1 to split off, found {found}")]
    Share {
        /// The share asked for.
        found: f64,
    },
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
        let several = |sample: &Sample| matches!(sample.labels, Labels::Several(_));
        self.samples.iter().any(several)
    }

    /// Returns the same images, each of which may have any number of classes, so that each class is decided by itself.
    pub fn with_several_labels(mut self) -> Self {
        for sample in &mut self.samples {
            if let Labels::One(label) = sample.labels {
                sample.labels = Labels::Several(vec![label]);
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
    /// let shapes = resnet_data::Dataset::shapes(12, 1);
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

impl Sample {
    /// Its class; several or none where an image may have that.
    pub fn labels(&self) -> &[usize] {
        match &self.labels {
            Labels::One(label) => std::slice::from_ref(label),
            Labels::Several(labels) => labels,
        }
    }

    /// The path of its file, or what stands for one.
    pub fn name(&self) -> Cow<'_, str> {
        match &self.source {
            Source::File(path) => path.to_string_lossy(),
            Source::Planes { file, start, side } => {
                let size = 3 * (side * side) as usize;
                format!("{}#{}", file.0.display(), start / size).into()
            }
            Source::Shape { seed, .. } => format!("shape {seed}").into(),
        }
    }

    /// Reads the image, with these channels.
    ///
    /// # Errors
    ///
    /// Returns an error if its file cannot be read or decoded.
    pub fn image(&self, channels: Channels) -> Result<Pixels, OpenError> {
        let image = match &self.source {
            Source::File(path) => return resnet_image::open_as(path, channels),
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
    pub fn rgb(&self) -> Result<RgbImage, OpenError> {
        Ok(self.image(Channels::Rgb)?.into_rgb())
    }
}
