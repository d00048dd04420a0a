//! Tests of options that the reference cases lack: stride placement, heads, initialization, sizes.

use std::collections::BTreeMap;

use burn::backend::Autodiff;
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use resnet_core::{
    Activation, AntiAlias, Arch, BlockKind, GlobalPool, Network, ResNet, ResNetConfig,
    ShortcutKind, StridePlacement,
};
use resnet_testing::assert_close;
use resnet_testing::keyed;
use resnet_testing::suite::json;

use crate::Cpu;

fn logits(config: ResNetConfig, side: usize) -> Vec<f32> {
    let model: ResNet<Cpu> = keyed::fill(config.init(&Default::default()), 7);
    model
        .forward(keyed::images(7, [1, 3, side, side], &Default::default()))
        .into_data()
        .to_vec()
        .unwrap()
}

#[test]
fn stride_placement_v1_matches_pytorch() {
    let v1 = Arch::ResNet50
        .config()
        .with_stride_placement(StridePlacement::Conv1x1);
    // He et al. 2015, table 1: 3.8 billion multiply-adds, against 4.1 of v1.5.
    assert_eq!(v1.cost([224, 224]).macs, 3_857_973_248);
    let expected: Vec<f32> = serde_json::from_value(json("parity/v1.json")).unwrap();
    assert_close("stride placement v1", &logits(v1, 64), &expected, 1e-4);
}

#[test]
fn combined_options_match_pytorch() {
    let cases: BTreeMap<String, Vec<f32>> =
        serde_json::from_value(json("parity/combined.json")).unwrap();
    assert!(!cases.is_empty());
    for (name, expected) in cases {
        let arch: Arch = name.parse().unwrap();
        let model: ResNet<Cpu> = keyed::fill(arch.config().init(&Default::default()), 7);
        let x = keyed::images::<Cpu>(7, [1, 3, 97, 64], &Default::default());
        for model in [model.clone(), model.fuse()] {
            let found: Vec<f32> = model.forward(x.clone()).into_data().to_vec().unwrap();
            assert_close(&name, &found, &expected, 1e-4);
        }
    }
}

#[test]
fn adapted_input_channels_match_pytorch() {
    let cases: BTreeMap<usize, Vec<f32>> =
        serde_json::from_value(json("parity/in_channels.json")).unwrap();
    let model: ResNet<Cpu> = keyed::fill(Arch::TestResNet.config().init(&Default::default()), 7);
    assert!(!cases.is_empty());
    for (channels, expected) in cases {
        let adapted = model.clone().with_in_channels(channels);
        assert_eq!(adapted.config().in_channels, channels);
        let x = keyed::images::<Cpu>(7, [1, channels, 64, 64], &Default::default());
        let found: Vec<f32> = adapted.forward(x).into_data().to_vec().unwrap();
        assert_close(&format!("{channels} channels"), &found, &expected, 1e-4);
    }
    // One channel sums the weights of three, so three channels share that sum.
    let back = model.clone().with_in_channels(1).with_in_channels(3);
    assert_eq!(back.num_parameters(), model.num_parameters());
}

#[test]
fn an_adapted_convolution_keeps_requires_grad() {
    let model = || -> ResNet<Autodiff<Cpu>> { Arch::TestResNet.config().init(&Default::default()) };
    let _lock = resnet_testing::autograd_lock();
    let trained = |model: ResNet<Autodiff<Cpu>>| {
        let channels = model.config().in_channels;
        let x = keyed::images(7, [1, channels, 64, 64], &Default::default());
        let gradients = model.forward(x).sum().backward();
        GradientsParams::from_grads(gradients, &model).len()
    };
    let all = trained(model());
    assert!(all > 30);
    assert_eq!(trained(model().with_in_channels(5)), all);
    let frozen = model().no_grad().with_in_channels(2);
    let x = keyed::images(7, [1, 2, 64, 64], &Default::default());
    assert!(!frozen.forward(x).is_require_grad());
}

#[test]
fn every_bottleneck_network_supports_stride_placement_v1() {
    let bottlenecks = Arch::ALL.iter().map(|arch| (arch, arch.config()));
    let bottlenecks = bottlenecks.filter(|(_, config)| {
        config
            .stages
            .iter()
            .skip(1)
            .any(|stage| stage.block.is_bottleneck())
    });
    let mut count = 0;
    for (arch, config) in bottlenecks {
        let v1 = config
            .clone()
            .with_stride_placement(StridePlacement::Conv1x1);
        assert_eq!(v1.validate(), Ok(()), "{arch}");
        // With anti-aliasing, neither convolution has a stride.
        let [macs, v1_macs] = [&config, &v1].map(|config| config.cost([224, 224]).macs);
        let moved = config.anti_alias == AntiAlias::None;
        assert_eq!(v1_macs < macs, moved, "{arch}: {v1_macs} of {macs}");
        let [shapes, v1_shapes] = [&config, &v1].map(|config| {
            let model: ResNet<Cpu> = config.init(&Default::default());
            model.state_shapes()
        });
        assert_eq!(shapes, v1_shapes, "{arch}");
        count += 1;
    }
    assert!(count > 50, "{count}");
}

