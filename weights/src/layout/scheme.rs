//! Translates the keys of other libraries into torchvision's.

use std::collections::BTreeSet;

/// The naming scheme of the keys in a state dict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scheme {
    /// torchvision, timm, OpenMMLab, and the CIFAR networks of kuangliu and akamaster.
    Torchvision,
    /// `ResNetModel` of the transformers library.
    Transformers,
    /// `Sequential(*model.children())`, as in fastai's bodies.
    Sequence {
        /// The index of the child that is the first stage.
        first: usize,
        /// The number of stages.
        stages: usize,
    },
}

const SEQUENCE: Scheme = Scheme::Sequence {
    first: 0,
    stages: 0,
};

/// Keys of the first convolution, and the schemes that use them.
pub(super) const STEMS: [(&str, &[Scheme]); 7] = [
    ("conv1.weight", &[Scheme::Torchvision]),
    ("conv1.0.weight", &[Scheme::Torchvision]),
    ("stem.0.weight", &[Scheme::Torchvision]),
    ("stem.0.conv.weight", &[Scheme::Torchvision]),
    (
        "embedder.embedder.convolution.weight",
        &[Scheme::Transformers],
    ),
    ("0.weight", &[SEQUENCE]),
    ("0.0.weight", &[SEQUENCE]),
];

/// OpenMMLab's deep stem: `ConvModule`s in mmpretrain, a plain sequence in mmdetection.
const DEEP_STEMS: [(&str, &str); 12] = [
    ("stem.0.conv.", "conv1.0."),
    ("stem.0.bn.", "conv1.1."),
    ("stem.1.conv.", "conv1.3."),
    ("stem.1.bn.", "conv1.4."),
    ("stem.2.conv.", "conv1.6."),
    ("stem.2.bn.", "bn1."),
    ("stem.0.", "conv1.0."),
    ("stem.1.", "conv1.1."),
    ("stem.3.", "conv1.3."),
    ("stem.4.", "conv1.4."),
    ("stem.6.", "conv1.6."),
    ("stem.7.", "bn1."),
];

/// The highest index of the first stage in a sequence.
const MAX_FIRST: usize = 8;

impl Scheme {
    /// Returns the scheme with its fields set, if the keys contain a first block.
    pub(super) fn below(self, keys: &BTreeSet<String>) -> Option<Self> {
        let has = |key: &str| keys.contains(key);
        match self {
            Self::Torchvision => has("layer1.0.conv1.weight").then_some(self),
            Self::Transformers => {
                has("encoder.stages.0.layers.0.layer.0.convolution.weight").then_some(self)
            }
            Self::Sequence { .. } => {
                let is_stage = |child: &usize| keys.contains(&format!("{child}.0.conv1.weight"));
                let first = (1..=MAX_FIRST).find(is_stage)?;
                let stages = (first..).take_while(is_stage).count();
                Some(Self::Sequence { first, stages })
            }
        }
    }

    /// Returns whether a pool follows the stem, if the number of children shows it. In torchvision
    /// and timm, convolution, norm, activation and pool precede the first stage. The pool may be an
    /// identity.
    pub(super) fn stem_pool(self) -> Option<bool> {
        match self {
            Self::Sequence { first, .. } if first < 4 => Some(false),
            _ => None,
        }
    }

    /// Translates a key of the stem or a stage. Returns `None` for any other key.
    pub(super) fn translate(self, key: &str) -> Option<String> {
        match self {
            Self::Torchvision => translate_torchvision(key),
            Self::Transformers => translate_transformers(key),
            Self::Sequence { first, stages } => {
                let (child, rest) = key.split_once('.')?;
                let child: usize = child.parse().ok()?;
                match child {
                    0 => Some(format!("conv1.{rest}")),
                    1 => Some(format!("bn1.{rest}")),
                    child if child < first => Some(format!("maxpool.{rest}")),
                    child if child < first + stages => {
                        let key = format!("layer{}.{rest}", child - first + 1);
                        translate_torchvision(&key)
                    }
                    _ => None,
                }
            }
        }
    }
}

fn translate_torchvision(key: &str) -> Option<String> {
    let known = [
        "conv1.", "bn1.", "maxpool.", "layer1.", "layer2.", "layer3.", "layer4.",
    ];
    if known.iter().any(|part| key.starts_with(part)) {
        return Some(key.replacen(".shortcut.", ".downsample.", 1));
    }
    DEEP_STEMS.iter().find_map(|(from, to)| {
        let rest = key.strip_prefix(from)?;
        Some(format!("{to}{rest}"))
    })
}

/// Translates `encoder.stages.S.layers.B.layer.N.convolution` into `layer(S+1).B.conv(N+1)`.
fn translate_transformers(key: &str) -> Option<String> {
    if let Some(rest) = key.strip_prefix("embedder.embedder.") {
        let (part, rest) = rest.split_once('.')?;
        return match part {
            "convolution" => Some(format!("conv1.{rest}")),
            "normalization" => Some(format!("bn1.{rest}")),
            _ => None,
        };
    }
    let rest = key.strip_prefix("encoder.stages.")?;
    let (stage, rest) = number(rest)?;
    let (block, rest) = number(rest.strip_prefix("layers.")?)?;
    let block = format!("layer{}.{block}", stage.checked_add(1)?);
    if let Some(rest) = rest.strip_prefix("shortcut.") {
        let (part, rest) = rest.split_once('.')?;
        return match part {
            "convolution" => Some(format!("{block}.downsample.0.{rest}")),
            "normalization" => Some(format!("{block}.downsample.1.{rest}")),
            _ => None,
        };
    }
    let (layer, rest) = number(rest.strip_prefix("layer.")?)?;
    let layer = layer.checked_add(1)?;
    let (part, rest) = rest.split_once('.')?;
    match part {
        "convolution" => Some(format!("{block}.conv{layer}.{rest}")),
        "normalization" => Some(format!("{block}.bn{layer}.{rest}")),
        _ => None,
    }
}

/// Splits off the number before the first dot.
fn number(text: &str) -> Option<(usize, &str)> {
    let (number, rest) = text.split_once('.')?;
    Some((number.parse().ok()?, rest))
}
