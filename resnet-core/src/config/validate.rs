//! Checks of the range of each option and of the combinations of options.

use alloc::{format, string::String, string::ToString};
use core::fmt::Display;

use super::{AntiAlias, AttentionKind, NormKind, ResNetConfig, ShortcutKind, StemKind, StemPool};

/// An invalid value of a config option.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: expected {expected}, found {found}")]
#[non_exhaustive]
pub struct ConfigError {
    /// Field of [`ResNetConfig`].
    pub field: String,
    /// Description of the valid values.
    pub expected: String,
    /// The invalid value.
    pub found: String,
}

impl ConfigError {
    pub(crate) fn new(
        field: impl Into<String>,
        expected: impl Into<String>,
        found: impl Display,
    ) -> Self {
        Self {
            field: field.into(),
            expected: expected.into(),
            found: found.to_string(),
        }
    }
}

// These limits exceed every published network and rule out overflows.
const MAX_CHANNELS: usize = 1 << 17;
const MAX_DEPTH: usize = 4096;
const MAX_CLASSES: usize = 1 << 24;
const MAX_PARAMETERS: u64 = 1 << 31;

impl ResNetConfig {
    /// Checks that [`init`](Self::init) can build the network.
    ///
    /// # Errors
    ///
    /// Returns an error that names the first field that is out of range or contradicts another
    /// field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        within("stages", self.stages.len(), 1, 4)?;
        for (i, stage) in self.stages.iter().enumerate() {
            within(format!("stages[{i}].depth"), stage.depth, 1, MAX_DEPTH)?;
            within(format!("stages[{i}].width"), stage.width, 1, MAX_CHANNELS)?;
        }
        within("expansion", self.expansion, 1, 64)?;
        within("cardinality", self.cardinality, 1, MAX_CHANNELS)?;
        within("base_width", self.base_width, 1, MAX_CHANNELS)?;
        within("stem.channels", self.stem.out_channels(), 1, MAX_CHANNELS)?;
        within("in_channels", self.in_channels, 1, MAX_CHANNELS)?;
        within("num_classes", self.num_classes, 0, MAX_CLASSES)?;
        if let StemKind::Tiered { width } = self.stem
            && width < 4
        {
            return Err(ConfigError::new(
                "stem.width",
                "4 or more for a tiered stem",
                width,
            ));
        }
        for (field, probability) in [("drop_path", self.drop_path), ("dropout", self.dropout)] {
            if !(0.0..1.0).contains(&probability) {
                return Err(ConfigError::new(
                    field,
                    "a probability in [0, 1)",
                    probability,
                ));
            }
        }
        // torchvision's published detectors have frozen norms with an epsilon of 0.
        let zero = self.norm == NormKind::Frozen && self.norm_eps == 0.0;
        if !(zero || self.norm_eps > 0.0 && self.norm_eps <= 1.0) {
            let expected = "a number in (0, 1], or 0 for a frozen norm";
            return Err(ConfigError::new("norm_eps", expected, self.norm_eps));
        }
        if let AttentionKind::SqueezeExcite { ratio } = self.attention
            && !(ratio > 0.0 && ratio <= 1.0)
        {
            return Err(ConfigError::new(
                "attention.ratio",
                "a share in (0, 1]",
                ratio,
            ));
        }
        if ![8, 16, 32].contains(&self.output_stride) {
            return Err(ConfigError::new(
                "output_stride",
                "8, 16 or 32",
                self.output_stride,
            ));
        }
        if self.stem_pool == StemPool::Conv && self.anti_alias != AntiAlias::None {
            let expected = "`none` where a convolution replaces the stem's pool";
            let found = format!("{:?}", self.anti_alias);
            return Err(ConfigError::new("anti_alias", expected, found));
        }
        self.validate_widths()?;
        let parameters = self.cost([1, 1]).parameters;
        if parameters > MAX_PARAMETERS {
            let expected = format!("at most {MAX_PARAMETERS} parameters in all");
            return Err(ConfigError::new("stages", expected, parameters));
        }
        self.validate_groups()?;
        self.validate_pre_activation()
    }

    fn validate_widths(&self) -> Result<(), ConfigError> {
        for stage in &self.stages {
            if !stage.block.family().grouped {
                if self.cardinality != 1 {
                    let expected = "1, as only bottlenecks have groups";
                    return Err(ConfigError::new("cardinality", expected, self.cardinality));
                }
                if self.base_width != 64 {
                    let expected = "64, as only bottlenecks use `base_width`";
                    return Err(ConfigError::new("base_width", expected, self.base_width));
                }
            }
            let inner = self.inner_width(stage);
            if inner == 0 || inner > MAX_CHANNELS {
                let expected = format!("1 to {MAX_CHANNELS} channels in the 3x3 convolution");
                return Err(ConfigError::new("base_width", expected, inner));
            }
        }
        if self.shortcut == ShortcutKind::ZeroPad {
            for block in self.plan().iter().flatten() {
                if block.out_channels < block.in_channels {
                    let expected = "at least the channels of the stage before, as `zero_pad` only adds channels";
                    return Err(ConfigError::new("stages", expected, block.out_channels));
                }
            }
        }
        Ok(())
    }

    fn validate_groups(&self) -> Result<(), ConfigError> {
        let NormKind::Group { groups } = self.norm else {
            return Ok(());
        };
        within("norm.groups", groups, 1, MAX_CHANNELS)?;
        for channels in self.norm_channels() {
            if channels % groups != 0 {
                let expected = format!("a divisor of the {channels} channels of a norm");
                return Err(ConfigError::new("norm.groups", expected, groups));
            }
        }
        Ok(())
    }

    fn validate_pre_activation(&self) -> Result<(), ConfigError> {
        if !self.is_pre_activation() {
            return Ok(());
        }
        let other = |field, expected: &str, found: String| {
            let expected = format!("{expected} in a pre-activation network");
            Err(ConfigError::new(field, expected, found))
        };
        if !self
            .stages
            .iter()
            .all(|stage| stage.block.is_pre_activation())
        {
            return other("stages", "only pre-activation blocks", "both kinds".into());
        }
        if self.attention != AttentionKind::None {
            return other("attention", "`none`", format!("{:?}", self.attention));
        }
        if self.anti_alias != AntiAlias::None {
            return other("anti_alias", "`none`", format!("{:?}", self.anti_alias));
        }
        if self.shortcut == ShortcutKind::AvgPoolProjection {
            return other(
                "shortcut",
                "`projection` or `zero_pad`",
                format!("{:?}", self.shortcut),
            );
        }
        if self
            .plan()
            .iter()
            .flatten()
            .any(|block| block.dilation != 1)
        {
            return other("output_stride", "32", self.output_stride.to_string());
        }
        Ok(())
    }
}

