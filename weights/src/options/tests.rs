//! Tests for overrides and for configs as JSON.

use super::*;
use resnet_core::{Arch, AttentionKind, StemKind, StemPool};

fn with(changes: &[&str]) -> Result<ResNetConfig, OptionError> {
    let mut overrides = Overrides::default();
    for change in changes {
        overrides = overrides.set(change)?;
    }
    overrides.apply(Arch::ResNet50.config())
}

#[test]
fn the_table_has_every_option() {
    let value = serde_json::to_value(Arch::ResNet50.config()).unwrap();
    let fields: std::collections::BTreeSet<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(fields, options().map(|(option, _)| option).collect());
}

#[test]
fn values_may_be_names_numbers_or_json() {
    let config = with(&[
        "stem=conv3x3:16",
        "stem_pool=none",
        "norm=batch-stats",
        "norm_eps=1e-3",
        "attention=squeeze_excite:0.25",
        "stages.1.depth=5",
        "drop_path=0",
    ])
    .unwrap();
    assert_eq!(config.stem, StemKind::Conv3x3 { channels: 16 });
    assert_eq!(config.stem_pool, StemPool::None);
    assert_eq!(config.norm, NormKind::BatchStats);
    assert_eq!(config.norm_eps, 1e-3);
    assert_eq!(
        config.attention,
        AttentionKind::SqueezeExcite { ratio: 0.25 }
    );
    assert_eq!(config.stages[1].depth, 5);
}

#[test]
fn errors_name_option_and_value() {
    let message = |change: &str| with(&[change]).unwrap_err().to_string();
    assert_eq!(message("norm"), "expected OPTION=VALUE, found `norm`");
    assert!(
        message("nrom=batch")
            .starts_with("`nrom`: expected an option of the network, one of stages,")
    );
    assert_eq!(
        message("norm=group"),
        "`norm`: expected `batch`, `group:GROUPS`, `instance` or `batch_stats`, found `group`"
    );
    assert!(message("stages.9.depth=1").contains("found `1`"));
    assert!(message("norm_eps=tiny").contains("a number in (0, 1]"));
}

#[test]
fn older_configs_have_the_defaults_and_newer_ones_are_refused() {
    let mut value = serde_json::to_value(Arch::ResNet50.config()).unwrap();
    value.as_object_mut().unwrap().remove("norm_eps");
    assert_eq!(
        config_from_json(value.clone()).unwrap(),
        Arch::ResNet50.config()
    );
    for part in ["", "/stages/0", "/stem/conv7x7"] {
        let mut value = value.clone();
        value.pointer_mut(part).unwrap()["gelu"] = Value::Bool(true);
        let error = config_from_json(value).unwrap_err();
        assert!(error.contains("unknown field `gelu`"), "{part}: {error}");
    }
}
