//! A row of the catalog.

use std::fmt;

use resnet_core::{Arch, ResNetConfig};
use resnet_image::Preprocessing;
use serde::{Deserialize, Serialize};

use crate::Labels;

/// Published pretrained weights: network, accuracy, license and sources.
///
/// [`Weights::all`] returns the catalog. A value that you build yourself works with the same
/// functions.
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
    /// timm's id, `architecture.tag`: `resnet50d.ra2_in1k`.
    pub id: String,
    /// torchvision's name if torchvision published the weights: `ResNet50_Weights.IMAGENET1K_V2`.
    pub torchvision: Option<String>,
    /// The network.
    pub arch: Arch,
    /// Whether the bare name of the network selects these weights.
    pub default: bool,
    /// The sources of the file, the preferred one first; empty for [embedded](Self::is_embedded)
    /// weights.
    pub sources: Vec<Source>,
    /// Size of the publisher's file in MiB, if published.
    pub mib: Option<f64>,
    /// Known facts about the file: container, element type, missing keys.
    pub notes: String,
    /// Outputs of the classifier: 1000 for ImageNet-1k, 11821 for ImageNet-12k, 0 for a headless
    /// network.
    pub classes: usize,
    /// The license of the weights.
    pub license: License,
    /// Links to the page or paper that describes the training.
    pub origin: String,
    /// Number of trainable parameters.
    pub parameters: u64,
    /// Billions of multiply-accumulates (convolutions and linear layers) for one image at the size
    /// of [`preprocessing`](Self::preprocessing).
    pub gmacs: f64,
    /// The preprocessing of the published evaluation. timm evaluates many weights at a larger size
    /// than they were trained with; torchvision's weights use torchvision's preprocessing.
    pub preprocessing: Preprocessing,
    /// The preprocessing at the training size.
    pub train_preprocessing: Preprocessing,
    /// Accuracy with [`preprocessing`](Self::preprocessing), if published: on the validation images
    /// of ImageNet-1k, or the test images of CIFAR-10.
    pub accuracy: Option<Accuracy>,
    /// Accuracy with [`train_preprocessing`](Self::train_preprocessing), if published.
    pub train_accuracy: Option<Accuracy>,
}

/// A remote source of a file of weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A publisher's file.
    Url {
        /// The URL.
        url: String,
        /// The first hexadecimal digits of the file's SHA-256, eight or more.
        sha256: String,
    },
    /// A file in a Hugging Face repository. The hub states its SHA-256.
    Hub {
        /// `owner/name`.
        repo: String,
        /// The file name in the repository.
        file: String,
    },
}

/// The license of pretrained weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum License {
    /// Apache License 2.0.
    #[serde(rename = "Apache-2.0")]
    Apache2,
    /// BSD 3-Clause, torchvision's.
    #[serde(rename = "BSD-3-Clause")]
    Bsd3,
    /// MIT or Apache License 2.0, at your option: the license of this project.
    #[serde(rename = "MIT OR Apache-2.0")]
    MitOrApache2,
    /// Creative Commons Attribution-NonCommercial 4.0: not for commercial use.
    #[serde(rename = "CC-BY-NC-4.0")]
    CcByNc4,
    /// The publisher states no license, so all rights are reserved.
    #[serde(rename = "unstated")]
    Unstated,
}

/// The accuracy of pretrained weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Top-1 accuracy in percent.
    pub top1: f64,
    /// Top-5 accuracy in percent.
    pub top5: f64,
}

impl License {
    /// Returns whether the license allows commercial use.
    pub fn allows_commercial_use(self) -> bool {
        matches!(self, Self::Apache2 | Self::Bsd3 | Self::MitOrApache2)
    }
}

/// Writes the SPDX identifier.
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
    /// Returns the config of the network, with the number of classes of the weights.
    pub fn config(&self) -> ResNetConfig {
        self.arch.config().with_num_classes(self.classes)
    }

    /// Returns the class names.
    pub fn labels(&self) -> Labels {
        let named = match self.classes {
            1000 => Labels::named("imagenet1k"),
            11_821 => Labels::named("imagenet12k"),
            classes => return Labels::of_network(Some(self.arch.name()), classes),
        };
        named.unwrap_or_else(|| Labels::numbered(self.classes))
    }

    /// Returns a warning for the user if the license restricts the use of the weights.
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

    /// Returns an upper bound of the file size: eight bytes per parameter, and 16 MiB for names.
    pub fn max_bytes(&self) -> u64 {
        super::max_bytes(self.parameters)
    }
}

impl Source {
    /// Returns the name of the file in our cache: the publisher's file name, or `{id}.safetensors`
    /// for a file of the hub, where every file is called `model.safetensors`.
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
