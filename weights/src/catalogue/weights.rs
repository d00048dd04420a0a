//! A row of the catalogue.

use std::fmt;

use resnet_core::{Arch, ResNetConfig};
use resnet_image::Preprocessing;
use serde::{Deserialize, Serialize};

use crate::Labels;

/// A published set of weights: what it is, how good, under which license, where it lies.
///
/// The rows come from [`Weights::all`]; a set of your own goes through the same functions.
///
/// ```
/// use resnet_weights::{Weights, ids};
///
/// let weights = Weights::named("resnet50")?;
/// assert_eq!(weights.id, ids::RESNET50_A1_IN1K.as_ref());
/// assert_eq!(weights.preprocessing.crop, Some(288));
/// assert_eq!(Weights::named("ResNet50_Weights.IMAGENET1K_V2")?.id, "resnet50.tv2_in1k");
/// assert!(Weights::matching("wide_resnet*")?.len() >= 5);
/// # Ok::<(), resnet_weights::UnknownWeights>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// timm's `architecture.tag`: `resnet50d.ra2_in1k`.
    pub id: String,
    /// torchvision's own name, where it published the set: `ResNet50_Weights.IMAGENET1K_V2`.
    pub torchvision: Option<String>,
    /// The network.
    pub arch: Arch,
    /// Whether the bare name of the network means this set.
    pub default: bool,
    /// The places that have it, the preferred one first; none for [embedded](Self::is_embedded) weights.
    pub sources: Vec<Source>,
    /// Size of the publisher's file in MiB, where that is published.
    pub mib: Option<f64>,
    /// What is known of the file beyond its name: container, element type, keys that it lacks.
    pub notes: String,
    /// Outputs of the classifier: 1000, 11821 for ImageNet-12k, 0 for a backbone alone.
    pub classes: usize,
    /// The terms it is published under.
    pub license: License,
    /// Who trained it, on what, how: a paper or a page.
    pub origin: String,
    /// Trainable parameters.
    pub parameters: u64,
    /// Billions of multiply-accumulates (convolutions and classifier) for one image at the size of [`preprocessing`](Self::preprocessing).
    pub gmacs: f64,
    /// The preprocessing it was evaluated with: timm's test size, which is above that of training for many sets;
    /// torchvision's own for torchvision's.
    pub preprocessing: Preprocessing,
    /// The preprocessing at the size it was trained with.
    pub train_preprocessing: Preprocessing,
    /// Accuracy on ImageNet-1k's validation images, or CIFAR-10's test images, by [`preprocessing`](Self::preprocessing), where it was published.
    pub accuracy: Option<Accuracy>,
    /// The same by [`train_preprocessing`](Self::train_preprocessing).
    pub train_accuracy: Option<Accuracy>,
}

/// A place on the network that has a file of weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A publisher's file.
    Url {
        /// Its address.
        url: String,
        /// The first hexadecimal digits of its sha256, eight or more.
        sha256: String,
    },
    /// A file of a Hugging Face repository; the hub itself states its sha256.
    Hub {
        /// `owner/name`.
        repo: String,
        /// The file in it.
        file: String,
    },
}

/// The terms that weights are published under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum License {
    /// Apache License 2.0.
    #[serde(rename = "Apache-2.0")]
    Apache2,
    /// BSD 3-Clause, torchvision's.
    #[serde(rename = "BSD-3-Clause")]
    Bsd3,
    /// MIT or Apache License 2.0, as one likes: that of this project.
    #[serde(rename = "MIT OR Apache-2.0")]
    MitOrApache2,
    /// Creative Commons Attribution-NonCommercial 4.0: not for commercial use.
    #[serde(rename = "CC-BY-NC-4.0")]
    CcByNc4,
    /// The publisher states none, so all rights are reserved.
    #[serde(rename = "unstated")]
    Unstated,
}

/// How good a set of weights is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Percent of images whose first guess is right.
    pub top1: f64,
    /// Percent of images with the right class among the first five guesses.
    pub top5: f64,
}

impl License {
    /// Whether it allows commercial use.
    pub fn allows_commercial_use(self) -> bool {
        matches!(self, Self::Apache2 | Self::Bsd3 | Self::MitOrApache2)
    }
}

/// Its SPDX identifier.
impl fmt::Display for License {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Apache2 => "Apache-2.0",
            Self::Bsd3 => "BSD-3-Clause",
            Self::MitOrApache2 => "MIT OR Apache-2.0",
            Self::CcByNc4 => "CC-BY-NC-4.0",
            Self::Unstated => "unstated",
        })
    }
}

impl Weights {
    /// The options of its network, with its classes.
    pub fn config(&self) -> ResNetConfig {
        self.arch.config().with_num_classes(self.classes)
    }

    /// The names of its classes.
    pub fn labels(&self) -> Labels {
        let named = match self.classes {
            1000 => Labels::named("imagenet1k"),
            11_821 => Labels::named("imagenet12k"),
            classes => return Labels::of_network(Some(self.arch.name()), classes),
        };
        named.unwrap_or_else(|| Labels::numbered(self.classes))
    }

    /// What to tell someone before they use it, if its license restricts that.
    pub fn restriction(&self) -> Option<String> {
        let Self { id, origin, .. } = self;
        match self.license {
            License::Apache2 | License::Bsd3 | License::MitOrApache2 => None,
            License::CcByNc4 => Some(format!(
                "`{id}`: its license, CC-BY-NC-4.0, does not allow commercial use ({origin})"
            )),
            License::Unstated => Some(format!(
                "`{id}`: its publisher names no license; ask before you use it ({origin})"
            )),
        }
    }

    /// More bytes than the file can have: eight for each parameter, and room for names.
    pub fn max_bytes(&self) -> u64 {
        const NAMES: u64 = 16 << 20;
        self.parameters.saturating_mul(8).saturating_add(NAMES)
    }
}

impl Source {
    /// The name of the file in our cache: the publisher's, or `{id}.safetensors` for a file of the hub, where
    /// all are called `model.safetensors`.
    pub fn file_name(&self, id: &str) -> String {
        match self {
            Self::Url { url, .. } => url.rsplit('/').next().unwrap_or(url).to_string(),
            Self::Hub { file, .. } => match file.rsplit_once('.') {
                Some((_, ending)) => format!("{id}.{ending}"),
                None => id.to_string(),
            },
        }
    }
}
