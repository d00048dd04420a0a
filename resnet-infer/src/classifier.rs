//! Images in, predictions out.

use std::path::Path;

use burn::tensor::{FloatDType, backend::Backend};
use resnet_core::{ByteSize, ConfigError, Network, ResNet, UnsupportedFloat};
use resnet_image::{
    BatchError, ChannelMismatch, Channels, Pixels, Preprocessing, PreprocessingError,
    TransformError, default_memory_limit, to_tensor,
};
use resnet_weights::{Labels, LabelsError, ModelSource, OutputActivation, SourceError};
use serde::Serialize;

/// A network with all it needs to name what is in an image: weights, preprocessing, labels.
///
/// ```no_run
/// use resnet_cpu::Cpu;
/// use resnet_infer::Classifier;
///
/// let classifier: Classifier<Cpu> = Classifier::open("resnet50.pth", &Default::default())?;
/// let image = resnet_image::open("photo.jpg")?;
/// for guess in &classifier.classify(&[image])?[0].top {
///     println!("{:5.1} % {}", 100.0 * guess.probability, guess.label);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

/// What a network sees in an image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// The most probable classes, the first most. A network with a single logit has two outcomes:
    /// class 1, whose probability is the sigmoid of the logit, and class 0.
    pub top: Vec<ClassScore>,
}

/// One class and how probable it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassScore {
    /// Its index.
    pub class: usize,
    /// Its name.
    pub label: String,
    /// Softmax over all classes, or sigmoid of each: see [`OutputActivation`]. 0 to 1.
    pub probability: f32,
}

/// Why a classifier could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClassifierError {
    /// The source gives no network.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The network has no classifier.
    #[error(
        "the network has no classifier: expected 1 class or more, found 0; use a checkpoint with `fc.weight`"
    )]
    NoClasses,
    /// The network and its preprocessing disagree about the channels.
    #[error(transparent)]
    Channels(#[from] ChannelMismatch),
    /// The labels do not go with the network.
    #[error(transparent)]
    Labels(#[from] LabelsError),
    /// The preprocessing is no preprocessing.
    #[error("preprocessing")]
    Preprocessing(#[from] PreprocessingError),
}

/// Why an image cannot become the network's input.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// It has other channels than the preprocessing.
    #[error(
        "expected {expected} pixels, found {found}; open images with `open_as`, or convert them"
    )]
    Channels {
        /// Those of the preprocessing.
        expected: Channels,
        /// Those of the image.
        found: Channels,
    },
    /// It cannot be resized or cropped.
    #[error(transparent)]
    Transform(#[from] TransformError),
    /// Its size cannot pass the network.
    #[error(transparent)]
    Size(#[from] ConfigError),
    /// The feature maps of the network would take too much memory.
    #[error(
        "{width}x{height} pixels after resize and crop take about {} in the network, expected at most {}; crop or \
         resize to less (--crop), or raise --memory-limit",
        ByteSize(*.needed), ByteSize(*.limit)
    )]
    TooLarge {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Bytes that the network is estimated to take.
        needed: u64,
        /// Bytes that it may take.
        limit: u64,
    },
}

/// Why images could not be classified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClassifyError {
    /// One of them cannot become the network's input.
    #[error("image {index}")]
    Prepare {
        /// Its place in the slice.
        index: usize,
        /// Why.
        source: PrepareError,
    },
    /// The images do not make a batch.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The network gave no numbers.
    #[error(
        "the network's output holds infinities or NaN: its weights are damaged or of another network"
    )]
    NonFinite,
}

