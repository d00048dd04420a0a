//! A network that is known: its weights are open, and it is not built yet.

use std::path::PathBuf;

use burn::tensor::backend::Backend;
use resnet_core::{ResNet, ResNetConfig};
use resnet_image::Preprocessing;

use super::SourceError;
use crate::{Checkpoint, Labels, License, Load, OutputActivation, Overrides, Report, Weights};

/// A network that is known, and not built yet.
#[derive(Debug)]
#[non_exhaustive]
pub struct Resolved {
    /// Id of the weights, name of the architecture, or name of the file.
    pub name: String,
    /// Options of the network, with the classes and channels of the file.
    pub config: ResNetConfig,
    /// What is done to an image before the network.
    pub preprocessing: Preprocessing,
    /// Names of the classes, or their numbers. [`Labels::check`] compares their number with the network's.
    pub labels: Labels,
    /// What turns logits into probabilities.
    pub activation: OutputActivation,
    /// The row of the catalogue, for published weights.
    pub weights: Option<Weights>,
    /// The file, unless the weights are in memory.
    pub file: Option<PathBuf>,
    /// The open file.
    pub checkpoint: Checkpoint,
    /// Options that were set by the user.
    pub overrides: Overrides,
    /// What users should know, a line each: assumptions, what was left out, and the terms of the license of a file that was
    /// not fetched. Before a download, [`Fetch`](crate::Fetch) tells these terms.
    pub notes: Vec<String>,
}

impl Resolved {
    /// Returns the license of published weights.
    pub fn license(&self) -> Option<License> {
        self.weights.as_ref().map(|weights| weights.license)
    }

    /// Returns how strictly the weights are loaded: options that the user set overrule those of the file, and a network
    /// whose classes the user set to 0 leaves out the file's classifier.
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

    /// Builds the network with its weights. [`Report::note`] tells what the file lacks and is filled in.
    ///
    /// # Errors
    ///
    /// If the config is invalid or the weights are of another network.
    pub fn load<B: Backend>(&self, device: &B::Device) -> Result<(ResNet<B>, Report), SourceError> {
        self.config.validate()?;
        let model = self.config.init(device);
        Ok(self.strictness().apply(model, &self.checkpoint)?)
    }

    /// Explains why the network has no classifier.
    pub fn head_hint(&self) -> String {
        match self.checkpoint.layered_head() {
            Some(head) => {
                format!("the file has more than one linear layer behind its backbone, in `{head}`")
            }
            None => "use a checkpoint with `fc.weight`".into(),
        }
    }
}

impl Report {
    /// Says in one line which values follow from the absence of keys.
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
