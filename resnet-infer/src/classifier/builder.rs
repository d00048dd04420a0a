//! A builder that overrides the labels and the preprocessing of a model source.

use burn::tensor::backend::Backend;
use resnet_core::Network as _;
use resnet_engine::{CompileOptions, MemoryMode};
use resnet_image::Preprocessing;
use resnet_weights::{Classes, Fetch, FloatType, Labels, ModelSource, Report, Resolved};

use super::network::{Compiled, Network, OnBackend};
use super::{BuildError, Classifier};

/// A builder that loads a [`Classifier`] from a [`ModelSource`]. Its options override the source.
///
/// | option | set by |
/// |---|---|
/// | architecture, one of several state dicts in a file | [`ModelSource::with_arch`], [`ModelSource::with_state`] |
/// | progress and cancellation of a download, cache, offline mode | [`with_fetch`](Self::with_fetch) |
/// | labels, preprocessing | [`with_labels`](Self::with_labels), [`with_preprocessing`](Self::with_preprocessing) |
/// | float type, batch size, memory mode | [`with_dtype`](Self::with_dtype), [`with_batch_size`](Self::with_batch_size), [`with_memory_mode`](Self::with_memory_mode) |
/// | memory limit, activation, top-k | `with_` methods of the loaded [`Classifier`] |
///
/// ```no_run
/// use resnet_infer::{ClassifierBuilder, Labels, ModelSource};
///
/// let source = ModelSource::file("mine.pth").with_arch("cifar_resnet20");
/// let classifier = ClassifierBuilder::new(source)
///     .with_labels(Labels::named("cifar10").unwrap())
///     .with_batch_size(32)
///     .load()?
///     .with_top_k(3);
/// # Ok::<(), resnet_infer::BuildError>(())
/// ```
///
/// To show the progress of a download yourself, implement [`Progress`](crate::Progress). Its method
/// `is_canceled` can stop the download:
///
/// ```no_run
/// use std::sync::Arc;
/// use resnet_infer::{ClassifierBuilder, Fetch, ModelSource, Progress, ProgressHandle};
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
/// let classifier = ClassifierBuilder::new(ModelSource::named("resnet50"))
///     .with_fetch(fetch)
///     .load()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClassifierBuilder {
    source: ModelSource,
    preprocessing: Option<Preprocessing>,
    labels: Option<Labels>,
    dtype: FloatType,
    batch_size: Option<usize>,
    memory: MemoryMode,
}

impl ClassifierBuilder {
    /// Creates a builder for the network of a source.
    pub fn new(source: ModelSource) -> Self {
        Self {
            source,
            preprocessing: None,
            labels: None,
            dtype: FloatType::F32,
            batch_size: None,
            memory: MemoryMode::Fast,
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

    /// Sets the float type of the weights. The default is `f32`.
    ///
    /// With a 16-bit type, a compiled network rounds its weights and computes in `f32`. Burn
    /// backends compute in this type, which is faster and smaller on devices that support it.
    pub fn with_dtype(self, dtype: FloatType) -> Self {
        Self { dtype, ..self }
    }

    /// Sets the number of images per batch, at least 1. The default is 16.
    ///
    /// A compiled network chooses its algorithms for this number, by default for a single image.
    pub fn with_batch_size(self, batch_size: usize) -> Self {
        Self {
            batch_size: Some(batch_size.max(1)),
            ..self
        }
    }

    /// Sets the trade between memory and time of a compiled network. The default is
    /// [`MemoryMode::Fast`].
    pub fn with_memory_mode(self, memory: MemoryMode) -> Self {
        Self { memory, ..self }
    }

    /// Finds and reads the weights, compiles the network for the processor, and builds the
    /// classifier.
    ///
    /// # Errors
    ///
    /// Returns an error if the source cannot be loaded, the network has no classifier, or the
    /// labels or the preprocessing do not fit it.
    pub fn load(self) -> Result<Classifier, BuildError> {
        let resolved = self.source.clone().resolve()?;
        let preprocessing = self
            .preprocessing
            .as_ref()
            .unwrap_or(&resolved.preprocessing);
        let default = CompileOptions::default();
        let options = CompileOptions {
            precision: self.dtype.into(),
            size: preprocessing.crop.map(|side| [side as usize; 2]),
            batch: self.batch_size.unwrap_or(default.batch),
            memory: self.memory,
        };
        let (engine, report) = resolved.compile(options)?;
        self.build(Compiled::new(engine), resolved, &report)
    }

    /// Finds and reads the weights, and builds the classifier on a Burn backend.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`load`](Self::load), and an error if the device does not support the
    /// float type.
    ///
    /// ```
    /// use burn::backend::Flex;
    /// use resnet_infer::{ClassifierBuilder, ModelSource};
    ///
    /// let builder = ClassifierBuilder::new(ModelSource::named("cifar_resnet20"));
    /// let classifier = builder.load_on::<Flex>(&Default::default())?;
    /// # Ok::<(), resnet_infer::BuildError>(())
    /// ```
    pub fn load_on<B: Backend>(self, device: &B::Device) -> Result<Classifier, BuildError> {
        let resolved = self.source.clone().resolve()?;
        let (model, report) = resolved.load::<B>(device)?;
        let network = OnBackend::new(model.fuse().cast(self.dtype.into())?, device);
        self.build(network, resolved, &report)
    }

    fn build(
        self,
        network: impl Network + 'static,
        resolved: Resolved,
        report: &Report,
    ) -> Result<Classifier, BuildError> {
        let mut notes = resolved.notes;
        notes.extend(report.note());
        let preprocessing = self.preprocessing.unwrap_or(resolved.preprocessing);
        let labels = self.labels.unwrap_or(resolved.labels);
        let classifier = Classifier::of_network(network, preprocessing, labels)?;
        Ok(Classifier {
            activation: resolved.activation,
            batch_size: self.batch_size.unwrap_or(classifier.batch_size),
            notes,
            ..classifier
        })
    }
}