#[test]
fn heads_of_any_size() {
    let config = Arch::TestResNet.config();
    assert_eq!(logits(config.clone().with_num_classes(3), 64).len(), 3);
    assert_eq!(logits(config.clone().with_num_classes(0), 64).len(), 96);
    let both = config
        .with_global_pool(GlobalPool::CatAvgMax)
        .with_num_classes(5);
    assert_eq!(both.num_features(), 192);
    assert_eq!(logits(both, 64).len(), 5);
}

#[test]
fn a_new_head_keeps_the_backbone() {
    let model: ResNet<Cpu> = keyed::fill(Arch::TestResNet.config().init(&Default::default()), 7);
    let x = keyed::images::<Cpu>(7, [1, 3, 64, 64], &Default::default());
    let embedding = model.forward_embedding(x.clone()).into_data();
    let adapted = model.with_classes(4);
    assert_eq!(adapted.forward(x.clone()).dims(), [1, 4]);
    assert_eq!(adapted.forward_embedding(x.clone()).into_data(), embedding);
    assert_eq!(adapted.with_classes(0).forward(x).into_data(), embedding);
}

#[test]
fn zero_initialized_blocks_start_as_the_identity() {
    let config = |zero| {
        let mut config = Arch::CifarResNet20.config().with_zero_init_last(zero);
        config.stages.truncate(1);
        config
    };
    let x = keyed::images::<Cpu>(7, [1, 3, 32, 32], &Default::default());
    let model: ResNet<Cpu> = config(true).init(&Default::default());
    let maps = model.forward_pyramid(x.clone());
    assert_eq!(maps.c1.into_data(), maps.c2.into_data());
    let model: ResNet<Cpu> = config(false).init(&Default::default());
    let maps = model.forward_pyramid(x);
    assert_ne!(maps.c1.into_data(), maps.c2.into_data());
}

#[test]
fn dropout_and_drop_path_act_in_training_only() {
    let x = keyed::images::<Cpu>(7, [4, 3, 64, 64], &Default::default());
    let plain: ResNet<Cpu> = keyed::fill(Arch::TestResNet.config().init(&Default::default()), 7);
    let plain = plain.forward(x.clone()).into_data();
    for config in [
        Arch::TestResNet.config().with_dropout(0.5),
        Arch::TestResNet.config().with_drop_path(0.5),
    ] {
        let evaluated: ResNet<Cpu> = keyed::fill(config.init(&Default::default()), 7);
        assert_eq!(evaluated.forward(x.clone()).into_data(), plain);
        let trained: ResNet<Autodiff<Cpu>> = keyed::fill(config.init(&Default::default()), 7);
        let x = Tensor::from_inner(x.clone());
        let passes: Vec<_> = (0..4)
            .map(|_| trained.forward(x.clone()).into_data())
            .collect();
        assert!(passes.iter().any(|pass| *pass != passes[0]), "{config}");
    }
}

#[test]
fn initialization_matches_pytorch() {
    let model: ResNet<Cpu> = Arch::SeResNet50.config().init(&Default::default());
    let check = |key: &str, data: Vec<f32>, shape: &[usize]| {
        let mean = data.iter().sum::<f32>() / data.len() as f32;
        let deviation = data.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / data.len() as f32;
        let largest = data.iter().fold(0.0_f32, |max, v| max.max(v.abs()));
        match shape {
            // kaiming_normal_(mode="fan_out", nonlinearity="relu")
            [out, _, kernel, _] if data.len() > 4000 => {
                let expected = (2.0 / (out * kernel * kernel) as f32).sqrt();
                assert!(
                    (deviation.sqrt() / expected - 1.0).abs() < 0.05,
                    "{key}: {deviation}"
                );
            }
            // U(-1 / sqrt(fan_in), 1 / sqrt(fan_in)), of fan 2048
            [_, 2048] | [1000] => {
                assert!(
                    largest <= 2048.0_f32.powf(-0.5) && largest > 0.021,
                    "{key}: {largest}"
                );
            }
            _ if key.ends_with("se.fc1.bias") => {
                assert!(largest > 0.0 && largest <= 0.0625, "{key}")
            }
            _ if key.contains("bn") || key.contains("downsample.1") => {
                let one = key.ends_with("weight") || key.ends_with("running_var");
                assert!(data.iter().all(|v| *v == f32::from(u8::from(one))), "{key}");
            }
            _ => {}
        }
    };
    let result: Result<(), ()> = model.visit_state(|key, data| {
        let shape = data.shape.to_vec();
        check(key, data.to_vec().unwrap(), &shape);
        Ok(())
    });
    result.unwrap();
}

