//! The classifier: images in, predictions out.

mod builder;
mod error;
mod prediction;
mod run;

use std::path::Path;

use burn::tensor::{FloatDType, backend::Backend};
use resnet_core::{Network, ResNet, ResNetConfig, UnsupportedFloat};
use resnet_image::{Preprocessing, default_memory_limit};
use resnet_weights::{Labels, ModelSource, OutputActivation};

pub use self::builder::ClassifierBuilder;
pub use self::error::{BuildError, ClassifyError, ImageFailure, PrepareError};
pub use self::prediction::{ClassScore, Prediction};

/// A network with its weights, preprocessing and labels, ready to classify images.
///
/// ```no_run
/// use resnet_cpu::Cpu;
/// use resnet_infer::Classifier;
///
/// let classifier: Classifier<Cpu> = Classifier::open("resnet50.pth", &Default::default())?;
/// for guess in &classifier.classify_one("photo.jpg")?.top {
///     println!("{:5.1} % {}", 100.0 * guess.probability, guess.label);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A classifier is `Send` and `Sync`: threads share one behind an `Arc`. A clone shares the
/// weights.
#[derive(Clone, Debug)]
pub struct Classifier<B: Backend> {
    model: ResNet<B>,
    preprocessing: Preprocessing,
    labels: Labels,
    activation: OutputActivation,
    top_k: usize,
    threshold: Option<f32>,
    batch_size: usize,
    memory_limit: u64,
    notes: Vec<String>,
    dtype: FloatDType,
    device: B::Device,
}

impl<B: Backend> Classifier<B> {
    /// Creates a classifier from its parts, with 5 classes per prediction and 16 images per batch.
    /// Fuses the network.
    ///
    /// # Errors
    ///
    /// Returns an error if the network has no classifier, or the labels or the preprocessing do not
    /// fit it.
    pub fn new(
        model: ResNet<B>,
        preprocessing: Preprocessing,
        labels: Labels,
        device: &B::Device,
    ) -> Result<Self, BuildError> {
        let num_classes = model.config().num_classes;
        if num_classes == 0 {
            return Err(BuildError::NoClasses);
        }
        preprocessing.validate()?;
        preprocessing.check_channels(model.config().in_channels)?;
        let labels = labels.check(num_classes, "labels")?;
        let model = model.fuse();
        Ok(Self {
            model,
            preprocessing,
            labels,
            activation: OutputActivation::Softmax,
            top_k: 5,
            threshold: None,
            batch_size: 16,
            memory_limit: default_memory_limit(),
            notes: Vec::new(),
            dtype: FloatDType::F32,
            device: device.clone(),
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
    /// use resnet_cpu::Cpu;
    /// use resnet_infer::Classifier;
    ///
    /// let classifier: Classifier<Cpu> = Classifier::pretrained("resnet50", &Default::default())?;
    /// # Ok::<(), resnet_infer::BuildError>(())
    /// ```
    pub fn pretrained(name: impl AsRef<str>, device: &B::Device) -> Result<Self, BuildError> {
        Self::from_source(ModelSource::named(name.as_ref()), device)
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
    pub fn open(path: impl AsRef<Path>, device: &B::Device) -> Result<Self, BuildError> {
        Self::from_source(ModelSource::file(path.as_ref()), device)
    }

    /// Creates a classifier from a checkpoint in memory, as [`open`](Self::open) does. Error
    /// messages call it `name`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`open`](Self::open).
    ///
    /// ```no_run
    /// use resnet_cpu::Cpu;
    /// use resnet_infer::Classifier;
    ///
    /// let bytes = std::fs::read("mine.safetensors")?;
    /// let classifier: Classifier<Cpu> = Classifier::from_bytes("mine", bytes, &Default::default())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_bytes(
        name: impl Into<String>,
        bytes: Vec<u8>,
        device: &B::Device,
    ) -> Result<Self, BuildError> {
        Self::from_source(ModelSource::bytes(name, bytes), device)
    }

    /// Creates a classifier from a source, which may set the architecture, its options and the
    /// state dict to read.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`open`](Self::open) and [`pretrained`](Self::pretrained).
    pub fn from_source(source: ModelSource, device: &B::Device) -> Result<Self, BuildError> {
        ClassifierBuilder::new(source).load(device)
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

    /// Sets the float type of weights and activations. 16-bit types are less precise, but faster
    /// and smaller on devices that support them. The default is `f32`.
    ///
    /// # Errors
    ///
    /// Returns an error if the device does not support the float type.
    pub fn with_dtype(self, dtype: impl Into<FloatDType>) -> Result<Self, UnsupportedFloat> {
        let dtype = dtype.into();
        Ok(Self {
            model: self.model.cast(dtype)?,
            dtype,
            ..self
        })
    }

    /// Returns the network. It is [fused](Network::fuse): batch normalization is folded into the
    /// convolutions.
    pub fn model(&self) -> &ResNet<B> {
        &self.model
    }

    /// Returns the config of the network.
    pub fn config(&self) -> &ResNetConfig {
        self.model.config()
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

    /// Returns the device of the network.
    pub fn device(&self) -> &B::Device {
        &self.device
    }
}
