//! Detection and segmentation networks that the feature `embedded` compiles into programs.

use serde::Serialize;

use super::DenseMetrics;
use crate::{Checkpoint, License, ReadError};

/// A small detector or segmentation network for the generated dataset `scenes`. The feature
/// `embedded` compiles it into programs, so it runs without a download.
///
/// ```
/// use resnet_weights::EmbeddedDense;
///
/// let network = EmbeddedDense::named("maskrcnn_scenes").unwrap();
/// assert_eq!(network.license.to_string(), "MIT OR Apache-2.0");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EmbeddedDense {
    /// The id: `maskrcnn_scenes` or `deeplabv3_plus_scenes`.
    pub id: &'static str,
    /// Number of trainable parameters.
    pub parameters: u64,
    /// Metrics on the 200 validation scenes.
    pub metrics: DenseMetrics,
    /// The license of the weights.
    pub license: License,
    #[serde(skip)]
    file: Option<&'static [u8]>,
}

macro_rules! file {
    ($name:literal) => {{
        #[cfg(feature = "embedded")]
        let file: Option<&[u8]> = Some(include_bytes!(concat!("../../embedded/", $name)));
        #[cfg(not(feature = "embedded"))]
        let file: Option<&[u8]> = None;
        file
    }};
}

const NONE: DenseMetrics = DenseMetrics::NONE;

// The metrics come from `embedded/README.md`.
static ALL: [EmbeddedDense; 2] = [
    EmbeddedDense {
        id: "maskrcnn_scenes",
        parameters: 863_369,
        metrics: DenseMetrics {
            box_ap: Some(82.9),
            mask_ap: Some(64.4),
            ..NONE
        },
        license: License::MitOrApache2,
        file: file!("maskrcnn_scenes.safetensors"),
    },
    EmbeddedDense {
        id: "deeplabv3_plus_scenes",
        parameters: 561_959,
        metrics: DenseMetrics {
            mean_iou: Some(87.8),
            pixel_accuracy: Some(98.8),
            ..NONE
        },
        license: License::MitOrApache2,
        file: file!("deeplabv3_plus_scenes.safetensors"),
    },
];

impl EmbeddedDense {
    /// Returns all embedded networks.
    pub fn all() -> &'static [Self] {
        &ALL
    }

    /// Returns the network with this id.
    pub fn named(id: &str) -> Option<&'static Self> {
        ALL.iter().find(|network| network.id == id)
    }

    /// Returns whether the network is a detector. The other ones segment images.
    pub fn is_detector(&self) -> bool {
        self.metrics.box_ap.is_some()
    }

    /// Opens the weights. Returns `None` without the feature `embedded`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Checkpoint::from_bytes`]. A test opens each file, so no error is
    /// expected.
    pub fn open(&self) -> Result<Option<Checkpoint>, ReadError> {
        let bytes = self.file.map(<[u8]>::to_vec);
        bytes
            .map(|bytes| Checkpoint::from_bytes(self.id, bytes))
            .transpose()
    }
}
