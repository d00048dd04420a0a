//! Parameters, keys and shapes of every architecture, compared with timm's.

use burn::module::Module;
use resnet_core::{
    Arch, AttentionKind, GlobalPool, Network, NormKind, ResNet, ResNetConfig, is_running_stat,
};
use resnet_testing::keyed;
use resnet_testing::suite::{self, json};

use crate::Cpu;

#[test]
fn every_architecture_matches_the_parameters_and_keys_of_pytorch() {
    let facts = json("state_dicts/state_dicts.json");
    let facts = facts.as_array().unwrap();
    let mut known: Vec<_> = facts
        .iter()
        .map(|fact| fact["name"].as_str().unwrap())
        .collect();
    let mut ours: Vec<_> = Arch::ALL.iter().map(|arch| arch.name()).collect();
    known.sort_unstable();
    ours.sort_unstable();
    assert_eq!(ours, known);

    for fact in facts {
        let arch: Arch = fact["name"].as_str().unwrap().parse().unwrap();
        let model: ResNet<Cpu> = arch.config().init(&Default::default());
        let parameters = fact["parameters"].as_u64().unwrap();
        assert_eq!(model.num_parameters() as u64, parameters, "{arch}");
        assert_eq!(
            arch.config().cost([224, 224]).parameters,
            parameters,
            "{arch}: by arithmetic"
        );

        let mut lines = Vec::new();
        for (key, shape) in model.state_shapes() {
            let shape: Vec<_> = shape.iter().map(usize::to_string).collect();
            if let Some(norm) = key.strip_suffix("running_var") {
                lines.push(format!("{norm}num_batches_tracked "));
            }
            lines.push(format!("{key} {}", shape.join("x")));
        }
        lines.sort_unstable();
        assert_eq!(lines.len() as u64, fact["keys"].as_u64().unwrap(), "{arch}");
        let hash = format!("{:016x}", keyed::fnv1a64(&lines.join("\n")));
        assert_eq!(
            hash,
            fact["fnv1a64"].as_str().unwrap(),
            "{arch}: {lines:#?}"
        );
    }
}

#[test]
fn the_cost_counts_the_parameters_of_the_network() {
    let variants = |arch: &Arch| {
        let config = arch.config();
        [
            config.clone().with_num_classes(0),
            config.clone().with_num_classes(7).with_in_channels(1),
            config.clone().with_global_pool(GlobalPool::CatAvgMax),
            config.clone().with_norm(NormKind::BatchStats),
            config
                .clone()
                .with_attention(AttentionKind::EfficientChannel),
            config,
        ]
    };
    // Pre-activation blocks have no attention.
    let valid = |config: &ResNetConfig| config.validate().is_ok();
    let configs: Vec<_> = Arch::ALL.iter().flat_map(variants).filter(valid).collect();
    assert!(configs.len() > 5 * Arch::ALL.len());
    for config in configs {
        let parameters = config.cost([224, 224]).parameters;
        let model: ResNet<Cpu> = config.init(&Default::default());
        assert_eq!(model.num_parameters() as u64, parameters, "{config}");
        assert_eq!(model.state_shapes(), config.state_shapes(), "{config}");
        // Burn's count initializes all weights first, which takes minutes for all networks.
        if parameters < 2_000_000 {
            let buffers = model.state_shapes().into_iter();
            let buffers = buffers.filter(|(key, _)| is_running_stat(key));
            let buffers: usize = buffers.map(|(_, shape)| shape[0]).sum();
            let of_burn = model.num_params() - buffers;
            assert_eq!(of_burn as u64, parameters, "{config}");
        }
    }
}

#[test]
fn costs_match_published_tables() {
    // MACs of convolutions and classifier at 224x224 pixels, in billions.
    let published = [
        (Arch::ResNet10t, 1.097),
        (Arch::ResNet18, 1.814),
        (Arch::ResNet26d, 2.582),
        (Arch::ResNet50, 4.089),
        (Arch::ResNet50s, 5.444),
        (Arch::ResNet200d, 15.247),
        (Arch::WideResNet101_2, 22.753),
        (Arch::ResNeXt101_64x4d, 15.460),
        (Arch::SeResNet50, 4.092),
        (Arch::EcaResNet101d, 8.041),
        (Arch::ResNetRs101, 8.176),
        (Arch::TestResNet, 0.201),
    ];
    for (arch, gmacs) in published {
        let found = arch.config().cost([224, 224]).macs as f64 / 1e9;
        assert!(
            (found - gmacs).abs() < 0.0006,
            "{arch}: expected {gmacs}, found {found:.4}"
        );
    }
}

#[test]
fn a_state_dict_round_trips_and_loading_stops_at_the_first_error() {
    suite::state::<Cpu>(&Default::default());
}
