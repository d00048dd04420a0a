//! Weights that are in the program itself.

use resnet_core::Arch;
use resnet_image::{Filter, IMAGENET_MEAN, IMAGENET_STD, Recipe};

use crate::{Accuracy, Checkpoint, Licence, ReadError, Weights};

const ID: &str = "cifar_resnet20.resnet_zoo_c10";

#[cfg(feature = "embedded")]
const FILE: Option<&[u8]> = Some(include_bytes!(
    "../embedded/cifar_resnet20.resnet_zoo_c10.safetensors"
));
#[cfg(not(feature = "embedded"))]
const FILE: Option<&[u8]> = None;

/// The row of ours: its figures are those of its model card, `embedded/README.md`.
pub(crate) fn row() -> Weights {
    let recipe = Recipe {
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
        licence: Licence::MitOrApache2,
        origin: "resnet-train, recipe `cifar`, on CIFAR-10 as JPEG".into(),
        parameters: 269_722,
        gmacs: 0.041,
        recipe,
        train_recipe: recipe,
        accuracy,
        train_accuracy: accuracy,
    }
}

impl Weights {
    /// Whether the set is one that programs have in themselves, by the feature `embedded`; it is nowhere else.
    pub fn is_embedded(&self) -> bool {
        self.id == ID
    }

    /// The set that this program has in itself, opened; none for any other, or without the feature `embedded`.
    ///
    /// # Errors
    ///
    /// As [`Checkpoint::from_bytes`]; never, as the file is tested.
    pub fn open_embedded(&self) -> Result<Option<Checkpoint>, ReadError> {
        match FILE {
            Some(bytes) if self.is_embedded() => {
                Checkpoint::from_bytes(ID, bytes.to_vec()).map(Some)
            }
            _ => Ok(None),
        }
    }
}
