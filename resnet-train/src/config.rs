//! All the numbers of a run, as a TOML file has them.

use std::path::{Path, PathBuf};
use std::{fs, io};

use resnet_core::{NormMode, ResNetConfig, StemKind};
use resnet_data::{Augment, AugmentError, Crop, Dataset, Jitter, Loader, Mix, Policy, Sampling};
use resnet_image::Recipe;
use serde::{Deserialize, Serialize};

use crate::{Decay, Fit, Groups, LossKind, OptimizerConfig, Part, Schedule, Settings};

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
/// # Ok::<(), resnet_train::ConfigError>(())
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
    /// Of everything that is drawn.
    pub seed: u64,
    /// The share of the images to validate with, where they are not kept apart.
    pub split: f64,
    /// Passes over the images, those of [`head`](Self::head) not counted.
    pub epochs: u64,
    /// Images of a step.
    pub batch_size: usize,
    /// Parts that a batch is run in, for less memory.
    pub parts: usize,
    /// The peak of the learning rate.
    pub learning_rate: f64,
    /// Which images an epoch has, and in which order.
    pub sampling: Sampling,
    /// Whether rare classes count for more in the loss, so that all count alike.
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
    /// What is done to an image in evaluation [default: that of the weights].
    pub input: Option<Recipe>,
    /// Fine-tuning's first phase: the classifier alone.
    pub head: Option<Head>,
    /// From gradients to new parameters.
    pub optimizer: OptimizerConfig,
    /// Which parameters learn, how fast, and which of them decay.
    pub groups: Groups,
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
    /// Changes of colour.
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
            seed: 1,
            split: 0.2,
            epochs: 10,
            batch_size: 32,
            parts: 1,
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
            optimizer: OptimizerConfig::sgd(5e-4),
            groups: Groups {
                decay_norm_and_bias: false,
                ..Groups::default()
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

/// Why numbers make no run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No recipe has the name.
    #[error("`{name}`: expected a recipe ({}) or a file ending in `.toml`, found neither", known.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// Those that are.
        known: Vec<&'static str>,
    },
    /// The file cannot be read.
    #[error("`{}`: expected a config in TOML", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The text is no config.
    #[error("config: {0}")]
    Toml(#[from] toml::de::Error),
    /// A number is out of its range.
    #[error("`{field}`: expected {expected}, found {found}")]
    Range {
        /// The field.
        field: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        found: f64,
    },
    /// A number of the augmentation is out of its range.
    #[error(transparent)]
    Augment(#[from] AugmentError),
    /// The recipe for evaluation cannot be used.
    #[error("`input`")]
    Input(#[from] resnet_image::RecipeError),
    /// Classes cannot be weighed in this loss.
    #[error(
        "`class-weights`: expected one class an image and the cross-entropy, found another loss"
    )]
    ClassWeights,
    /// A dataset has too few images for a step.
    #[error("expected two images or more to train from, found {found}")]
    TooFew {
        /// The images.
        found: usize,
    },
}

/// The recipes that come along.
const RECIPES: [(&str, &str); 8] = [
    ("cifar", include_str!("../recipes/cifar.toml")),
    ("finetune", include_str!("../recipes/finetune.toml")),
    ("imagenet-a1", include_str!("../recipes/imagenet-a1.toml")),
    ("imagenet-a2", include_str!("../recipes/imagenet-a2.toml")),
    ("imagenet-a3", include_str!("../recipes/imagenet-a3.toml")),
    ("shapes", include_str!("../recipes/shapes.toml")),
    (
        "torchvision-v1",
        include_str!("../recipes/torchvision-v1.toml"),
    ),
    (
        "torchvision-v2",
        include_str!("../recipes/torchvision-v2.toml"),
    ),
];

impl Config {
    /// The recipes that come along: their names and their text, whose head tells command, time and accuracy.
    pub fn recipes() -> impl Iterator<Item = (&'static str, &'static str)> {
        RECIPES.into_iter()
    }

