//! Which parameters learn, how fast, and which of them decay.

use std::fmt;
use std::str::FromStr;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use resnet_core::ResNet;
use serde::{Deserialize, Serialize};

/// A part of a network, from the input to the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Everything before the first stage.
    #[default]
    Stem,
    /// The first stage.
    Layer1,
    /// The second stage.
    Layer2,
    /// The third stage.
    Layer3,
    /// The fourth stage, and the last norm of a pre-activation network.
    Layer4,
    /// The classifier.
    Fc,
}

impl Part {
    /// Every part, from the input to the output.
    pub const ALL: [Self; 6] = [
        Self::Stem,
        Self::Layer1,
        Self::Layer2,
        Self::Layer3,
        Self::Layer4,
        Self::Fc,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Stem => "stem",
            Self::Layer1 => "layer1",
            Self::Layer2 => "layer2",
            Self::Layer3 => "layer3",
            Self::Layer4 => "layer4",
            Self::Fc => "fc",
        }
    }

    /// The part that a key of the state dict belongs to.
    fn of(key: &str, pre_activation: bool) -> Self {
        let first = key.split('.').next().unwrap_or_default();
        match Self::ALL.into_iter().find(|part| part.name() == first) {
            Some(part) => part,
            None if first == "bn1" && pre_activation => Self::Layer4,
            None => Self::Stem,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that no part has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}`: expected `stem`, `layer1`, `layer2`, `layer3`, `layer4` or `fc`")]
pub struct UnknownPart(pub String);

impl FromStr for Part {
    type Err = UnknownPart;

    fn from_str(name: &str) -> Result<Self, UnknownPart> {
        let found = Self::ALL.into_iter().find(|part| part.name() == name);
        found.ok_or_else(|| UnknownPart(name.into()))
    }
}

/// Which parameters learn, how fast, and which of them decay. By default all of them alike, as in PyTorch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Groups {
    /// The first part that learns: all before it keeps its values (fastai's `freeze_to`).
    pub freeze_to: Part,
    /// Whether norms and biases decay as weights do.
    pub decay_norm_and_bias: bool,
    /// The learning rate of all parts but the classifier, as a share of the classifier's.
    pub backbone_rate: f64,
    /// The learning rate of each part as a share of the next one's (layer-wise decay).
    pub layer_decay: f64,
}

impl Default for Groups {
    fn default() -> Self {
        Self {
            freeze_to: Part::Stem,
            decay_norm_and_bias: true,
            backbone_rate: 1.0,
            layer_decay: 1.0,
        }
    }
}

/// What holds for one entry of the state dict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Whether it learns; running statistics do not.
    pub learns: bool,
    /// Its learning rate as a share of the given one.
    pub rate: f64,
    /// Whether it decays.
    pub decays: bool,
}

impl Groups {
    /// The classifier alone.
    pub fn head_only() -> Self {
        Self {
            freeze_to: Part::Fc,
            ..Self::default()
        }
    }

    /// The rule of every entry, in the order of [`ResNet::state_shapes`].
    pub fn rules<B: AutodiffBackend>(&self, model: &ResNet<B>) -> Vec<Rule> {
        let pre_activation = model.config().is_pre_activation();
        let last_stage = Part::ALL[model.config().stages.len()];
        let rule = |(key, shape): (String, Vec<usize>)| {
            let part = match Part::of(&key, pre_activation) {
                Part::Fc => Part::Fc,
                part => part.min(last_stage),
            };
            // Parts are counted from the classifier; a network of three stages has one less.
            let distance = match part {
                Part::Fc => 0,
                part => last_stage as i32 - part as i32 + 1,
            };
            let backbone = if part == Part::Fc {
                1.0
            } else {
                self.backbone_rate
            };
            Rule {
                learns: part >= self.freeze_to && !key.contains("running_"),
                rate: backbone * self.layer_decay.powi(distance),
                decays: shape.len() > 1 || self.decay_norm_and_bias,
            }
        };
        model.state_shapes().into_iter().map(rule).collect()
    }
}

/// Takes scale and shift of every batch norm out of what learns.
pub(crate) fn freeze_norms<B: AutodiffBackend>(model: &ResNet<B>, rules: &mut [Rule]) {
    let keys: Vec<String> = model
        .state_shapes()
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    let norms: Vec<&str> = keys
        .iter()
        .filter_map(|key| key.strip_suffix(".running_mean"))
        .collect();
    for (key, rule) in keys.iter().zip(rules) {
        let of_norm = key
            .rsplit_once('.')
            .is_some_and(|(module, _)| norms.contains(&module));
        rule.learns &= !of_norm;
    }
}

/// The network with gradients for the entries that learn and for no others.
pub(crate) fn apply<B: AutodiffBackend>(model: ResNet<B>, rules: &[Rule]) -> ResNet<B> {
    let mut freeze = Freeze {
        rules: rules.iter(),
    };
    model.map(&mut freeze)
}

struct Freeze<'a> {
    rules: std::slice::Iter<'a, Rule>,
}

impl<B: AutodiffBackend> ModuleMapper<B> for Freeze<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let learns = self.rules.next().is_some_and(|rule| rule.learns);
        param.set_require_grad(learns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Autodiff;
    use resnet_core::ResNetConfig;
    use resnet_cpu::Cpu;

    fn rules(name: &str, groups: Groups) -> Vec<(String, Rule)> {
        let config = ResNetConfig::named(name).unwrap();
        let model: ResNet<Autodiff<Cpu>> = config.init(&Default::default());
        let keys = model.state_shapes().into_iter().map(|(key, _)| key);
        keys.zip(groups.rules(&model)).collect()
    }

    #[test]
    fn rates_fall_from_the_classifier_to_the_stem() {
        let groups = Groups {
            backbone_rate: 0.1,
            layer_decay: 0.5,
            ..Groups::default()
        };
        // Three stages: fc 1, layer3 0.1 / 2, layer2 0.1 / 4, layer1 0.1 / 8, stem 0.1 / 16.
        for (key, rule) in rules("cifar_resnet8_b", groups) {
            let expected = match key.split('.').next().unwrap() {
                "fc" => 1.0,
                "layer3" => 0.05,
                "layer2" => 0.025,
                "layer1" => 0.0125,
                _ => 0.00625,
            };
            assert!((rule.rate - expected).abs() < 1e-12, "{key}: {}", rule.rate);
        }
    }

    #[test]
    fn the_last_norm_of_a_pre_activation_network_is_of_its_last_stage() {
        let groups = Groups {
            freeze_to: Part::Layer3,
            ..Groups::default()
        };
        let rules = rules("cifar_preact_resnet164", groups);
        let of = |key: &str| rules.iter().find(|(k, _)| k == key).unwrap().1;
        assert!(of("bn1.weight").learns && of("fc.bias").learns);
        assert!(of("layer3.0.conv1.weight").learns && !of("layer2.0.conv1.weight").learns);
        assert!(!of("bn1.running_mean").learns && !of("conv1.weight").learns);
    }

    #[test]
    fn norms_and_biases_may_be_spared_the_decay() {
        let groups = Groups {
            decay_norm_and_bias: false,
            ..Groups::default()
        };
        for (key, rule) in rules("cifar_resnet8_b", groups) {
            let matrix =
                key.ends_with("weight") && !key.contains("bn") && !key.contains("downsample.1");
            assert_eq!(rule.decays, matrix, "{key}");
        }
    }
}
