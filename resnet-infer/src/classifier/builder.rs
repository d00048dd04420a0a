//! A builder that overrides the labels and the preprocessing of a model source.

use burn::tensor::backend::Backend;
use resnet_image::Preprocessing;
use resnet_weights::{Classes, Fetch, Labels, ModelSource};

use super::{BuildError, Classifier};

/// A builder that loads a [`Classifier`] from a [`ModelSource`]. Its options override the source.
///
/// | option | set by |
/// |---|---|
/// | architecture, one of several state dicts in a file | [`ModelSource::with_arch`], [`ModelSource::with_state`] |
/// | progress and cancellation of a download, cache, offline mode | [`with_fetch`](Self::with_fetch) |
/// | labels, preprocessing | [`with_labels`](Self::with_labels), [`with_preprocessing`](Self::with_preprocessing) |
/// | float type, batch size, memory limit, activation, top-k | `with_` methods of the loaded [`Classifier`] |
///
/// ```no_run
/// use resnet_cpu::Cpu;
/// use resnet_infer::{Classifier, ClassifierBuilder, Labels, ModelSource};
///
/// let source = ModelSource::file("mine.pth").with_arch("cifar_resnet20");
/// let classifier: Classifier<Cpu> = ClassifierBuilder::new(source)
///     .with_labels(Labels::named("cifar10").unwrap())
///     .load(&Default::default())?
///     .with_batch_size(32)
///     .with_top_k(3);
/// # Ok::<(), resnet_infer::BuildError>(())
/// ```
///
/// To show the progress of a download yourself, implement [`Progress`](crate::Progress). Its method
/// `is_canceled` can stop the download:
///
/// ```no_run
/// use std::sync::Arc;
/// use resnet_cpu::Cpu;
/// use resnet_infer::{Classifier, ClassifierBuilder, Fetch, ModelSource, Progress, ProgressHandle};
///
/// struct Percent;
///
/// impl Progress for Percent {
///     fn note(&self, message: &str) {
///         println!("{message}");
///     }
///
///     fn begin(&self, file: &str, total: Option<u64>, mut done: u64) -> ProgressHandle {
///         let (file, total) = (file.to_string(), total.unwrap_or(u64::MAX));
///         Box::new(move |bytes| {
///             done += bytes;
///             println!("{file}: {} %", 100 * done / total);
///         })
///     }
/// }
///
/// let fetch = Fetch::from_env()?.with_progress(Arc::new(Percent));
/// let classifier: Classifier<Cpu> = ClassifierBuilder::new(ModelSource::named("resnet50"))
///     .with_fetch(fetch)
///     .load(&Default::default())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClassifierBuilder {
    source: ModelSource,
    preprocessing: Option<Preprocessing>,
    labels: Option<Labels>,
}

impl ClassifierBuilder {
    /// Creates a builder for the network of a source.
    pub fn new(source: ModelSource) -> Self {
        Self {
            source,
            preprocessing: None,
            labels: None,
        }
    }

    /// Sets the download options: progress, cache, mirror and retries. The default is
    /// [`Fetch::from_env`].
    pub fn with_fetch(self, fetch: Fetch) -> Self {
        Self {
            source: self.source.with_fetch(fetch),
            ..self
        }
    }

    /// Sets the preprocessing. The default is the preprocessing of the source.
    pub fn with_preprocessing(self, preprocessing: Preprocessing) -> Self {
        Self {
            preprocessing: Some(preprocessing),
            ..self
        }
    }

    /// Sets the class names. The default is the labels of the source.
    ///
    /// Labels imply custom classes: the checkpoint gives their number, even if the source names an
    /// architecture.
    pub fn with_labels(self, labels: Labels) -> Self {
        Self {
            source: self.source.with_classes(Classes::FromFile),
            labels: Some(labels),
            ..self
        }
    }

    /// Finds and reads the weights, and builds the classifier.
    ///
    /// # Errors
    ///
    /// Returns an error if the source cannot be loaded, the network has no classifier, or the
    /// labels or the preprocessing do not fit it.
    pub fn load<B: Backend>(self, device: &B::Device) -> Result<Classifier<B>, BuildError> {
        let resolved = self.source.resolve()?;
        let (model, report) = resolved.load(device)?;
        let mut notes = resolved.notes;
        notes.extend(report.note());
        let preprocessing = self.preprocessing.unwrap_or(resolved.preprocessing);
        let labels = self.labels.unwrap_or(resolved.labels);
        let classifier = Classifier::new(model, preprocessing, labels, device)?;
        Ok(Classifier {
            activation: resolved.activation,
            notes,
            ..classifier
        })
    }
}