    /// The recipe of a name, or the config in a file whose name ends in `.toml`.
    ///
    /// # Errors
    ///
    /// If there is neither, or a number is out of its range.
    pub fn open(name: &str) -> Result<Self, ConfigError> {
        if let Some((_, text)) = Self::recipes().find(|&(recipe, _)| recipe == name) {
            return Self::from_toml(text);
        }
        let path = Path::new(name);
        if path.extension().is_none_or(|ending| ending != "toml") {
            return Err(ConfigError::Unknown {
                name: name.into(),
                known: Self::recipes().map(|(name, _)| name).collect(),
            });
        }
        let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.into(),
            source,
        })?;
        Self::from_toml(&text)
    }

    /// The config in a text.
    ///
    /// # Errors
    ///
    /// If it is no TOML, has another field, or a number is out of its range.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text)?;
        config.validate()?;
        Ok(config)
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    ///
    /// If a number is out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let above =
            |field, found: f64| in_range(field, found, f64::MIN_POSITIVE..=1e6, "a number above 0");
        let share = |field, found: f64| in_range(field, found, 0.0..=1.0, "a number from 0 to 1");
        let most = |field, found: usize| {
            in_range(
                field,
                found as f64,
                1.0..=1e6,
                "a whole number from 1 to 1,000,000",
            )
        };
        in_range(
            "split",
            self.split,
            0.001..=0.999,
            "a number between 0 and 1",
        )?;
        most("epochs", self.epochs as usize)?;
        most("batch-size", self.batch_size)?;
        most("parts", self.parts)?;
        above("learning-rate", self.learning_rate)?;
        share("smoothing", self.smoothing)?;
        share("drop-path", self.drop_path)?;
        if let Some(clip) = self.clip {
            above("clip", clip)?;
        }
        if let Some(ema) = self.ema {
            share("ema", ema)?;
        }
        if let Some(head) = self.head {
            most("head.epochs", head.epochs as usize)?;
            above("head.learning-rate", head.learning_rate)?;
        }
        for (field, size) in [("size", self.size), ("train-size", self.train_size)] {
            if let Some(size) = size {
                in_range(
                    field,
                    size.into(),
                    8.0..=4096.0,
                    "a whole number from 8 to 4096",
                )?;
            }
        }
        if let Some(input) = &self.input {
            input.validate()?;
        }
        share("groups.backbone-rate", self.groups.backbone_rate)?;
        share("groups.layer-decay", self.groups.layer_decay)?;
        share("schedule.warmup-start", self.schedule.warmup_start)?;
        share("schedule.end", self.schedule.end)?;
        let least = 0.0..=1e6;
        in_range(
            "schedule.warmup-epochs",
            self.schedule.warmup_epochs,
            least,
            "a number from 0 on",
        )?;
        if let Decay::OneCycle { rise } = self.schedule.decay {
            share("schedule.decay.one-cycle.rise", rise)?;
        }
        self.mix().validate()?;
        Ok(self.augment(&Recipe::imagenet()).validate()?)
    }

    /// What is done to an image in evaluation, where the network's own recipe is `own`.
    pub fn recipe(&self, own: Recipe, network: &ResNetConfig) -> Recipe {
        let own = self.input.unwrap_or(own);
        let small = matches!(network.stem, StemKind::Conv3x3 { .. });
        let crop = own.crop.unwrap_or(if small { 32 } else { 224 });
        let ratio = match (own.resize, own.crop) {
            (Some(resize), Some(crop)) => f64::from(resize) / f64::from(crop),
            _ if small => 1.0,
            _ => 256.0 / 224.0,
        };
        let size = self.size.unwrap_or(crop);
        Recipe {
            resize: Some((f64::from(size) * ratio).round() as u32),
            crop: Some(size),
            ..own
        }
    }

    /// How images are changed at random, where in evaluation they go through `recipe`.
    fn augment(&self, recipe: &Recipe) -> Augment {
        let AugmentConfig {
            crop,
            flip,
            policy,
            jitter,
            erase,
            ..
        } = self.augment;
        let size = self.train_size.or(recipe.crop).unwrap_or(224);
        let crop = match crop {
            CropConfig::RandomResized { scale } => Crop::RandomResized {
                size,
                scale,
                filter: recipe.filter,
            },
            CropConfig::Padded { padding } => Crop::Padded { size, padding },
            CropConfig::Evaluation => Crop::Recipe,
        };
        Augment {
            crop,
            flip,
            policy,
            jitter,
            erase,
        }
    }

    fn mix(&self) -> Mix {
        Mix {
            mixup: self.augment.mixup,
            cutmix: self.augment.cutmix,
        }
    }

    /// What a step does; `several` for images that may have several classes.
    pub fn settings(&self, several: bool) -> Settings {
        let usual = match several {
            true => LossKind::BinaryCrossEntropy,
            false => LossKind::CrossEntropy,
        };
        Settings {
            optimizer: self.optimizer,
            groups: self.groups,
            loss: self.loss.unwrap_or(usual),
            norms: self.norms,
            clip: self.clip,
            ema: self.ema,
        }
    }

    /// The run over these images.
    ///
    /// # Errors
    ///
    /// If there are too few images, or a number is out of its range.
    pub fn fit(&self, [train, valid]: [Dataset; 2], recipe: Recipe) -> Result<Fit, ConfigError> {
        self.validate()?;
        if train.len() < 2 {
            return Err(ConfigError::TooFew { found: train.len() });
        }
        let loss = self.settings(train.is_multi_label()).loss;
        if self.class_weights && loss != LossKind::CrossEntropy {
            return Err(ConfigError::ClassWeights);
        }
        let class_weights = self.class_weights.then(|| train.class_weights());
        let train = Loader::new(train, recipe, self.batch_size)
            .training(self.augment(&recipe), self.seed)?
            .with_mix(self.mix())?
            .with_sampling(self.sampling);
        let epoch = train.len() as u64;
        let ScheduleConfig {
            decay,
            warmup_epochs,
            warmup_start,
            end,
        } = self.schedule.clone();
        Ok(Fit {
            schedule: Schedule {
                decay,
                warmup: (warmup_epochs * epoch as f64).round() as u64,
                warmup_start,
                end,
                epoch,
                total: epoch * self.epochs,
            },
            train,
            valid: Some(Loader::new(valid, recipe, self.batch_size)),
            learning_rate: self.learning_rate,
            epochs: self.epochs,
            smoothing: self.smoothing,
            class_weights,
            parts: self.parts,
            checkpoint: None,
            save_every: None,
            seed: self.seed,
        })
    }

    /// The phase in which the classifier learns alone, with running statistics as they are; none where there is none.
    pub fn head_phase(&self) -> Option<Self> {
        let head = self.head?;
        Some(Self {
            head: None,
            epochs: head.epochs,
            learning_rate: head.learning_rate,
            norms: NormMode::Frozen,
            ema: None,
            groups: Groups {
                freeze_to: Part::Fc,
                ..self.groups
            },
            ..self.clone()
        })
    }
}

fn in_range(
    field: &'static str,
    found: f64,
    range: std::ops::RangeInclusive<f64>,
    expected: &'static str,
) -> Result<(), ConfigError> {
    match range.contains(&found) {
        true => Ok(()),
        false => Err(ConfigError::Range {
            field,
            expected,
            found,
        }),
    }
}
