//! A resolved network: its weights are open, but it is not built.

use std::path::PathBuf;

use burn::tensor::backend::Backend;
use resnet_core::{ResNet, ResNetConfig};
use resnet_engine::{CompileOptions, Engine};
use resnet_image::Preprocessing;

use super::SourceError;
use crate::{Checkpoint, Labels, License, Load, OutputActivation, Overrides, Report, Weights};

/// A network with opened weights that is not built yet.
#[derive(Debug)]
#[non_exhaustive]
pub struct Resolved {
    /// The id of the weights, or the name of the architecture or file.
    pub name: String,
    /// The options of the network, with the classes and channels of the file.
    pub config: ResNetConfig,
    /// The preprocessing of input images.
    pub preprocessing: Preprocessing,
    /// The class names, or class numbers. [`Labels::check`] compares their count with the
    /// network's.
    pub labels: Labels,
    /// The function that turns logits into probabilities.
    pub activation: OutputActivation,
    /// The row of the catalog, for published weights.
    pub weights: Option<Weights>,
    /// The file, unless the weights are in memory.
    pub file: Option<PathBuf>,
    /// The open file.
    pub checkpoint: Checkpoint,
    /// The options that the user set.
    pub overrides: Overrides,
    /// Notes for the user, one line each: assumptions, ignored tensors, and license restrictions of
    /// a given file. [`Fetch`](crate::Fetch) shows the restrictions of a downloaded file.
    pub notes: Vec<String>,
}

impl Resolved {
    /// Returns the license of published weights.
    pub fn license(&self) -> Option<License> {
        self.weights.as_ref().map(|weights| weights.license)
    }

    /// Returns the allowed differences between file and network. If the user set options, they
    /// override the options of the file. If the user set 0 classes, the classifier of the file is
    /// ignored.
    pub fn strictness(&self) -> Load {
        let mut load = Load::default();
        if !self.overrides.is_empty() {
            load = load.allow_other_options();
        }
        if self.overrides.is_headless() {
            load = load.allow_other_classes();
        }
        load
    }

    /// Builds the network with its weights. [`Report::note`] describes missing values that are
    /// filled in.
    ///
    /// # Errors
    ///
    /// Returns an error if the config is invalid or the weights do not fit the network.
    pub fn load<B: Backend>(&self, device: &B::Device) -> Result<(ResNet<B>, Report), SourceError> {
        self.config.validate()?;
        let model = self.config.init(device);
        Ok(self.strictness().apply(model, &self.checkpoint)?)
    }

    /// Compiles the network for inference on CPUs, with packed weights. [`Report::note`] describes
    /// missing values that are filled in.
    ///
    /// # Errors
    ///
    /// Returns an error if the config is invalid, or the weights do not fit the network or memory.
    pub fn compile(
        &self,
        options: impl Into<CompileOptions>,
    ) -> Result<(Engine, Report), SourceError> {
        self.config.validate()?;
        let load = self.strictness();
        Ok(load.compile(&self.config, &self.checkpoint, options.into())?)
    }

    /// Explains why the network has no classifier.
    pub fn head_hint(&self) -> String {
        match self.checkpoint.layered_head() {
            Some(head) => {
                format!("the file has more than one linear layer after its backbone, in `{head}`")
            }
            None => "use a checkpoint with `fc.weight`".into(),
        }
    }
}

impl Report {
    /// Returns a one-line note on missing keys that are filled in, if there are any.
    pub fn note(&self) -> Option<String> {
        match &self.filled[..] {
            [] => None,
            [key] => Some(format!("the file has no `{key}`: zeros are used")),
            keys => Some(format!(
                "the norms of the file have no parameters: weights of 1 and biases of 0 are used ({} tensors)",
                keys.len()
            )),
        }
    }
}
