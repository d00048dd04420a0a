//! Loads published weights by name, for inference or fine-tuning.

use std::path::PathBuf;

use burn::tensor::backend::Backend;
use resnet_core::{ResNet, ResNetConfig};
use resnet_image::Preprocessing;

use crate::{Fetch, Labels, Load, ModelSource, Report, SourceError, UnknownWeights, Weights};

/// A network with published weights, and its labels and preprocessing.
#[derive(Clone, Debug)]
pub struct Pretrained<B: Backend> {
    /// The network.
    pub model: ResNet<B>,
    /// The class names, or numbers for a custom number of classes.
    pub labels: Labels,
    /// The preprocessing of input images.
    pub preprocessing: Preprocessing,
    /// The loaded, fresh and adapted tensors.
    pub report: Report,
    /// The row of the catalog.
    pub weights: Weights,
    /// The path of the file, or `None` for embedded weights.
    pub file: Option<PathBuf>,
}

/// Loads a network with published weights. Downloads them if they are not on this machine.
///
/// The name is an id (`resnet50.a1_in1k`), a constant of [`ids`](crate::ids), torchvision's name,
/// or the name of a network; see [`Weights::named`]. To set other classes, other channels or your
/// own file, use [`PretrainedBuilder`]. To set caches, mirrors and proxies, use [`Fetch`].
///
/// # Errors
///
/// Returns an error if no weights have this name, or if they cannot be found or downloaded.
///
/// ```no_run
/// use burn::backend::Flex;
/// use resnet_weights::pretrained;
///
/// let resnet = pretrained::<Flex>("resnet50", &Default::default())?;
/// println!("{} classes, {} tensors", resnet.labels.len(), resnet.report.loaded);
/// # Ok::<(), resnet_weights::SourceError>(())
/// ```
pub fn pretrained<B: Backend>(
    name: impl AsRef<str>,
    device: &B::Device,
) -> Result<Pretrained<B>, SourceError> {
    PretrainedBuilder::named(name)?.load(device)
}

/// Loads published weights into a network that may differ from the published one.
///
/// A different number of classes gives a fresh classifier. Different input channels adapt the first
/// convolution. All other tensors are loaded strictly.
///
/// ```no_run
/// use burn::backend::Flex;
/// use resnet_weights::{PretrainedBuilder, ids};
///
/// // Three custom classes, one input channel, and a last feature map at 1/16 of the image size.
/// let resnet = PretrainedBuilder::named(ids::RESNET50D_RA2_IN1K)?
///     .with_classes(3)
///     .with_in_channels(1)
///     .with_output_stride(16)
///     .load::<Flex>(&Default::default())?;
/// assert_eq!(resnet.report.fresh, ["fc.weight", "fc.bias"]);
/// assert_eq!(resnet.report.adapted, ["conv1.0.weight"]);
/// # Ok::<(), resnet_weights::SourceError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PretrainedBuilder {
    weights: Weights,
    config: ResNetConfig,
    file: Option<PathBuf>,
    fetch: Option<Fetch>,
}

impl PretrainedBuilder {
    /// Creates a builder for published weights, or for your own [`Weights`].
    pub fn new(weights: Weights) -> Self {
        Self {
            config: weights.config(),
            weights,
            file: None,
            fetch: None,
        }
    }

    /// Creates a builder for the weights with this name; see [`Weights::named`].
    ///
    /// # Errors
    ///
    /// Returns an error if no weights have this name.
    pub fn named(name: impl AsRef<str>) -> Result<Self, UnknownWeights> {
        Weights::named(name.as_ref()).map(|weights| Self::new(weights.clone()))
    }

    /// Sets the number of classes. The classifier is fresh if it differs from the published number.
    pub fn with_classes(self, classes: usize) -> Self {
        self.with_config(|config| config.with_num_classes(classes))
    }

    /// Removes the classifier; the network returns embeddings.
    pub fn headless(self) -> Self {
        self.with_classes(0)
    }

    /// Sets the number of input channels.
    pub fn with_in_channels(self, in_channels: usize) -> Self {
        self.with_config(|config| config.with_in_channels(in_channels))
    }

    /// Sets the output stride: the last feature map has 1/8, 1/16 or 1/32 of the image size. Later
    /// stages are dilated instead of strided.
    pub fn with_output_stride(self, output_stride: usize) -> Self {
        self.with_config(|config| config.with_output_stride(output_stride))
    }

    /// Changes other options, such as stochastic depth.
    pub fn with_config(self, change: impl FnOnce(ResNetConfig) -> ResNetConfig) -> Self {
        Self {
            config: change(self.config),
            ..self
        }
    }

    /// Loads this file instead of a published one. Its hash is not checked.
    pub fn with_file(self, file: impl Into<PathBuf>) -> Self {
        Self {
            file: Some(file.into()),
            ..self
        }
    }

    /// Replaces the fetch settings of the environment variables.
    pub fn with_fetch(self, fetch: Fetch) -> Self {
        Self {
            fetch: Some(fetch),
            ..self
        }
    }

    /// Builds the network with its weights.
    ///
    /// # Errors
    ///
    /// Returns an error if the options are invalid, if the file cannot be found or downloaded, or
    /// if it does not fit the network.
    pub fn load<B: Backend>(self, device: &B::Device) -> Result<Pretrained<B>, SourceError> {
        let Self {
            weights,
            config,
            file,
            fetch,
        } = self;
        config.validate()?;
        let mut source = ModelSource::weights(weights.clone());
        if let Some(file) = file {
            source = source.with_file(file);
        }
        if let Some(fetch) = &fetch {
            source = source.with_fetch(fetch.clone());
        }
        let resolved = source.resolve()?;
        if !resolved.notes.is_empty() {
            let fetch = fetch.map_or_else(Fetch::from_env, Ok)?;
            resolved.notes.iter().for_each(|note| fetch.note(note));
        }
        let mut load = Load::default();
        if config.in_channels != weights.config().in_channels {
            load = load.allow_other_in_channels();
        }
        let mut labels = resolved.labels;
        if config.num_classes != weights.classes {
            load = load.allow_other_classes();
            labels = Labels::numbered(config.num_classes);
        }
        let (model, report) = load.apply(config.init(device), &resolved.checkpoint)?;
        Ok(Pretrained {
            model,
            labels,
            preprocessing: weights.preprocessing,
            report,
            weights,
            file: resolved.file,
        })
    }
}
