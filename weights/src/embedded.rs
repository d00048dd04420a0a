//! The catalog row of the weights that the feature `embedded` compiles into programs.

use resnet_core::Arch;
use resnet_image::{Filter, IMAGENET_MEAN, IMAGENET_STD, Preprocessing};

use crate::{Accuracy, License, Weights};

const ID: &str = "cifar_resnet20.resnet_zoo_c10";

/// The file, if the feature `embedded` is on.
#[cfg(feature = "embedded")]
pub(crate) const FILE: Option<&[u8]> = Some(include_bytes!(
    "../embedded/cifar_resnet20.resnet_zoo_c10.safetensors"
));
#[cfg(not(feature = "embedded"))]
pub(crate) const FILE: Option<&[u8]> = None;

/// Returns the row. Its figures come from the model card, `embedded/README.md`.
pub(crate) fn row() -> Weights {
    let preprocessing = Preprocessing {
        resize: Some(32),
        crop: Some(32),
        filter: Filter::Bilinear,
        mean: IMAGENET_MEAN.into(),
        std: IMAGENET_STD.into(),
    };
    let accuracy = Some(Accuracy {
        top1: 87.33,
        top5: 99.50,
    });
    Weights {
        id: ID.into(),
        torchvision: None,
        arch: Arch::CifarResNet20,
        default: true,
        sources: Vec::new(),
        mib: None,
        notes: "float16, in programs built with the feature `embedded`".into(),
        classes: 10,
        license: License::MitOrApache2,
        origin: "resnet-train, preprocessing `cifar`, on CIFAR-10 as JPEG".into(),
        parameters: 269_722,
        gmacs: 0.041,
        preprocessing,
        train_preprocessing: preprocessing,
        accuracy,
        train_accuracy: accuracy,
    }
}

impl Weights {
    /// Returns whether these are the weights that the feature `embedded` compiles into programs.
    /// They are published nowhere else.
    pub fn is_embedded(&self) -> bool {
        self.id == ID
    }
}
