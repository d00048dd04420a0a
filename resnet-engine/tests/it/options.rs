//! Tests of every option against the Burn networks.

use resnet_core::{
    Activation, AntiAlias, Arch, AttentionKind, BlockKind, GlobalPool, NormKind, ResNetConfig,
    ShortcutKind, StageConfig, StemKind, StemPool, StridePlacement,
};
use resnet_engine::{CompileOptions, MemoryMode};

use crate::int8::check_quantized;
use crate::{assert_alike, compile, images, run, run_burn, tolerance};

fn small(block: BlockKind) -> ResNetConfig {
    let stage = |width| StageConfig {
        block,
        depth: 2,
        width,
    };
    ResNetConfig::new(vec![stage(16), stage(32), stage(48)])
        .with_stem(StemKind::Conv7x7 { channels: 16 })
        .with_num_classes(7)
}

/// Compares the engine with the Burn network on images of two sizes, in both memory modes.
fn check(what: &str, config: &ResNetConfig) {
    for (dims, memory) in [
        ([2, config.in_channels, 64, 64], MemoryMode::Fast),
        ([1, config.in_channels, 64, 96], MemoryMode::Low),
    ] {
        let options = CompileOptions {
            size: Some([64, 64]),
            memory,
            ..CompileOptions::default()
        };
        let engine = compile(config, 5, options);
        let x = images(5, dims);
        let found = run(&engine, &x, dims);
        assert_alike(
            what,
            &found,
            &run_burn(config, 5, &x, dims),
            tolerance(config),
        );
    }
    check_quantized(what, config, 5);
}

#[test]
fn every_block_norm_and_activation() {
    use BlockKind::{Basic, Bottleneck, PreActBasic, PreActBottleneck};
    for block in [Basic, Bottleneck, PreActBasic, PreActBottleneck] {
        for norm in [
            NormKind::Batch,
            NormKind::Frozen,
            NormKind::Group { groups: 4 },
            NormKind::Instance,
            NormKind::BatchStats,
        ] {
            for activation in [Activation::Relu, Activation::Silu] {
                let config = small(block).with_norm(norm).with_activation(activation);
                let what = format!("{block:?} {norm:?} {activation:?}");
                check(&what, &config);
            }
        }
    }
}

#[test]
fn every_attention_and_anti_aliasing() {
    for block in [BlockKind::Basic, BlockKind::Bottleneck] {
        for attention in [
            AttentionKind::SqueezeExcite { ratio: 0.25 },
            AttentionKind::EfficientChannel,
        ] {
            for anti_alias in [AntiAlias::None, AntiAlias::Blur, AntiAlias::AvgPool] {
                for activation in [Activation::Relu, Activation::Silu] {
                    let config = small(block)
                        .with_attention(attention)
                        .with_anti_alias(anti_alias)
                        .with_activation(activation);
                    let what = format!("{block:?} {attention:?} {anti_alias:?} {activation:?}");
                    check(&what, &config);
                }
            }
        }
    }
}

#[test]
fn every_stem_shortcut_and_pool() {
    for stem in [
        StemKind::Conv3x3 { channels: 8 },
        StemKind::Deep { width: 8 },
        StemKind::Tiered { width: 8 },
    ] {
        for pool in [StemPool::Max, StemPool::Conv, StemPool::None] {
            for shortcut in [
                ShortcutKind::Projection,
                ShortcutKind::AvgPoolProjection,
                ShortcutKind::ZeroPad,
            ] {
                let config = small(BlockKind::Basic)
                    .with_stem(stem)
                    .with_stem_pool(pool)
                    .with_shortcut(shortcut);
                check(&format!("{stem:?} {pool:?} {shortcut:?}"), &config);
            }
        }
    }
    for pool in [
        GlobalPool::Avg,
        GlobalPool::Max,
        GlobalPool::AvgMax,
        GlobalPool::CatAvgMax,
        GlobalPool::CatMaxAvg,
    ] {
        let config = small(BlockKind::Basic).with_global_pool(pool);
        check(&format!("{pool:?}"), &config);
    }
}

#[test]
fn every_width_of_groups_and_output_stride() {
    // Groups of 1, 2, 3, 4, 6, 8, 12, 16 channels in the first stage.
    for (cardinality, base_width) in [
        (32, 4),
        (16, 8),
        (4, 12),
        (8, 16),
        (2, 24),
        (4, 32),
        (1, 48),
        (2, 64),
    ] {
        let config = small(BlockKind::Bottleneck)
            .with_cardinality(cardinality)
            .with_base_width(base_width);
        check(&format!("{cardinality}x{base_width}d"), &config);
    }
    for stride in [8, 16] {
        for shortcut in [ShortcutKind::Projection, ShortcutKind::AvgPoolProjection] {
            let config = small(BlockKind::Bottleneck)
                .with_output_stride(stride)
                .with_shortcut(shortcut)
                .with_stride_placement(StridePlacement::Conv1x1)
                .with_in_channels(1);
            check(&format!("{stride} {shortcut:?}"), &config);
        }
    }
    check(
        "no classifier",
        &small(BlockKind::Basic).with_num_classes(0),
    );
}

/// Larger networks have the same layers more often.
#[test]
fn every_named_network() {
    for arch in Arch::ALL {
        let mut config = arch.config();
        for stage in &mut config.stages {
            stage.depth = stage.depth.min(2);
        }
        let dims = [1, config.in_channels, 64, 64];
        let options = CompileOptions {
            size: Some([64, 64]),
            ..CompileOptions::default()
        };
        let x = images(6, dims);
        let found = run(&compile(&config, 6, options), &x, dims);
        assert_alike(
            arch.name(),
            &found,
            &run_burn(&config, 6, &x, dims),
            tolerance(&config),
        );
    }
}
