//! The classifier: images in, predictions out.

mod builder;
mod error;
mod network;
mod prediction;
mod run;

use std::path::Path;
use std::sync::Arc;

use burn::tensor::backend::Backend;
use resnet_core::{Network as _, ResNet, ResNetConfig};
use resnet_engine::Engine;
use resnet_image::{Preprocessing, default_memory_limit};
use resnet_weights::{Labels, ModelSource, OutputActivation};

use self::network::{Compiled, Network, OnBackend};

pub use self::builder::ClassifierBuilder;
pub use self::error::{BuildError, ClassifyError, ImageFailure, PrepareError};
pub use self::prediction::{ClassScore, Prediction};

/// A network with its weights, preprocessing and labels, ready to classify images.
///
/// ```no_run
/// use resnet_infer::Classifier;
///
/// let classifier = Classifier::open("resnet50.pth")?;
/// for guess in &classifier.classify_one("photo.jpg")?.top {
///     println!("{:5.1} % {}", 100.0 * guess.probability, guess.label);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The network is compiled for the processor ([`resnet_engine`]).
/// [`ClassifierBuilder::load_on`] runs it on a Burn backend instead, such as a GPU.
///
/// A classifier is `Send` and `Sync`: threads share one behind a reference. A clone shares the
/// weights.
#[derive(Clone, Debug)]
pub struct Classifier {
    network: Arc<dyn Network>,
    preprocessing: Preprocessing,
    labels: Labels,
    activation: OutputActivation,
    top_k: usize,
    threshold: Option<f32>,
    batch_size: usize,
    memory_limit: u64,
    notes: Vec<String>,
}

impl Classifier {
    /// Creates a classifier from a network on a Burn backend, with 5 classes per prediction and 16
    /// images per batch. Fuses the network. Images are cast to its float type.
    ///
    /// # Errors
    ///
    /// Returns an error if the network has no classifier, or the labels or the preprocessing do not
    /// fit it.
    pub fn new<B: Backend>(
        model: ResNet<B>,
        preprocessing: Preprocessing,
        labels: Labels,
        device: &B::Device,
    ) -> Result<Self, BuildError> {
        let network = OnBackend::new(model.fuse(), device);
        Self::of_network(network, preprocessing, labels)
    }

    /// Creates a classifier from a compiled network, like [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// Returns the errors of [`new`](Self::new).
    pub fn from_engine(
        engine: Engine,
        preprocessing: Preprocessing,
        labels: Labels,
    ) -> Result<Self, BuildError> {
        Self::of_network(Compiled::new(engine), preprocessing, labels)
    }

    fn of_network(
        network: impl Network + 'static,
        preprocessing: Preprocessing,
        labels: Labels,
    ) -> Result<Self, BuildError> {
        let config = network.config();
        if config.num_classes == 0 {
            return Err(BuildError::NoClasses);
        }
        preprocessing.validate()?;
        preprocessing.check_channels(config.in_channels)?;
        let labels = labels.check(config.num_classes, "labels")?;
        Ok(Self {
            network: Arc::new(network),
            preprocessing,
            labels,
            activation: OutputActivation::Softmax,
            top_k: 5,
            threshold: None,
            batch_size: 16,
            memory_limit: default_memory_limit(),
            notes: Vec::new(),
        })
    }

    /// Creates a classifier with pretrained weights, and downloads them if they are not on this
    /// machine. See [`resnet_weights::pretrained`] for the names.
    ///
    /// # Errors
    ///
    /// Returns an error if no weights have the name, or if they cannot be found, cannot be
    /// downloaded, or have no classifier.
    ///
    /// ```no_run
    /// let classifier = resnet_infer::Classifier::pretrained("resnet50")?;
    /// # Ok::<(), resnet_infer::BuildError>(())
    /// ```
    pub fn pretrained(name: impl AsRef<str>) -> Result<Self, BuildError> {
        Self::from_source(ModelSource::named(name.as_ref()))
    }

    /// Creates a classifier from a checkpoint file.
    ///
    /// [`Save`](resnet_weights::Save) writes architecture, preprocessing and labels into its files.
    /// For other files, the architecture is inferred from the keys, the preprocessing is the
    /// default of the architecture, and the labels are class indices. [`notes`](Self::notes) lists
    /// the assumptions; [`ClassifierBuilder`] overrides them.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, its architecture is unknown, or its tensors do
    /// not fit the architecture.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, BuildError> {
        Self::from_source(ModelSource::file(path.as_ref()))
    }

    /// Creates a classifier from a checkpoint in memory, as [`open`](Self::open) does. Error
    /// messages call it `name`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`open`](Self::open).
    ///
    /// ```no_run
    /// let bytes = std::fs::read("mine.safetensors")?;
    /// let classifier = resnet_infer::Classifier::from_bytes("mine", bytes)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Result<Self, BuildError> {
        Self::from_source(ModelSource::bytes(name, bytes))
    }

    /// Creates a classifier from a source, which may set the architecture, its options and the
    /// state dict to read.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`open`](Self::open) and [`pretrained`](Self::pretrained).
    pub fn from_source(source: ModelSource) -> Result<Self, BuildError> {
        ClassifierBuilder::new(source).load()
    }

    /// Sets the output activation, which turns logits into probabilities. The default comes from
    /// the file, else softmax.
    pub fn with_activation(self, activation: OutputActivation) -> Self {
        Self { activation, ..self }
    }

    /// Sets the minimum probability of a class in a prediction. The default is no minimum.
    pub fn with_threshold(self, threshold: f32) -> Self {
        Self {
            threshold: Some(threshold),
            ..self
        }
    }

    /// Sets the number of classes in a prediction, at least 1. The default is 5.
    pub fn with_top_k(self, top_k: usize) -> Self {
        Self {
            top_k: top_k.max(1),
            ..self
        }
    }

    /// Sets the number of images per batch, at least 1. The default is 16.
    /// [`with_memory_limit`](Self::with_memory_limit) reduces the batches of large images.
    pub fn with_batch_size(self, batch_size: usize) -> Self {
        Self {
            batch_size: batch_size.max(1),
            ..self
        }
    }

    /// Sets the memory limit of the feature maps in bytes, estimated before the network runs.
    /// Smaller batches keep the limit. The default is 4 GiB, or half of the machine's memory if
    /// that is less.
    pub fn with_memory_limit(self, bytes: u64) -> Self {
        Self {
            memory_limit: bytes,
            ..self
        }
    }

    /// Returns the config of the network.
    pub fn config(&self) -> &ResNetConfig {
        self.network.config()
    }

    /// Returns the compiled network, for feature maps, or `None` for a network on a Burn backend.
    pub fn engine(&self) -> Option<&Engine> {
        self.network.engine()
    }

    /// Returns the class names.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Returns the preprocessing of images.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// Returns the output activation, which turns logits into probabilities.
    pub fn activation(&self) -> OutputActivation {
        self.activation
    }

    /// Returns the assumptions about a file that does not fully determine its network, one line
    /// each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}