impl<B: Backend> Classifier<B> {
    /// A classifier from its parts; five guesses an image, 16 images a batch. Fuses the network.
    ///
    /// # Errors
    ///
    /// If the network has no classes, or the labels or the preprocessing do not fit.
    pub fn new(
        model: ResNet<B>,
        preprocessing: Preprocessing,
        labels: Labels,
        device: &B::Device,
    ) -> Result<Self, ClassifierError> {
        let num_classes = model.config().num_classes;
        if num_classes == 0 {
            return Err(ClassifierError::NoClasses);
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

    /// Creates a classifier with published weights, downloaded where this machine does not have them yet: see
    /// [`resnet_weights::pretrained`] for the names.
    ///
    /// # Errors
    ///
    /// If no weights have the name, they can neither be found nor downloaded, or have no classifier.
    ///
    /// ```no_run
    /// use resnet_cpu::Cpu;
    /// use resnet_infer::Classifier;
    ///
    /// let classifier: Classifier<Cpu> = Classifier::pretrained("resnet50", &Default::default())?;
    /// # Ok::<(), resnet_infer::ClassifierError>(())
    /// ```
    pub fn pretrained(name: impl AsRef<str>, device: &B::Device) -> Result<Self, ClassifierError> {
        Self::from_source(ModelSource::named(name.as_ref()), device)
    }

    /// Creates a classifier from a checkpoint alone: architecture, preprocessing and labels from its metadata where
    /// [`Save`](resnet_weights::Save) wrote them, else the architecture from its keys, the customary
    /// preprocessing, and numbers for labels. [`notes`](Self::notes) tells what is assumed.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is of no known network, or does not fit.
    pub fn open(path: impl AsRef<Path>, device: &B::Device) -> Result<Self, ClassifierError> {
        Self::from_source(ModelSource::file(path.as_ref()), device)
    }

    /// Creates a classifier from a source, which may name architecture, options and one of several networks.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open) and [`pretrained`](Self::pretrained).
    pub fn from_source(source: ModelSource, device: &B::Device) -> Result<Self, ClassifierError> {
        let resolved = source.resolve()?;
        let (model, report) = resolved.load(device)?;
        let mut notes = resolved.notes;
        notes.extend(report.note());
        let classifier = Self::new(model, resolved.preprocessing, resolved.labels, device)?;
        Ok(Self {
            activation: resolved.activation,
            notes,
            ..classifier
        })
    }

    /// With what turns logits into probabilities; softmax unless the file says otherwise.
    pub fn with_activation(self, activation: OutputActivation) -> Self {
        Self { activation, ..self }
    }

    /// With only those classes in a prediction that are at least so probable.
    pub fn with_threshold(self, threshold: f32) -> Self {
        Self {
            threshold: Some(threshold),
            ..self
        }
    }

    /// With so many bytes that feature maps may take, as estimated before the network runs; by
    /// default 4 GiB, or half of the machine's memory. Batches are made smaller to keep the limit.
    pub fn with_memory_limit(self, bytes: u64) -> Self {
        Self {
            memory_limit: bytes,
            ..self
        }
    }

    /// What is assumed about a file that does not tell all of its network, a line each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What turns logits into probabilities.
    pub fn activation(&self) -> OutputActivation {
        self.activation
    }

    /// With `top_k` guesses an image, at least one.
    pub fn with_top_k(self, top_k: usize) -> Self {
        Self {
            top_k: top_k.max(1),
            ..self
        }
    }

    /// With `batch_size` images a pass, at least one; fewer where they are large.
    pub fn with_batch_size(self, batch_size: usize) -> Self {
        Self {
            batch_size: batch_size.max(1),
            ..self
        }
    }

    /// Computes in another float type: faster and smaller where the device is made for it, at the cost of digits.
    ///
    /// # Errors
    ///
    /// If the device does not compute in it.
    pub fn with_dtype(self, dtype: impl Into<FloatDType>) -> Result<Self, UnsupportedFloat> {
        let dtype = dtype.into();
        Ok(Self {
            model: self.model.cast(dtype)?,
            dtype,
            ..self
        })
    }

    /// The preprocessing that images go through.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// Names what is in each image: one prediction an image, in their order.
    ///
    /// The images have the channels of the [preprocessing](Preprocessing::channels): RGB for most networks;
    /// [`open_as`](resnet_image::open_as) reads others, and [`Pixels::convert`] converts.
    ///
    /// # Errors
    ///
    /// If an image has other channels, cannot be resized to the preprocessing or is too small for the network.
    pub fn classify(
        &self,
        images: &[impl Clone + Into<Pixels>],
    ) -> Result<Vec<Prediction>, ClassifyError> {
        let prepare = |(index, image)| {
            self.prepare(Clone::clone(image))
                .map_err(|source| ClassifyError::Prepare { index, source })
        };
        let prepared = images
            .iter()
            .enumerate()
            .map(prepare)
            .collect::<Result<Vec<_>, _>>()?;
        self.classify_prepared(&prepared)
    }

    /// An image as the network sees it.
    ///
    /// # Errors
    ///
    /// If the image has other channels than the preprocessing, cannot be resized to it or is too small for the network.
    pub fn prepare(&self, image: impl Into<Pixels>) -> Result<Pixels, PrepareError> {
        let image = image.into();
        let (expected, found) = (self.preprocessing.channels(), image.channels());
        if found != expected {
            return Err(PrepareError::Channels { expected, found });
        }
        let image = self.preprocessing.apply_to(image)?;
        let (width, height) = image.dimensions();
        let needed = self.bytes(1, &image);
        if needed > self.memory_limit {
            return Err(PrepareError::TooLarge {
                width,
                height,
                needed,
                limit: self.memory_limit,
            });
        }
        self.model
            .config()
            .check_input([height as usize, width as usize])?;
        Ok(image)
    }

    /// As [`classify`](Self::classify), for images that [`prepare`](Self::prepare) made.
    ///
    /// # Errors
    ///
    /// If the network's output is not finite.
    pub fn classify_prepared(&self, images: &[Pixels]) -> Result<Vec<Prediction>, ClassifyError> {
        let mut predictions = Vec::with_capacity(images.len());
        // A batch has one size; without a crop, sizes may change from image to image.
        for same_size in images.chunk_by(|a, b| a.dimensions() == b.dimensions()) {
            let fits = |batch: &usize| self.bytes(*batch, &same_size[0]) <= self.memory_limit;
            let sizes = std::iter::successors(Some(self.batch_size), |size| Some(size / 2));
            let batch_size = sizes.take_while(|size| *size > 0).find(fits).unwrap_or(1);
            for batch in same_size.chunks(batch_size) {
                let x = to_tensor::<B>(
                    batch,
                    self.preprocessing.mean,
                    self.preprocessing.std,
                    &self.device,
                )?;
                let logits = self.model.forward(x.cast(self.dtype)).into_data();
                let logits: Vec<f32> = logits.iter().collect();
                for logits in logits.chunks(self.model.config().num_classes) {
                    predictions.push(self.prediction(logits)?);
                }
            }
        }
        Ok(predictions)
    }

    fn prediction(&self, logits: &[f32]) -> Result<Prediction, ClassifyError> {
        if !logits.iter().all(|logit| logit.is_finite()) {
            return Err(ClassifyError::NonFinite);
        }
        let probabilities = self.activation.probabilities(logits);
        let score = |class: usize| ClassScore {
            class,
            label: self.labels.get(class).to_string(),
            probability: probabilities[class],
        };
        let mut scores: Vec<ClassScore> = match probabilities[..] {
            [probability] => self.outcomes(probability).into(),
            _ => (0..logits.len()).map(score).collect(),
        };
        scores.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        scores.truncate(self.top_k);
        let threshold = self.threshold.unwrap_or(0.0);
        scores.retain(|score| score.probability >= threshold);
        Ok(Prediction { top: scores })
    }

    /// The two outcomes of a network with a single logit, whose sigmoid is `probability`.
    fn outcomes(&self, probability: f32) -> [ClassScore; 2] {
        let [no, yes] = match self.labels.len() {
            2 => [self.labels.get(0).into(), self.labels.get(1).into()],
            _ if self.labels.are_numbers() => ["class 0".to_string(), "class 1".to_string()],
            _ => {
                let name = self.labels.get(0);
                [format!("not {name}"), name.to_string()]
            }
        };
        let score = |class, label, probability| ClassScore {
            class,
            label,
            probability,
        };
        [score(0, no, 1.0 - probability), score(1, yes, probability)]
    }

    fn bytes(&self, batch: usize, image: &Pixels) -> u64 {
        let (width, height) = image.dimensions();
        let config = self.model.config();
        config.inference_bytes(batch, [height as usize, width as usize])
    }
}
