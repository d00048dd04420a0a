//! The layer groups that are frozen or trained together.

use core::fmt;
use core::str::FromStr;

use alloc::string::{String, ToString};

use serde::{Deserialize, Serialize};

/// A group of layers. Groups are ordered from input to output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LayerGroup {
    /// Everything before the first stage.
    #[default]
    Stem,
    /// First stage.
    Layer1,
    /// Second stage.
    Layer2,
    /// Third stage.
    Layer3,
    /// Fourth stage.
    Layer4,
    /// Everything after the backbone: the classifier `fc`, or a decoder.
    #[serde(rename = "fc", alias = "head")]
    Head,
}

impl LayerGroup {
    /// Every group, from the input to the output.
    pub const ALL: [Self; 6] = [
        Self::Stem,
        Self::Layer1,
        Self::Layer2,
        Self::Layer3,
        Self::Layer4,
        Self::Head,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Stem => "stem",
            Self::Layer1 => "layer1",
            Self::Layer2 => "layer2",
            Self::Layer3 => "layer3",
            Self::Layer4 => "layer4",
            Self::Head => "fc",
        }
    }

    /// Returns the group of a state-dict key such as `layer2.0.conv1.weight` or
    /// `backbone.conv1.weight`.
    ///
    /// The function skips a prefix of `backbone.`, `body.` and `encoder.`. Then `layer1` to
    /// `layer4` are the stages, and `conv1`, `bn1` and `maxpool` are the stem. Every other key
    /// belongs to the head.
    ///
    /// ```
    /// use resnet_core::LayerGroup;
    ///
    /// assert_eq!(LayerGroup::of_key("backbone.layer3.0.bn1.bias"), LayerGroup::Layer3);
    /// assert_eq!(LayerGroup::of_key("backbone.conv1.weight"), LayerGroup::Stem);
    /// assert_eq!(LayerGroup::of_key("decoder.conv1.weight"), LayerGroup::Head);
    /// assert_eq!(LayerGroup::of_key("decoder.layer1.weight"), LayerGroup::Head);
    /// ```
    pub fn of_key(key: &str) -> Self {
        let mut parts = key.split('.');
        let first = parts.find(|part| !["backbone", "body", "encoder"].contains(part));
        let stages = &Self::ALL[1..5];
        match first {
            Some("conv1" | "bn1" | "maxpool") => Self::Stem,
            Some(part) => {
                let stage = stages.iter().find(|stage| stage.name() == part);
                stage.copied().unwrap_or(Self::Head)
            }
            None => Self::Head,
        }
    }
}

impl fmt::Display for LayerGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The error for an unknown group name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}`: expected `stem`, `layer1`, `layer2`, `layer3`, `layer4` or `fc`")]
#[non_exhaustive]
pub struct UnknownLayerGroup(pub String);

impl FromStr for LayerGroup {
    type Err = UnknownLayerGroup;

    fn from_str(name: &str) -> Result<Self, UnknownLayerGroup> {
        let found = Self::ALL.into_iter().find(|group| group.name() == name);
        let head = (name == "head").then_some(Self::Head);
        found
            .or(head)
            .ok_or_else(|| UnknownLayerGroup(name.to_string()))
    }
}
