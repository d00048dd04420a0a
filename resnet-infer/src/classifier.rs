//! Images in, predictions out.

mod builder;
mod error;
mod input;
mod prediction;
mod run;

use std::path::Path;

use burn::tensor::{FloatDType, backend::Backend};
use resnet_core::{Network, ResNet, ResNetConfig, UnsupportedFloat};
use resnet_image::{Preprocessing, default_memory_limit};
use resnet_weights::{Labels, ModelSource, OutputActivation};

pub use self::builder::ClassifierBuilder;
pub use self::error::{BuildError, ClassifyError, ImageFailure, PrepareError};
pub use self::input::ImageInput;
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
/// A classifier is `Send` and `Sync`: threads share one behind an `Arc`. A clone shares the weights.
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
    /// Creates a classifier from its parts, with 5 classes per prediction and 16 images per batch. Fuses the network.
    ///
    /// # Errors
    ///
    /// Returns an error if the network has no classes, or the labels or the preprocessing do not fit.
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

    /// Creates a classifier with published weights, and downloads them if this machine does not have them. See
    /// [`resnet_weights::pretrained`] for the names.
    ///
    /// # Errors
    ///
    /// Returns an error if no weights have the name, they can neither be found nor downloaded, or have no classifier.
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

    /// Creates a classifier from a checkpoint. [`Save`](resnet_weights::Save) writes architecture, preprocessing and
    /// labels into its files. For other files, the keys tell the architecture, the preprocessing is the customary one, and
    /// labels are numbers. [`notes`](Self::notes) states the assumptions; [`ClassifierBuilder`] overrides them.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, is of no known network, or does not fit.
    pub fn open(path: impl AsRef<Path>, device: &B::Device) -> Result<Self, BuildError> {
        Self::from_source(ModelSource::file(path.as_ref()), device)
    }

    /// Creates a classifier from a checkpoint in memory, as [`open`](Self::open) does. Messages call it `name`.
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

    /// Creates a classifier from a source, which may name an architecture, options and one of several networks.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`open`](Self::open) and [`pretrained`](Self::pretrained).
    pub fn from_source(source: ModelSource, device: &B::Device) -> Result<Self, BuildError> {
        ClassifierBuilder::new(source).load(device)
    }

    /// Sets what turns logits into probabilities. The default is softmax, unless the file says otherwise.
    pub fn with_activation(self, activation: OutputActivation) -> Self {
        Self { activation, ..self }
    }

    /// Sets the least probability of a class in a prediction. By default there is none.
    pub fn with_threshold(self, threshold: f32) -> Self {
        Self {
            threshold: Some(threshold),
            ..self
        }
    }

    /// Sets how many classes a prediction has, at least one. The default is 5.
    pub fn with_top_k(self, top_k: usize) -> Self {
        Self {
            top_k: top_k.max(1),
            ..self
        }
    }

    /// Sets the number of images per batch, at least one. The default is 16. Batches of large images are smaller: see
    /// [`with_memory_limit`](Self::with_memory_limit).
    pub fn with_batch_size(self, batch_size: usize) -> Self {
        Self {
            batch_size: batch_size.max(1),
            ..self
        }
    }

    /// Sets the bytes that feature maps may take, as estimated before the network runs. The default is 4 GiB, or half of
    /// the machine's memory if that is less. Batches are made smaller to keep the limit.
    pub fn with_memory_limit(self, bytes: u64) -> Self {
        Self {
            memory_limit: bytes,
            ..self
        }
    }

    /// Sets the float type in which the network computes. 16 bits are faster and smaller on devices made for them, and
    /// less precise. The default is `f32`.
    ///
    /// # Errors
    ///
    /// Returns an error if the device does not compute in it.
    pub fn with_dtype(self, dtype: impl Into<FloatDType>) -> Result<Self, UnsupportedFloat> {
        let dtype = dtype.into();
        Ok(Self {
            model: self.model.cast(dtype)?,
            dtype,
            ..self
        })
    }

    /// Returns the network. It is [fused](Network::fuse): its convolutions contain their batch norms.
    pub fn model(&self) -> &ResNet<B> {
        &self.model
    }

    /// Returns the options of the network.
    pub fn config(&self) -> &ResNetConfig {
        self.model.config()
    }

    /// Returns the names of the classes.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Returns the preprocessing of images.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// Returns what turns logits into probabilities.
    pub fn activation(&self) -> OutputActivation {
        self.activation
    }

    /// Returns what is assumed about a file that does not determine its network, one line per assumption.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns the device of the network.
    pub fn device(&self) -> &B::Device {
        &self.device
    }
}