#[test]
fn feature_maps_match_features_for_every_output_stride() {
    let with =
        |config: ResNetConfig| [8, 16, 32].map(|stride| config.clone().with_output_stride(stride));
    let configs = [
        with(Arch::ResNet18.config()),
        with(Arch::ResNet26d.config()),
        with(Arch::ResNet26.config().with_anti_alias(AntiAlias::Blur)),
        with(Arch::ResNet18.config().with_shortcut(ShortcutKind::ZeroPad)),
        with(Arch::ResNetRs50.config().with_activation(Activation::Silu)),
    ];
    for mut config in configs.into_iter().flatten() {
        config
            .stages
            .iter_mut()
            .for_each(|stage| stage.depth = stage.depth.min(2));
        let model: ResNet<Cpu> = config.init(&Default::default());
        for side in [64, 75] {
            let maps =
                model.forward_pyramid(keyed::images(7, [1, 3, side, side], &Default::default()));
            let shapes: Vec<_> = maps.maps().map(|map| map.dims()).collect();
            let features = config.features().into_iter().map(|feature| {
                let size = side.div_ceil(feature.stride);
                [1, feature.channels, size, size]
            });
            assert_eq!(shapes, features.collect::<Vec<_>>(), "{config}");
        }
    }
}

#[test]
fn check_input_rejects_sizes_that_forward_cannot_process() {
    let check = |arch: Arch, side| arch.config().check_input([64, side]);
    assert_eq!(check(Arch::ResNet50, 1), Ok(()));
    assert!(check(Arch::ResNet50, 0).is_err());
    assert_eq!(check(Arch::ResNetAa50, 64), Ok(()));
    assert_eq!(
        check(Arch::ResNetAa50, 72).unwrap_err().to_string(),
        "`input size`: expected a multiple of the network's stride, found 72"
    );
    assert!(check(Arch::ResNetBlur50, 16).is_err());
    for (arch, sides) in [
        (Arch::ResNetAa50d, [32, 64, 96]),
        (Arch::ResNetBlur50, [17, 33, 50]),
    ] {
        let mut config = arch.config();
        config.stages.iter_mut().for_each(|stage| stage.depth = 1);
        let model: ResNet<Cpu> = config.init(&Default::default());
        for side in sides {
            assert_eq!(config.check_input([side, side]), Ok(()), "{arch} {side}");
            assert_eq!(
                model
                    .forward(keyed::images(7, [1, 3, side, side], &Default::default()))
                    .dims(),
                [1, 1000]
            );
        }
    }
}

#[test]
fn fewer_stages_make_a_shorter_pyramid() {
    let mut config = Arch::ResNet18.config();
    config.stages.truncate(2);
    let model: ResNet<Cpu> = config.init(&Default::default());
    let pyramid = model.forward_pyramid(keyed::images(7, [1, 3, 32, 32], &Default::default()));
    assert!(pyramid.c3.is_some() && pyramid.c4.is_none() && pyramid.c5.is_none());
    assert_eq!(pyramid.last().dims(), [1, 128, 4, 4]);
    assert_eq!(pyramid.into_maps().len(), 3);
    assert_eq!(config.num_features(), 128);
}

#[test]
fn a_config_round_trips_through_json() {
    for arch in Arch::ALL {
        let config = arch.config();
        let json = serde_json::to_string(&config).unwrap();
        let back: ResNetConfig = serde_json::from_str(&json).unwrap();
        assert_eq!(back, config, "{arch}");
        let named: Arch = serde_json::from_str(&serde_json::to_string(arch).unwrap()).unwrap();
        assert_eq!(named, *arch);
    }
}

#[test]
#[should_panic(
    expected = "invalid ResNetConfig: `cardinality`: expected 1, as only bottlenecks have groups, found 2"
)]
fn init_panics_on_an_invalid_config() {
    let config = ResNetConfig::imagenet(BlockKind::Basic, [1; 4]).with_cardinality(2);
    let _: ResNet<Cpu> = config.init(&Default::default());
}

#[test]
fn a_network_prints_on_few_lines() {
    let model: ResNet<Cpu> = Arch::ResNet50.config().init(&Default::default());
    let text = model.to_string();
    assert!(
        text.starts_with("ResNet {") && text.contains("num_classes: 1000"),
        "{text}"
    );
    assert!(text.lines().count() < 12, "{text}");
}