fn within(
    field: impl Into<String>,
    found: usize,
    min: usize,
    max: usize,
) -> Result<(), ConfigError> {
    match (min..=max).contains(&found) {
        true => Ok(()),
        false => Err(ConfigError::new(field, format!("{min} to {max}"), found)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arch, BlockKind, StageConfig};

    fn refusal(config: ResNetConfig) -> String {
        config.validate().unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_field_out_of_range() {
        let resnet50 = || Arch::ResNet50.config();
        assert_eq!(
            refusal(resnet50().with_output_stride(4)),
            "`output_stride`: expected 8, 16 or 32, found 4"
        );
        assert_eq!(
            refusal(resnet50().with_in_channels(0)),
            "`in_channels`: expected 1 to 131072, found 0"
        );
        assert_eq!(
            refusal(resnet50().with_dropout(1.0)),
            "`dropout`: expected a probability in [0, 1), found 1"
        );
        assert_eq!(
            refusal(resnet50().with_drop_path(f64::NAN)),
            "`drop_path`: expected a probability in [0, 1), found NaN"
        );
        assert_eq!(
            refusal(Arch::ResNet18.config().with_cardinality(32)),
            "`cardinality`: expected 1, as only bottlenecks have groups, found 32"
        );
        assert_eq!(
            refusal(resnet50().with_norm(NormKind::Group { groups: 48 })),
            "`norm.groups`: expected a divisor of the 64 channels of a norm, found 48"
        );
        assert_eq!(
            refusal(ResNetConfig::new(alloc::vec![])),
            "`stages`: expected 1 to 4, found 0"
        );
        let stage = StageConfig {
            block: BlockKind::Basic,
            depth: 1,
            width: 0,
        };
        assert_eq!(
            refusal(ResNetConfig::new(alloc::vec![stage])),
            "`stages[0].width`: expected 1 to 131072, found 0"
        );
    }

    #[test]
    fn huge_values_are_rejected_without_overflow() {
        let deep = StemKind::Deep {
            width: usize::MAX / 2 + 2,
        };
        assert!(refusal(Arch::ResNet50.config().with_stem(deep)).starts_with("`stem.channels`"));
        let wide = ResNetConfig::cifar_wide(24_580, 2048).unwrap();
        assert!(
            refusal(wide).starts_with("`stages`: expected at most 2147483648 parameters in all")
        );
        let mut empty = Arch::ResNet50.config().with_cardinality(0);
        empty.stages[1].depth = 0;
        assert!(empty.validate().is_err());
        assert_eq!(empty.features().len(), 4);
        assert!(empty.cost([224, 224]).parameters > 0);
        let both = Arch::ResNetRs50.config().with_anti_alias(AntiAlias::Blur);
        assert!(refusal(both).starts_with("`anti_alias`: expected `none`"));
    }

    #[test]
    fn pre_activation_has_no_attention_and_no_dilation() {
        let wide = || Arch::CifarWideResNet16_4.config();
        assert_eq!(
            refusal(wide().with_attention(AttentionKind::EfficientChannel)),
            "`attention`: expected `none` in a pre-activation network, found EfficientChannel"
        );
        assert_eq!(
            refusal(wide().with_shortcut(ShortcutKind::AvgPoolProjection)),
            "`shortcut`: expected `projection` or `zero_pad` in a pre-activation network, found AvgPoolProjection"
        );
    }
}
