//! All the numbers of a run, as a TOML file has them.

mod build;
mod open;
mod validate;

use std::path::PathBuf;

use resnet_core::NormMode;
use resnet_data::{Jitter, Policy, Sampling};
use resnet_image::Preprocessing;
use serde::{Deserialize, Serialize};

pub use open::TrainConfigError;

use crate::{Decay, LossKind, OptimizerConfig, ParamGroups};

/// What a run does, but for its images: the network it starts from, and every number of the training.
///
/// A file may leave out what is as here by default.
///
/// ```
/// use resnet_train::Config;
///
/// let config = Config::from_toml("arch = 'resnet50d'\nepochs = 3\n[optimizer]\nname = 'adamw'\nweight-decay = 0.05")?;
/// assert_eq!((config.epochs, config.batch_size), (3, 32));
/// assert!(Config::from_toml("epoch = 3").unwrap_err().to_string().contains("unknown field `epoch`"));
/// # Ok::<(), resnet_train::TrainConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// A network by its name, with fresh weights or those of `weights`.
    pub arch: Option<String>,
    /// Published weights by their id.
    pub model: Option<String>,
    /// A file of weights.
    pub weights: Option<PathBuf>,
    /// Which network of a file that holds several: a path of its keys.
    pub state: Option<String>,
    /// Options of the network, `OPTION=VALUE` each, that the keys of a file do not tell or that
    /// should differ: see [`Overrides`](resnet_weights::Overrides).
    pub set: Vec<String>,
    /// Of everything that is drawn.
    pub seed: u64,
    /// The share of the images to validate with, where they are not kept apart.
    pub split: f64,
    /// Passes over the images, those of [`head`](Self::head) not counted.
    pub epochs: u64,
    /// Images of a step.
    pub batch_size: usize,
    /// Micro-batches that a batch is run in, for less memory (gradient accumulation): loss and gradient are those of the whole
    /// batch.
    pub accumulate: usize,
    /// The peak of the learning rate.
    pub learning_rate: f64,
    /// Which images an epoch has, and in which order.
    pub sampling: Sampling,
    /// Whether the classes have weights in the cross-entropy, so that rare ones count as much as others.
    pub class_weights: bool,
    /// What is minimised [default: cross-entropy; binary cross-entropy where images may have several classes].
    pub loss: Option<LossKind>,
    /// Label smoothing.
    pub smoothing: f64,
    /// What batch norms do.
    pub norms: NormMode,
    /// The largest L2 norm of all gradients together.
    pub clip: Option<f64>,
    /// The decay of a moving average of the network, which is then the one that is validated and kept.
    pub ema: Option<f64>,
    /// The chance that a block is left out (Huang et al. 2016), growing from the first to the last.
    pub drop_path: f64,
    /// Side of the images in evaluation [default: that of the weights; 32 for CIFAR's networks, else 224].
    pub size: Option<u32>,
    /// Side of the images in training [default: that in evaluation].
    pub train_size: Option<u32>,
    /// What is done to an image in evaluation, whole: mean and standard deviation at least [default: that of the
    /// weights].
    #[serde(deserialize_with = "open::input")]
    pub input: Option<Preprocessing>,
    /// Fine-tuning's first phase: the classifier alone.
    pub head: Option<Head>,
    /// From gradients to new parameters.
    pub optimizer: OptimizerConfig,
    /// Which parameters learn, how fast, and which of them decay.
    pub groups: ParamGroups,
    /// How the learning rate changes.
    pub schedule: ScheduleConfig,
    /// How images are changed at random.
    pub augment: AugmentConfig,
}

/// The phase in which the classifier learns alone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Head {
    /// Passes over the images.
    pub epochs: u64,
    /// The peak of the learning rate.
    pub learning_rate: f64,
}

/// How the learning rate changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// How it falls.
    pub decay: Decay,
    /// Epochs in which it rises.
    pub warmup_epochs: f64,
    /// Where it rises from, as a share of the peak.
    pub warmup_start: f64,
    /// Where a cosine ends, as a share of the peak.
    pub end: f64,
}

/// How images are changed at random.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct AugmentConfig {
    /// Which part of an image is seen.
    pub crop: CropConfig,
    /// The chance of a horizontal flip.
    pub flip: f64,
    /// Changes drawn from a list.
    pub policy: Policy,
    /// Changes of color.
    pub jitter: Jitter,
    /// The chance that a rectangle is blanked.
    pub erase: f64,
    /// The alpha of mixup; 0 for none.
    pub mixup: f64,
    /// The alpha of CutMix; 0 for none.
    pub cutmix: f64,
}

/// Which part of an image is seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum CropConfig {
    /// A rectangle of random area and form.
    RandomResized {
        /// The least and the most of the image's area.
        scale: [f64; 2],
    },
    /// A square of the image with black around it.
    Padded {
        /// Black pixels on each side.
        padding: u32,
    },
    /// What is seen in evaluation.
    Evaluation,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            arch: None,
            model: None,
            weights: None,
            state: None,
            set: Vec::new(),
            seed: 1,
            split: 0.2,
            epochs: 10,
            batch_size: 32,
            accumulate: 1,
            learning_rate: 0.1,
            sampling: Sampling::Shuffled,
            class_weights: false,
            loss: None,
            smoothing: 0.0,
            norms: NormMode::Train,
            clip: None,
            ema: None,
            drop_path: 0.0,
            size: None,
            train_size: None,
            input: None,
            head: None,
            optimizer: OptimizerConfig::default(),
            groups: ParamGroups {
                decay_norm_and_bias: false,
                ..ParamGroups::default()
            },
            schedule: ScheduleConfig::default(),
            augment: AugmentConfig::default(),
        }
    }
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            decay: Decay::Cosine,
            warmup_epochs: 0.0,
            warmup_start: 0.0,
            end: 0.0,
        }
    }
}

impl Default for AugmentConfig {
    fn default() -> Self {
        Self {
            crop: CropConfig::RandomResized { scale: [0.08, 1.0] },
            flip: 0.5,
            policy: Policy::None,
            jitter: Jitter::default(),
            erase: 0.0,
            mixup: 0.0,
            cutmix: 0.0,
        }
    }
}
