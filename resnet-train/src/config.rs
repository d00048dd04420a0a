//! The config of a run: its hyperparameters, in TOML.

mod build;
#[cfg(feature = "dense")]
mod dense;
mod open;
mod validate;

use std::path::PathBuf;

use resnet_core::NormMode;
use resnet_data::{Jitter, Policy, Sampling};
use resnet_image::Preprocessing;
use serde::{Deserialize, Serialize};

pub use open::TrainConfigError;

use crate::{Decay, LossKind, OptimizerConfig, ParamGroups, Schedule};

/// The config of a run: the network and all hyperparameters, but not the dataset.
///
/// In a file, omitted fields have their default values.
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
    /// The task [default: classify].
    #[serde(skip_serializing_if = "Task::is_classify")]
    pub task: Task,
    /// Architecture name. The network has random weights, or the weights in `weights`.
    pub arch: Option<String>,
    /// Id of published weights to start from.
    pub model: Option<String>,
    /// Checkpoint file to start from.
    pub weights: Option<PathBuf>,
    /// Architecture of the residual network inside of a detector or segmentation network [default:
    /// the one that `arch` names].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Id of published ImageNet weights, or a checkpoint file, for this residual network [default:
    /// random weights].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backbone: Option<String>,
    /// Key path of the network to load from a checkpoint that holds several.
    pub state: Option<String>,
    /// Network options as `OPTION=VALUE`. They set options that the checkpoint does not contain, or
    /// override options of the checkpoint: see [`Overrides`](resnet_weights::Overrides).
    pub set: Vec<String>,
    /// Random seed [default: 1].
    pub seed: u64,
    /// Fraction of each class to hold out for validation if the dataset has no validation set
    /// [default: 0.2].
    pub split: f64,
    /// Number of epochs, without the epochs of [`head`](Self::head) [default: 10].
    pub epochs: u64,
    /// Images per step [default: 32].
    pub batch_size: usize,
    /// Micro-batches per batch, to save memory (gradient accumulation) [default: 1]. Loss and
    /// gradients equal those of the whole batch.
    pub accumulate: usize,
    /// Peak learning rate [default: 0.1].
    pub learning_rate: f64,
    /// The images of an epoch and their order [default: all images, shuffled].
    pub sampling: Sampling,
    /// Whether to weight the classes in the cross-entropy so that rare classes count as much as
    /// common ones [default: false].
    pub class_weights: bool,
    /// The loss [default: cross-entropy, or binary cross-entropy if images have several labels].
    pub loss: Option<LossKind>,
    /// Label smoothing [default: 0].
    pub smoothing: f64,
    /// The mode of the norm layers [default: train].
    pub norms: NormMode,
    /// Maximum L2 norm of all gradients together (gradient clipping) [default: no clipping].
    pub clip: Option<f64>,
    /// Decay of the exponential moving average (EMA) of the weights [default: no EMA]. With an EMA,
    /// the averaged network is validated and saved.
    pub ema: Option<f64>,
    /// Drop rate of the last block (stochastic depth, Huang et al. 2016) [default: 0]. The rate
    /// grows from the first block to the last.
    pub drop_path: f64,
    /// Image side in evaluation, in pixels [default: from the weights, else 32 for CIFAR networks
    /// and 224 for others].
    pub size: Option<u32>,
    /// Image side in training, in pixels [default: the side in evaluation].
    pub train_size: Option<u32>,
    /// Preprocessing in evaluation, which replaces the preprocessing of the weights [default: from
    /// the weights]. It needs at least `mean` and `std`.
    #[serde(deserialize_with = "open::input")]
    pub input: Option<Preprocessing>,
    /// A first phase that trains only the classifier [default: none].
    pub head: Option<Head>,
    /// The optimizer [default: SGD].
    pub optimizer: OptimizerConfig,
    /// Which parameters learn, their learning rates and their weight decay.
    pub groups: ParamGroups,
    /// The learning rate schedule.
    pub schedule: ScheduleConfig,
    /// The data augmentation of classification.
    pub augment: AugmentConfig,
    /// The data augmentation of detection [default: none].
    #[cfg(feature = "dense")]
    #[serde(skip_serializing_if = "is_default")]
    pub objects: resnet_data::objects::ObjectAugment,
    /// The data augmentation of segmentation [default: as in torchvision's reference].
    #[cfg(feature = "dense")]
    #[serde(skip_serializing_if = "is_default")]
    pub class_maps: resnet_data::class_maps::ClassMapAugment,
}

/// What a network learns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// The class of an image.
    #[default]
    Classify,
    /// Boxes of objects, and masks if the network predicts them.
    Detect,
    /// Boxes and keypoints of objects.
    Keypoints,
    /// The class of each pixel.
    Segment,
}

impl Task {
    fn is_classify(&self) -> bool {
        *self == Self::Classify
    }
}

/// Returns whether a value is the default, so that the configs of older runs stay the same.
#[cfg(feature = "dense")]
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The phase that trains only the classifier.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Head {
    /// Number of epochs.
    pub epochs: u64,
    /// Peak learning rate.
    pub learning_rate: f64,
}

/// The learning rate schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// The decay [default: cosine].
    pub decay: Decay,
    /// Warm-up epochs [default: 0].
    pub warmup_epochs: f64,
    /// Largest number of warm-up steps [default: no limit].
    pub warmup_max_steps: Option<u64>,
    /// Learning rate at the start of the warm-up, as a fraction of the peak [default: 0].
    pub warmup_start: f64,
    /// Learning rate at the end of a cosine decay, as a fraction of the peak [default: 0].
    pub end: f64,
}

/// The data augmentation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct AugmentConfig {
    /// The crop [default: random resized, scale 0.08 to 1].
    pub crop: CropConfig,
    /// Probability of a horizontal flip [default: 0.5].
    pub flip: f64,
    /// The policy, such as RandAugment or TrivialAugment [default: none].
    pub policy: Policy,
    /// Color jitter [default: none].
    pub jitter: Jitter,
    /// Probability of random erasing [default: 0].
    pub erase: f64,
    /// Alpha of mixup; 0 disables it [default: 0].
    pub mixup: f64,
    /// Alpha of CutMix; 0 disables it [default: 0].
    pub cutmix: f64,
}

/// The crop of a training image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum CropConfig {
    /// A rectangle of random area and aspect ratio, resized to a square.
    RandomResized {
        /// Minimum and maximum area, as fractions of the image.
        scale: [f64; 2],
    },
    /// A random square of the image, which is padded with black.
    Padded {
        /// Padding on each side, in pixels.
        padding: u32,
    },
    /// The crop of the evaluation preprocessing.
    Evaluation,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            task: Task::Classify,
            arch: None,
            body: None,
            backbone: None,
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
            #[cfg(feature = "dense")]
            objects: Default::default(),
            #[cfg(feature = "dense")]
            class_maps: Default::default(),
        }
    }
}

impl ScheduleConfig {
    /// Returns the schedule of a run with this number of steps per epoch.
    pub(crate) fn over(&self, epoch: u64, epochs: u64) -> Schedule {
        let warmup = (self.warmup_epochs * epoch as f64).round() as u64;
        Schedule {
            decay: self.decay.clone(),
            warmup: warmup.min(self.warmup_max_steps.unwrap_or(u64::MAX)),
            warmup_start: self.warmup_start,
            end: self.end,
            epoch,
            total: epoch * epochs,
        }
    }
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            decay: Decay::Cosine,
            warmup_epochs: 0.0,
            warmup_max_steps: None,
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
