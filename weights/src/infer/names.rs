//! Names of networks.

use resnet_core::{AntiAlias, Arch, BlockKind, ResNetConfig, ShortcutKind};

use super::Inferred;

/// Returns the config with its name, if it has one.
pub(super) fn with_its_name(config: &ResNetConfig) -> Inferred {
    let shown = |config: ResNetConfig| config.with_num_classes(0).with_in_channels(3);
    let same = |arch: &Arch| shown(arch.config()) == shown(config.clone());
    let (name, _) = names(config);
    let arch = Arch::ALL.iter().copied().find(same);
    Inferred {
        config: config.clone(),
        // `names` ignores anti-aliasing, so its CIFAR name is right only without anti-aliasing.
        name: arch.map_or_else(
            || {
                name.filter(|name| {
                    name.starts_with("cifar_") && config.anti_alias == AntiAlias::None
                })
            },
            |arch| Some(arch.to_string()),
        ),
        alternatives: Vec::new(),
        assumptions: Vec::new(),
    }
}

/// Returns the name of a network, and the other named networks that have the same keys and shapes.
pub(super) fn names(config: &ResNetConfig) -> (Option<String>, Vec<Arch>) {
    let plain = |config: ResNetConfig| {
        config
            .with_num_classes(0)
            .with_in_channels(3)
            .with_anti_alias(AntiAlias::None)
    };
    let same = |arch: &&Arch| plain(arch.config()) == plain(config.clone());
    let mut archs = Arch::ALL.iter().copied().filter(|arch| same(&arch));
    match archs.next() {
        Some(arch) => (Some(arch.to_string()), archs.collect()),
        None => (
            cifar_name(config).filter(|name| named(name, config, plain)),
            Vec::new(),
        ),
    }
}

fn named(name: &str, config: &ResNetConfig, plain: impl Fn(ResNetConfig) -> ResNetConfig) -> bool {
    ResNetConfig::named(name).is_ok_and(|found| plain(found) == plain(config.clone()))
}

/// Returns the name that a CIFAR network with these stages would have.
fn cifar_name(config: &ResNetConfig) -> Option<String> {
    let stage = config.stages.first()?;
    let n = stage.depth;
    Some(match stage.block {
        BlockKind::Basic if config.shortcut == ShortcutKind::ZeroPad => {
            format!("cifar_resnet{}", 6 * n + 2)
        }
        BlockKind::Basic => format!("cifar_resnet{}_b", 6 * n + 2),
        BlockKind::PreActBasic => format!("cifar_wide_resnet{}_{}", 6 * n + 4, stage.width / 16),
        BlockKind::PreActBottleneck => format!("cifar_preact_resnet{}", 9 * n + 2),
        _ => return None,
    })
}
