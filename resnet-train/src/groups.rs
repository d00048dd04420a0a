//! Parameter groups: which parameters learn, their learning rates and their weight decay.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use resnet_core::{LayerGroup, Network, is_running_stat};
use serde::{Deserialize, Serialize};

/// Which parameters learn, their learning rates and their weight decay. By default all parameters
/// are treated alike, as in PyTorch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ParamGroups {
    /// The first layer group that learns. Earlier groups are frozen (fastai's `freeze_to`).
    pub freeze_to: LayerGroup,
    /// Whether weight decay applies to norms and biases.
    pub decay_norm_and_bias: bool,
    /// The learning rate of the backbone as a fraction of the classifier's.
    pub backbone_rate: f64,
    /// The learning rate of each layer group as a fraction of the next group's (layer-wise learning
    /// rate decay).
    pub layer_decay: f64,
    /// A factor on the learning rate of the auxiliary head of a segmentation network.
    pub aux_rate: f64,
}

impl Default for ParamGroups {
    fn default() -> Self {
        Self {
            freeze_to: LayerGroup::Stem,
            decay_norm_and_bias: true,
            backbone_rate: 1.0,
            layer_decay: 1.0,
            aux_rate: 1.0,
        }
    }
}

/// The training rule of one entry of the state dict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Whether the entry learns. Running statistics do not.
    pub learns: bool,
    /// The factor of its learning rate.
    pub rate: f64,
    /// Whether weight decay applies.
    pub decays: bool,
}

impl ParamGroups {
    /// Freezes all layers except the classifier.
    pub fn head_only() -> Self {
        Self {
            freeze_to: LayerGroup::Head,
            ..Self::default()
        }
    }

    /// Returns the rule of every entry, in the order of [`Network::state_shapes`].
    pub fn rules<B: AutodiffBackend>(&self, model: &impl Network<B>) -> Vec<Rule> {
        let shapes = model.state_shapes();
        let group = |key: &str| model.layer_group(key);
        let backbone = shapes.iter().map(|(key, _)| group(key));
        let last_stage = backbone.filter(|group| *group < LayerGroup::Head).max();
        let last_stage = last_stage.unwrap_or_default();
        let rule = |(key, shape): &(String, Vec<usize>)| {
            let group = group(key);
            // Counts groups from the head, so that networks with three and four stages match.
            let (distance, backbone) = match group {
                LayerGroup::Head => (0, 1.0),
                group => (last_stage as i32 - group as i32 + 1, self.backbone_rate),
            };
            let aux = match key.starts_with("aux_classifier.") {
                true => self.aux_rate,
                false => 1.0,
            };
            Rule {
                learns: group >= self.freeze_to && !is_running_stat(key),
                rate: aux * backbone * self.layer_decay.powi(distance),
                decays: shape.len() > 1 || self.decay_norm_and_bias,
            }
        };
        shapes.iter().map(rule).collect()
    }
}

/// Freezes weight and bias of every batch norm.
pub(crate) fn freeze_norms<B: AutodiffBackend>(model: &impl Network<B>, rules: &mut [Rule]) {
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

/// Enables gradients for the entries that learn, and disables them for all others.
pub(crate) fn apply<B: AutodiffBackend, N: Module<B>>(model: N, rules: &[Rule]) -> N {
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
    use resnet_core::{ResNet, ResNetConfig};
    use resnet_cpu::Cpu;

    fn rules(name: &str, groups: ParamGroups) -> Vec<(String, Rule)> {
        let config = ResNetConfig::named(name).unwrap();
        let model: ResNet<Autodiff<Cpu>> = config.init(&Default::default());
        let keys = model.state_shapes().into_iter().map(|(key, _)| key);
        keys.zip(groups.rules(&model)).collect()
    }

    #[test]
    fn rates_fall_from_the_classifier_to_the_stem() {
        let groups = ParamGroups {
            backbone_rate: 0.1,
            layer_decay: 0.5,
            ..ParamGroups::default()
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
    fn the_last_norm_of_a_pre_activation_network_belongs_to_its_last_stage() {
        let groups = ParamGroups {
            freeze_to: LayerGroup::Layer3,
            ..ParamGroups::default()
        };
        let rules = rules("cifar_preact_resnet164", groups);
        let of = |key: &str| rules.iter().find(|(k, _)| k == key).unwrap().1;
        assert!(of("bn1.weight").learns && of("fc.bias").learns);
        assert!(of("layer3.0.conv1.weight").learns && !of("layer2.0.conv1.weight").learns);
        assert!(!of("bn1.running_mean").learns && !of("conv1.weight").learns);
    }

    #[test]
    fn norms_and_biases_can_be_excluded_from_weight_decay() {
        let groups = ParamGroups {
            decay_norm_and_bias: false,
            ..ParamGroups::default()
        };
        for (key, rule) in rules("cifar_resnet8_b", groups) {
            let matrix =
                key.ends_with("weight") && !key.contains("bn") && !key.contains("downsample.1");
            assert_eq!(rule.decays, matrix, "{key}");
        }
    }
}
