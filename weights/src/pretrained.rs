//! From a name to a network that is ready for use or for fine-tuning.

use std::path::PathBuf;

use burn::tensor::backend::Backend;
use resnet_core::{ResNet, ResNetConfig};
use resnet_image::Preprocessing;

use crate::{Fetch, Labels, Load, ModelSource, Report, SourceError, UnknownWeights, Weights};

/// A network with published weights, and what goes with them.
#[derive(Clone, Debug)]
pub struct Pretrained<B: Backend> {
    /// The network.
    pub model: ResNet<B>,
    /// The names of its classes; numbers for a classifier of one's own.
    pub labels: Labels,
    /// How it wants its images.
    pub preprocessing: Preprocessing,
    /// What was loaded, what is fresh, what was adapted.
    pub report: Report,
    /// The row of the catalogue.
    pub weights: Weights,
    /// The file the weights came from; none for those in the program itself.
    pub file: Option<PathBuf>,
}

/// A network with published weights, downloaded where this machine does not have them yet.
///
/// The name is an id (`resnet50.a1_in1k`), one of the constants in [`ids`](crate::ids), torchvision's name, or that of
/// a network: see [`Weights::named`]. For another head, other channels or a file of one's own see [`PretrainedBuilder`]; for
/// caches, mirrors and proxies see [`Fetch`].
///
/// # Errors
///
/// If no weights have the name, or they can neither be found nor downloaded.
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
/// All that can be kept is kept: another number of classes gets a fresh classifier, other input channels the first
/// convolution adapted, and the rest is loaded strictly.
///
/// ```no_run
/// use burn::backend::Flex;
/// use resnet_weights::{PretrainedBuilder, ids};
///
/// // Three classes of one's own, on infrared images of one channel, with maps of a sixteenth of the size.
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
    /// For a row of the catalogue, or a set of one's own.
    pub fn new(weights: Weights) -> Self {
        Self {
            config: weights.config(),
            weights,
            file: None,
            fetch: None,
        }
    }

    /// For the weights of this name: see [`Weights::named`].
    ///
    /// # Errors
    ///
    /// If no weights have the name.
    pub fn named(name: impl AsRef<str>) -> Result<Self, UnknownWeights> {
        Weights::named(name.as_ref()).map(|weights| Self::new(weights.clone()))
    }

    /// With a fresh classifier for this many classes; the published one if it has as many.
    pub fn with_classes(self, classes: usize) -> Self {
        self.with_config(|config| config.with_num_classes(classes))
    }

    /// Without a classifier: the network gives embeddings.
    pub fn headless(self) -> Self {
        self.with_classes(0)
    }

    /// For images of this many channels.
    pub fn with_in_channels(self, in_channels: usize) -> Self {
        self.with_config(|config| config.with_in_channels(in_channels))
    }

    /// With the last map at 1/8, 1/16 or 1/32 of the image's size: later stages are dilated instead.
    pub fn with_output_stride(self, output_stride: usize) -> Self {
        self.with_config(|config| config.with_output_stride(output_stride))
    }

    /// With other options, such as drop path.
    pub fn with_config(self, change: impl FnOnce(ResNetConfig) -> ResNetConfig) -> Self {
        Self {
            config: change(self.config),
            ..self
        }
    }

    /// From this file, wherever it came from. Its hash is not checked.
    pub fn with_file(self, file: impl Into<PathBuf>) -> Self {
        Self {
            file: Some(file.into()),
            ..self
        }
    }

    /// With other settings than those of the environment.
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
    /// If the options are invalid, the file can neither be found nor downloaded, or it is not of this network.
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
